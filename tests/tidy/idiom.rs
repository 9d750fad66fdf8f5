//! What a reader should not have to join by position.

use super::rust;

/// How many `let (a, b) = (x, y);` the sources may have.
const TUPLE_LETS_MAX: usize = 29;

#[test]
fn lets_have_one_name_each() {
    let mut found = Vec::new();
    for file in rust().iter().filter(|file| file.path.starts_with("src/")) {
        let code: Vec<(usize, &str)> = file.code().collect();
        let text: String = code.iter().flat_map(|(_, line)| [line, "\n"]).collect();
        for (at, _) in text.match_indices("let (").filter(|(at, _)| is_tuple_let(&text[at + 4..])) {
            let line = text[..at].matches('\n').count();
            found.push(format!("{}:{}", file.path, code[line].0));
        }
    }
    assert!(
        found.len() <= TUPLE_LETS_MAX,
        "{} lets of tuples, write one let per name:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// Does `text`, behind `let`, bind a tuple of names to a tuple of values?
fn is_tuple_let(text: &str) -> bool {
    let Some(pattern) = parenthesised(text) else { return false };
    let rest = text[pattern..].trim_start();
    // A type may be between.
    let typed = rest.strip_prefix(':').map(str::trim_start);
    let rest = typed.map_or(rest, |typed| &typed[parenthesised(typed).unwrap_or(0)..]);
    let Some(value) = rest.trim_start().strip_prefix('=').map(str::trim_start) else {
        return false;
    };
    parenthesised(value).is_some_and(|end| value[end..].starts_with(';'))
}

/// How long the parenthesised beginning of `text` is.
fn parenthesised(text: &str) -> Option<usize> {
    if !text.starts_with('(') {
        return None;
    }
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at + 1),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[test]
fn a_let_of_a_tuple_is_found() {
    for text in [
        "(a, b) = (1, 2);",
        "(mut a, (b, c)): (u8, (u8, u8)) = (f(1), g());",
        "(\n    a,\n    b,\n) = (\n    1,\n    2,\n);",
    ] {
        assert!(is_tuple_let(text), "{text}");
    }
    for text in ["(a, b) = f();", "(a, b) = (1, 2).max(c);", "(a, b) = (x) else { return };"] {
        assert!(!is_tuple_let(text), "{text}");
    }
}
