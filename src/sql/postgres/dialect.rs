//! The parser's dialect: `PostgreSQL`'s, with `PostgreSQL`'s whole table of precedences.
//!
//! sqlparser 0.62 gives the regular expression operators the precedence of `=`, lets
//! `IS DISTINCT FROM` swallow a following `AND` (sqlparser#2436), binds a minus sign less tightly
//! than `^`, and lets comparisons follow each other. Everything else is its own dialect.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// The precedence of a sign: above `^` and `COLLATE`, below `[`.
const SIGN: u8 = 125;

/// `PostgreSQL`'s dialect with its own precedences.
#[derive(Debug, Default)]
pub struct PostgresDialect(PostgreSqlDialect);

type Parsed = Option<Result<Expr, ParserError>>;

macro_rules! as_it_is {
    ($($name:ident)*) => {
        $(fn $name(&self) -> bool {
            self.0.$name()
        })*
    };
}

impl Dialect for PostgresDialect {
    /// The parser asks in places whether the dialect is `PostgreSQL`'s.
    fn dialect(&self) -> TypeId {
        self.0.dialect()
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.0.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.0.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.0.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.0.is_identifier_part(ch)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        self.0.is_custom_operator_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        self.0.is_reserved_for_identifier(keyword)
    }

    as_it_is! {
        supports_unicode_string_literal supports_filter_during_aggregation
        supports_group_by_expr allow_extract_custom allow_extract_single_quotes
        supports_create_index_with_clause supports_explain_with_utility_options
        supports_listen_notify supports_factorial_operator supports_bitwise_shift_operators
        supports_comment_on supports_load_extension supports_named_fn_args_with_colon_operator
        supports_named_fn_args_with_expr_name supports_empty_projections supports_nested_comments
        supports_string_escape_constant supports_array_typedef_with_brackets
        supports_geometric_types supports_set_names
        supports_alter_column_type_using supports_notnull_operator supports_interval_options
        supports_insert_table_alias supports_create_table_like_parenthesized
        supports_select_wildcard_with_alias supports_comma_separated_trim
        supports_xml_expressions
    }

    fn supports_string_literal_concatenation_with_newline(&self) -> bool {
        true
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        self.0.prec_value(precedence)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        let precedence = match &parser.peek_token_ref().token {
            Token::Tilde
            | Token::TildeAsterisk
            | Token::ExclamationMarkTilde
            | Token::ExclamationMarkTildeAsterisk
            | Token::DoubleTilde
            | Token::DoubleTildeAsterisk
            | Token::ExclamationMarkDoubleTilde
            | Token::ExclamationMarkDoubleTildeAsterisk => Precedence::PgOther,
            Token::Word(word) if word.keyword == Keyword::OPERATOR => Precedence::PgOther,
            Token::Word(word) if is_null_test(&word.value, word.quote_style) => Precedence::Is,
            _ => return self.0.get_next_precedence(parser),
        };
        Some(Ok(self.prec_value(precedence)))
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Parsed {
        let op = match parser.peek_token_ref().token {
            Token::Minus => UnaryOperator::Minus,
            Token::Plus => UnaryOperator::Plus,
            Token::Tilde => UnaryOperator::BitwiseNot,
            Token::AtSign => UnaryOperator::PGAbs,
            _ => return None,
        };
        parser.advance_token();
        let is_sign = matches!(op, UnaryOperator::Minus | UnaryOperator::Plus);
        let precedence = if is_sign { SIGN } else { self.prec_value(Precedence::PgOther) };
        let operand = parser.parse_subexpr(precedence);
        Some(operand.map(|expr| Expr::UnaryOp { op, expr: Box::new(expr) }))
    }

    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, _: u8) -> Parsed {
        let negated = [Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM];
        let is_negated = parser.parse_keywords(&negated);
        if is_negated || parser.parse_keywords(&[Keyword::IS, Keyword::DISTINCT, Keyword::FROM]) {
            let left = Box::new(expr.clone());
            let right = parser.parse_subexpr(self.prec_value(Precedence::Is));
            return Some(right.map(|right| match is_negated {
                true => Expr::IsNotDistinctFrom(left, Box::new(right)),
                false => Expr::IsDistinctFrom(left, Box::new(right)),
            }));
        }
        match &parser.peek_token_ref().token {
            Token::Word(word) if is_null_test(&word.value, word.quote_style) => {
                parser.advance_token();
                Some(Ok(Expr::IsNull(Box::new(expr.clone()))))
            }
            Token::Eq | Token::Lt | Token::LtEq | Token::Neq | Token::Gt | Token::GtEq
                if is_comparison(expr) =>
            {
                let found = parser.peek_token();
                Some(parser.expected("no comparison of a comparison (use parentheses)", found))
            }
            _ => None,
        }
    }
}

