//! Templates of `to_char` and its like: splits them into known patterns and other text.

use super::super::failure::{Outcome, refused};

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// A pattern in capitals, how it was written, and its modifiers.
    Pattern(&'static str, String, Modifiers),
    Text(String),
}

/// What stands before and behind a pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Modifiers {
    /// `FM`: without leading zeros and blanks.
    pub(super) is_plain: bool,
    /// `th` or `TH`: the ending of an ordinal number.
    pub(super) ordinal: Option<bool>,
}

/// Patterns of dates and times; those that others begin with come behind them.
const TIMES: &[&str] = &[
    "Y,YYY", "YYYY", "YYY", "YY", "Y", "IYYY", "IYY", "IY", "IDDD", "ID", "IW", "I", "MONTH",
    "MON", "MM", "MI", "MS", "DAY", "DY", "DDD", "DD", "D", "HH24", "HH12", "HH", "SSSSS", "SSSS",
    "SS", "US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "A.M.", "P.M.", "AM", "PM", "B.C.",
    "A.D.", "BC", "AD", "CC", "WW", "W", "Q", "J", "RM", "TZH", "TZM", "TZ", "OF",
];

/// The pieces of a template for dates and times.
pub(super) fn of_times(template: &str) -> Outcome<Vec<Node>> {
    let mut nodes = Vec::new();
    let mut rest = template;
    let mut is_plain = false;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let (text, after) = quoted(&rest[1..]);
            nodes.push(Node::Text(text));
            rest = after;
            continue;
        }
        if has_prefix(rest, "FM") {
            is_plain = true;
            rest = &rest[2..];
            continue;
        }
        for unknown in ["FX", "TM"] {
            if has_prefix(rest, unknown) {
                let what = format!("the pattern {unknown}");
                return Err(refused(&what, "leave it out"));
            }
        }
        let Some(pattern) = TIMES.iter().find(|pattern| has_prefix(rest, pattern)) else {
            push_text(&mut nodes, first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let written = rest[..pattern.len()].to_owned();
        rest = &rest[pattern.len()..];
        let ordinal = has_prefix(rest, "TH").then(|| rest.starts_with("TH"));
        if ordinal.is_some() {
            rest = &rest[2..];
        }
        nodes.push(Node::Pattern(pattern, written, Modifiers { is_plain, ordinal }));
        is_plain = false;
    }
    Ok(nodes)
}

fn has_prefix(text: &str, pattern: &str) -> bool {
    text.get(..pattern.len()).is_some_and(|start| start.eq_ignore_ascii_case(pattern))
}

fn push_text(nodes: &mut Vec<Node>, c: char) {
    match nodes.last_mut() {
        Some(Node::Text(text)) => text.push(c),
        _ => nodes.push(Node::Text(c.to_string())),
    }
}

/// The text up to the closing quote, and what follows it.
pub(super) fn quoted(text: &str) -> (String, &str) {
    let mut found = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (found, &text[at + 1..]),
            '\\' => found.extend(chars.next().map(|(_, c)| c)),
            c => found.push(c),
        }
    }
    (found, "")
}
