//! Splits a text into statements and words, before anything is known about them.
//!
//! Only the syntax that decides where a text, a comment or a quoted name ends is parsed.

/// One statement of a text.
#[derive(Debug, PartialEq)]
pub(super) struct StatementText<'a> {
    /// The statement without its semicolon.
    pub(super) sql: &'a str,
    /// The number of characters before it.
    pub(super) before: usize,
}

/// The statements of `text` that are not empty.
pub(super) fn split(text: &str) -> Vec<StatementText<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let mut before = 0;
    let mut has_words = false;
    while at < text.len() {
        let (length, is_word) = token(&text[at..]);
        if text.as_bytes()[at] == b';' {
            if has_words {
                found.push(StatementText { sql: &text[start..at], before });
            }
            before += text[start..=at].chars().count();
            (start, has_words) = (at + 1, false);
        }
        has_words |= is_word;
        at += length;
    }
    if has_words {
        found.push(StatementText { sql: &text[start..], before });
    }
    found
}

/// The words, names, numbers, texts and signs of a statement, without comments and white space.
pub(super) fn words(sql: &str) -> impl Iterator<Item = &str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < sql.len() {
            let (length, is_word) = token(&sql[at..]);
            let word = &sql[at..at + length];
            at += length;
            if is_word {
                return Some(word);
            }
        }
        None
    })
}

/// The length in bytes of the first token of `text`, and whether it is more than white space, a
/// comment or a semicolon.
fn token(text: &str) -> (usize, bool) {
    let bytes = text.as_bytes();
    let first = bytes[0];
    match first {
        b';' => (1, false),
        b'-' if bytes.starts_with(b"--") => {
            (memchr::memchr(b'\n', bytes).map_or(text.len(), |end| end + 1), false)
        }
        b'/' if bytes.starts_with(b"/*") => (comment(bytes), false),
        b'\'' => (quoted(bytes, 0, false), true),
        b'"' => (quoted(bytes, 0, false), true),
        b'e' | b'E' if bytes.get(1) == Some(&b'\'') => (quoted(bytes, 1, true), true),
        b'$' => (dollar_quoted(text), true),
        _ if first.is_ascii_whitespace() => (1, false),
        _ if is_name(first) => {
            (bytes.iter().position(|byte| !is_name(*byte)).unwrap_or(text.len()), true)
        }
        _ => (1, true),
    }
}

/// Whether a byte belongs to a name: letters, digits, `_`, `$` inside, and everything beyond ASCII.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// The length of a comment; comments nest.
fn comment(bytes: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

/// The length of a text or name that starts with the quote at `start`, doubled quotes included.
fn quoted(bytes: &[u8], start: usize, escapes: bool) -> usize {
    let quote = bytes[start];
    let mut at = start + 1;
    while at < bytes.len() {
        if escapes && bytes[at] == b'\\' {
            at += 2;
        } else if bytes[at] == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 2;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// The length of `$tag$ … $tag$`, or of a parameter.
fn dollar_quoted(text: &str) -> usize {
    let rest = &text[1..];
    let end = rest.bytes().position(|byte| byte == b'$' || !is_name(byte));
    match end {
        Some(end)
            if rest.as_bytes()[end] == b'$' && !rest.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            let tag = &text[..end + 2];
            let body = &text[tag.len()..];
            body.find(tag).map_or(text.len(), |end| end + 2 * tag.len())
        }
        Some(end) => end + 1,
        None => text.len(),
    }
}

/// A name as `PostgreSQL` folds it: in lower case unless it is quoted.
pub(super) fn name(word: &str) -> String {
    match word.strip_prefix('"').and_then(|word| word.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => word.to_ascii_lowercase(),
    }
}

/// The value in a word of a SET: the inside of a text, a name, or a number.
pub(super) fn value(word: &str) -> String {
    match word.strip_prefix('\'').and_then(|word| word.strip_suffix('\'')) {
        Some(text) => text.replace("''", "'"),
        None => word.trim_matches('"').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn statements_end_where_postgres_ends_them() {
        let text = "select ';', \"a;b\"; -- no; \n/* ; /* ; */ ; */ ; select $x$;$x$; é; e'\\';';";
        let found: Vec<_> = split(text).iter().map(|found| found.sql.trim()).collect();
        assert_eq!(found, ["select ';', \"a;b\"", "select $x$;$x$", "é", "e'\\';'"]);
        let behind = split("é; x");
        assert_eq!((behind[1].sql, behind[1].before), (" x", 2));
        assert!(split(" ; /* */ ;; -- ").is_empty());
    }

    #[test]
    fn words_are_found_between_comments() {
        let found: Vec<_> = words("set/**/ X to 'it''s', $1 -- y").collect();
        assert_eq!(found, ["set", "X", "to", "'it''s'", ",", "$1"]);
        assert_eq!((name("\"A\"\"b\""), name("Ab")), ("A\"b".into(), "ab".into()));
        assert_eq!((value("'it''s'"), value("\"a\"")), ("it's".into(), "a".into()));
    }

    proptest! {
        #[test]
        fn any_text_is_split_without_loss(text in "[a;'\"$/*\\\\ \n-é1x]{0,30}") {
            for found in split(&text) {
                prop_assert!(text.contains(found.sql));
                let skipped: String = text.chars().skip(found.before).collect();
                prop_assert!(skipped.starts_with(found.sql));
            }
            let _ = words(&text).count();
        }
    }
}