/// Whether a word is the operator `ISNULL`.
fn is_null_test(word: &str, quote: Option<char>) -> bool {
    quote.is_none() && word.eq_ignore_ascii_case("isnull")
}

fn is_comparison(expr: &Expr) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(expr, Expr::BinaryOp { op: Eq | Gt | GtEq | Lt | LtEq | NotEq, .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::ast::{Expr, VisitMut, VisitorMut};
    use std::ops::ControlFlow;

    /// Writes the parentheses that a tree has.
    struct Parenthesize;

    impl VisitorMut for Parenthesize {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            let leaf = matches!(expr, Expr::Identifier(_) | Expr::Value(_) | Expr::Nested(_));
            if !leaf {
                *expr = Expr::Nested(Box::new(expr.clone()));
            }
            ControlFlow::Continue(())
        }
    }

    fn tree(dialect: &dyn Dialect, sql: &str) -> String {
        let mut parser = Parser::new(dialect).try_with_sql(sql).expect("tokens");
        let mut expr = parser.parse_expr().expect(sql);
        let _ = expr.visit(&mut Parenthesize);
        expr.to_string()
    }

    #[test]
    fn operators_bind_as_in_postgres() {
        for (sql, read) in [
            ("a IS DISTINCT FROM b AND c", "((a IS DISTINCT FROM b) AND c)"),
            ("a IS NOT DISTINCT FROM b OR c", "((a IS NOT DISTINCT FROM b) OR c)"),
            ("a IS DISTINCT FROM b = c", "(a IS DISTINCT FROM (b = c))"),
            ("a ~ b = c", "((a ~ b) = c)"),
            ("a = b || c", "(a = (b || c))"),
            ("a ~ b || c", "((a ~ b) || c)"),
            ("- a ^ b", "((-a) ^ b)"),
            ("- a * b", "((-a) * b)"),
            ("- a :: x", "(-(a::x))"),
            ("a ^ b ^ c", "((a ^ b) ^ c)"),
            ("a - b - c", "((a - b) - c)"),
            ("a + b | c * d", "((a + b) | (c * d))"),
            ("NOT a = b", "(NOT (a = b))"),
            ("NOT a IS NULL AND b", "((NOT (a IS NULL)) AND b)"),
            ("a OR b AND c", "(a OR (b AND c))"),
            ("a = b IS NULL", "((a = b) IS NULL)"),
            ("a BETWEEN b AND c AND d", "((a BETWEEN b AND c) AND d)"),
            ("a LIKE b || c", "(a LIKE (b || c))"),
            ("a ISNULL AND b NOTNULL", "((a IS NULL) AND (b IS NOT NULL))"),
            ("a + b AT TIME ZONE c", "(a + (b AT TIME ZONE c))"),
            ("a <@ b AND c", "((a <@ b) AND c)"),
            ("~ a + b", "(~(a + b))"),
        ] {
            assert_eq!(tree(&PostgresDialect::default(), sql), read, "{sql}");
        }
    }

    #[test]
    fn comparisons_do_not_chain() {
        for sql in ["a < b < c", "a = b = c"] {
            let dialect = PostgresDialect::default();
            let mut parser = Parser::new(&dialect).try_with_sql(sql).expect("tokens");
            assert!(parser.parse_expr().is_err(), "{sql}");
        }
    }

    /// When this fails, the precedence of `IS DISTINCT FROM` is mended upstream.
    #[test]
    fn upstream_still_swallows_and() {
        let sql = "a IS DISTINCT FROM b AND c";
        let read = tree(&PostgreSqlDialect {}, sql);
        assert_eq!(read, "(a IS DISTINCT FROM (b AND c))");
    }
}
