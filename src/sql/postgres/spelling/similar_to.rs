//! `SIMILAR TO` as a regular expression that matches the whole text.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};

use super::{Written, literal_text, refused, taken, text};
use crate::SqlError;

pub(super) fn patterns(expr: &mut Expr) -> Written {
    let Expr::SimilarTo { negated, expr: value, pattern, escape_char } = expr else {
        return Ok(());
    };
    let Some(pattern) = literal_text(pattern) else {
        let instead = "write the pattern as a text, or use ~ with a regular expression";
        return Err(refused("SIMILAR TO with a pattern that is calculated", instead));
    };
    let escape = match escape_char {
        None => Some('\\'),
        Some(value) => {
            let escape = value.value.clone().into_string().unwrap_or_default();
            let mut chars = escape.chars();
            let first = chars.next();
            if chars.next().is_some() {
                return Err(SqlError::new("22019", "the escape is not one character"));
            }
            first
        }
    };
    let regular = text(regular(pattern, escape)?);
    let op = match *negated {
        true => BinaryOperator::PGRegexNotMatch,
        false => BinaryOperator::PGRegexMatch,
    };
    let left = Box::new(taken(value));
    let matched = Expr::BinaryOp { left, op, right: Box::new(regular) };
    *expr = Expr::Nested(Box::new(matched));
    Ok(())
}

/// The regular expression that a pattern of `SIMILAR TO` is.
fn regular(pattern: &str, escape: Option<char>) -> Result<String, SqlError> {
    let mut regular = String::from("(?s)^(?:");
    let mut chars = pattern.chars();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            let escaped = chars.next();
            let escaped =
                escaped.ok_or_else(|| SqlError::new("22025", "the pattern ends early"))?;
            if !escaped.is_alphanumeric() {
                regular.push('\\');
            }
            regular.push(escaped);
            continue;
        }
        match c {
            '[' if !in_class => {
                in_class = true;
                regular.push('[');
            }
            ']' => {
                in_class = false;
                regular.push(']');
            }
            '\\' => regular.push_str("\\\\"),
            c if in_class => regular.push(c),
            '%' => regular.push_str(".*"),
            '_' => regular.push('.'),
            '.' | '^' | '$' => {
                regular.push('\\');
                regular.push(c);
            }
            '(' => regular.push_str("(?:"),
            c => regular.push(c),
        }
    }
    regular.push_str(")$");
    Ok(regular)
}

#[cfg(test)]
mod tests {
    use super::regular;

    #[test]
    fn patterns_match_whole_texts() {
        let of = |pattern: &str| regular(pattern, Some('\\')).expect("a pattern");
        assert_eq!(of("name (1|2)"), "(?s)^(?:name (?:1|2))$");
        assert_eq!(of("a%_.b"), "(?s)^(?:a.*.\\.b)$");
        assert_eq!(of("[a%]\\%"), "(?s)^(?:[a%]\\%)$");
        assert!(regular("a\\", Some('\\')).is_err());
    }
}
