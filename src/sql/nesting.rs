//! Bounds how deep a statement nests and how much it is, before any code recurses over it.
//!
//! An operator may nest the ones before it: `a + b + c` is a tree of depth two. A comma begins
//! anew, so a list of ten thousand values is no deeper than one of them. Parts that nest across
//! commas (subqueries, set operations, joins) are counted for the whole statement.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::SqlError;
use diptych_base::limits::{SQL_OPERATORS_MAX, SQL_TOKENS_MAX};

/// What a token adds to the depth of a statement.
#[derive(Clone, Copy, PartialEq)]
enum Nests {
    /// Nothing.
    No,
    /// It may nest what precedes it between the same commas.
    Expression,
    /// It may nest everything that precedes it.
    Statement,
}

/// Checks that the statement, without its white space, is not too much.
///
/// # Errors
/// When it has too many words, or too many operators that nest one another.
pub(super) fn check(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    if tokens.len() > SQL_TOKENS_MAX {
        let has = tokens.len();
        let message = format!("the statement has {has} words and signs, at most {SQL_TOKENS_MAX}");
        return Err(too_complex(message));
    }
    let operators = depth(tokens.iter().map(|token| &token.token));
    if operators > SQL_OPERATORS_MAX {
        let message =
            format!("{operators} operators nest one another, at most {SQL_OPERATORS_MAX} may");
        return Err(too_complex(message));
    }
    Ok(())
}

/// The error of a statement that is too much.
pub(super) fn too_complex(message: String) -> SqlError {
    SqlError::new("54001", format!("{message} (split it, or make it simpler)"))
}

/// The most operators that may nest one another.
fn depth<'t>(tokens: impl Iterator<Item = &'t Token>) -> usize {
    let mut parts = 0;
    // The operators since the last comma of each open bracket, and their sum.
    let mut open = vec![0_usize];
    let mut sum: usize = 0;
    let mut deepest = 0;
    for token in tokens {
        match token {
            Token::LParen => open.push(0),
            // Lists of lists nest without an operator.
            Token::LBracket => {
                if let Some(last) = open.last_mut() {
                    *last += 1;
                    sum += 1;
                }
                open.push(0);
            }
            Token::RParen | Token::RBracket if open.len() > 1 => {
                sum -= open.pop().unwrap_or_default();
            }
            Token::Comma => {
                if let Some(last) = open.last_mut() {
                    sum -= std::mem::take(last);
                }
            }
            token => match nests(token) {
                Nests::No => {}
                Nests::Statement => parts += 1,
                Nests::Expression => {
                    if let Some(last) = open.last_mut() {
                        *last += 1;
                        sum += 1;
                    }
                }
            },
        }
        deepest = deepest.max(sum);
    }
    deepest + parts
}

fn nests(token: &Token) -> Nests {
    use Keyword::{
        AND, AT, BETWEEN, COLLATE, EXCEPT, ILIKE, IN, INTERSECT, IS, JOIN, LIKE, MINUS, NOT, OR,
        SELECT, SIMILAR, UNION,
    };
    match token {
        Token::Word(word) => match word.keyword {
            AND | AT | BETWEEN | COLLATE | ILIKE | IN | IS | LIKE | NOT | OR | SIMILAR => {
                Nests::Expression
            }
            EXCEPT | INTERSECT | JOIN | MINUS | SELECT | UNION => Nests::Statement,
            _ => Nests::No,
        },
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::DollarQuotedString(_)
        | Token::HexStringLiteral(_)
        | Token::Placeholder(_)
        | Token::Period
        | Token::RParen
        | Token::RBracket
        | Token::SemiColon
        | Token::EOF => Nests::No,
        _ => Nests::Expression,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    fn depth_of(sql: &str) -> usize {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize().expect("tokens");
        depth(tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))))
    }

    #[test]
    fn lists_are_no_deeper_than_their_deepest_value() {
        let list: Vec<_> = (0..10_000).map(|n| format!("${n}::int")).collect();
        let sql = format!("SELECT a WHERE a IN ({}) AND b", list.join(", "));
        // SELECT, then IN with a cast.
        assert_eq!(depth_of(&sql), 3);
        assert_eq!(depth_of("SELECT a + b + c, a, a + b"), 3);
        assert_eq!(depth_of("SELECT a + (b * (c - d))"), 4);
        assert_eq!(depth_of(")))) , ] 1"), 0);
    }

    #[test]
    fn parts_are_counted_across_commas() {
        let sql = ["SELECT 1, 2"; 500].join(" UNION ");
        assert_eq!(depth_of(&sql), 999);
        let sql = format!("SELECT {}1", "1 + ".repeat(2_000));
        assert_eq!(depth_of(&sql), 2_001);
    }
}
