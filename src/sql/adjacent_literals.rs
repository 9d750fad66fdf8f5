//! Checks literals that touch or follow each other, where the parser sees an alias.
//!
//! `PostgreSQL` joins two texts over the end of a line, and knows neither `'a' 'b'` on one line nor
//! a number with letters behind it, such as `1_000` or `0x1F`.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::SqlError;

/// Checks the tokens of a statement, blanks included.
///
/// # Errors
/// When a literal stands where none can be.
pub(super) fn check(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let mut last: Option<&TokenWithSpan> = None;
    let mut has_new_line = false;
    for token in tokens {
        if let Token::Whitespace(blank) = &token.token {
            has_new_line |= *blank == Whitespace::Newline;
            continue;
        }
        if is_prefixed(token) || last.is_some_and(|last| touches(last, token)) {
            let message = format!("trailing junk after numeric literal at {token}");
            return Err(SqlError::new("42601", message));
        }
        if last.is_some_and(|last| follows(&last.token, &token.token, has_new_line)) {
            let message = format!("syntax error at or near \"{token}\"");
            return Err(SqlError::new("42601", message));
        }
        last = Some(token);
        has_new_line = false;
    }
    Ok(())
}

/// Whether this is `0x1F`, which the tokenizer takes for `X'1F'`.
fn is_prefixed(token: &TokenWithSpan) -> bool {
    let Token::HexStringLiteral(digits) = &token.token else { return false };
    let width = token.span.end.column.saturating_sub(token.span.start.column);
    width < digits.len() as u64 + 3
}

/// Whether a word begins where a number ends.
fn touches(number: &TokenWithSpan, word: &TokenWithSpan) -> bool {
    let is_word = matches!(&word.token, Token::Word(word) if word.quote_style.is_none());
    matches!(number.token, Token::Number(..)) && is_word && number.span.end == word.span.start
}

fn is_text(token: &Token) -> bool {
    matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::HexStringLiteral(_)
    )
}

/// Whether a text follows a text to which it is not joined.
fn follows(one: &Token, other: &Token, has_new_line: bool) -> bool {
    let is_joined = has_new_line
        && matches!(one, Token::SingleQuotedString(_))
        && matches!(other, Token::SingleQuotedString(_));
    is_text(one) && is_text(other) && !is_joined
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;
    use crate::postgres::PostgresDialect;

    fn is_fine(sql: &str) -> bool {
        let dialect = PostgresDialect::default();
        let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location().expect("tokens");
        check(&tokens).is_ok()
    }

    #[test]
    fn literals_stand_alone() {
        for sql in
            ["1, 'a', x'1F'", "'a'\n'b'", "1 a", "'a' as b", "t1, a.b1", "1e3+1", "array[1:2]"]
        {
            assert!(is_fine(sql), "{sql}");
        }
        for sql in ["1_000", "0x1F", "0b11", "1a", "1.5e", "'a' 'b'", "'a' /* b */ 'c'", "e'a' 'b'"]
        {
            assert!(!is_fine(sql), "{sql}");
        }
    }
}
