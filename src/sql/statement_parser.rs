//! The statement parser: the kind of a statement, and whether it may be planned at all.
//!
//! Only queries, `EXPLAIN`, `SHOW`, `SET`, `RESET` and the commands of a transaction are accepted.
//! The operators and tables of a statement are counted before any code recurses over it: a text of
//! a few kilobytes could otherwise nest deeper than any stack.

use datafusion::sql::parser::{DFParserBuilder, Statement as Parsed};
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, Statement as Ast, visit_relations};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::SqlError;
use super::adjacent_literals;
use super::df_error;
use super::nesting::{self, too_complex};
use super::postgres::{self, PostgresDialect};
use diptych_base::limits;

/// A parsed statement.
pub(super) enum Statement {
    /// A query, EXPLAIN or SHOW TABLES, to be planned, with its tag.
    Query(Box<Parsed>, &'static str),
    /// `SET name = value`.
    Set(String, String),
    /// `RESET name`; `all` for everything.
    Reset(String),
    /// `SHOW name`; `all` for everything.
    Show(String),
    /// A statement without effect here, with its tag.
    Nothing(&'static str),
}

/// First words of statements that write, define or administer.
const WRITING: &[&str] = &[
    "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "CREATE", "ALTER", "DROP", "COPY", "GRANT",
    "REVOKE", "VACUUM", "ANALYZE", "REINDEX", "CLUSTER", "LOCK", "COMMENT", "CALL", "DO", "UNLOAD",
    "REFRESH", "IMPORT", "SECURITY", "NOTIFY", "REPLACE", "ATTACH", "LOAD", "PREPARE", "EXECUTE",
];

/// Parses one statement.
///
/// # Errors
/// When it is not SQL, is more than one statement, is too large, or would write.
pub(super) fn read(sql: &str) -> Result<Statement, SqlError> {
    if sql.len() > limits::SQL_TEXT_BYTES_MAX {
        let is = sql.len();
        let most = limits::SQL_TEXT_BYTES_MAX;
        return Err(too_complex(format!("the statement has {is} bytes, at most {most} are read")));
    }
    let tokens = Tokenizer::new(&PostgresDialect::default(), sql)
        .tokenize_with_location()
        .map_err(|error| df_error::syntax(sql, &error.to_string()))?;
    adjacent_literals::check(&tokens)?;
    let tokens: Vec<TokenWithSpan> =
        tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    nesting::check(&tokens)?;
    let mut words: Vec<&Token> = tokens.iter().map(|token| &token.token).collect();
    while words.last().is_some_and(|token| matches!(token, Token::SemiColon)) {
        words.pop();
    }
    if words.iter().any(|token| matches!(token, Token::SemiColon)) {
        let message = "there is more than one statement (send them one by one)";
        return Err(SqlError::new("42601", message));
    }
    let first = words.first().map(|token| token.to_string().to_uppercase());
    let second = words.get(1).map(|token| token.to_string().to_uppercase());
    match (first.as_deref(), second.as_deref()) {
        (None, _) => Err(SqlError::new("42601", "the statement is empty")),
        (Some("SET"), _) => set(&words[1..]),
        (Some("RESET"), _) => Ok(Statement::Reset(name(&words[1..])?)),
        (Some("SHOW"), Some("TABLES" | "COLUMNS" | "FUNCTIONS")) => query(sql, "SHOW"),
        (Some("SHOW"), _) => Ok(Statement::Show(name(&words[1..])?)),
        (Some("BEGIN" | "START"), _) => Ok(Statement::Nothing("BEGIN")),
        (Some("COMMIT" | "END"), _) => Ok(Statement::Nothing("COMMIT")),
        (Some("ROLLBACK" | "ABORT"), _) => Ok(Statement::Nothing("ROLLBACK")),
        (Some("DISCARD"), _) => Ok(Statement::Reset("all".into())),
        (Some("EXPLAIN"), Some("ANALYZE" | "VERBOSE")) => query(sql, "EXPLAIN"),
        (Some("EXPLAIN"), Some(word)) if WRITING.contains(&word) => Err(read_only(word)),
        (Some("EXPLAIN"), _) => query(sql, "EXPLAIN"),
        (Some(word), _) if WRITING.contains(&word) => Err(read_only(word)),
        _ => query(sql, "SELECT"),
    }
}

/// The error of a statement that would write.
pub(super) fn read_only(what: &str) -> SqlError {
    let message = format!(
        "{what} is refused: SQL is read only here (append events with POST /v1/streams/{{stream}})"
    );
    SqlError::new("25006", message)
}

fn query(sql: &str, tag: &'static str) -> Result<Statement, SqlError> {
    let mut statements = DFParserBuilder::new(sql)
        .with_dialect(&PostgresDialect::default())
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| df_error::of(sql, &error))?;
    let (Some(mut statement), true) = (statements.pop_front(), statements.is_empty()) else {
        return Err(SqlError::new("42601", "there is not exactly one statement"));
    };
    let mut ast = &mut statement;
    while let Parsed::Explain(explain) = ast {
        ast = &mut explain.statement;
    }
    match ast {
        Parsed::Statement(statement) => {
            count_tables(statement)?;
            let reads = matches!(
                **statement,
                Ast::Query(_)
                    | Ast::ShowTables { .. }
                    | Ast::ShowColumns { .. }
                    | Ast::ShowFunctions { .. }
                    | Ast::Explain { .. }
                    | Ast::ExplainTable { .. }
            );
            if !reads {
                let text = statement.to_string();
                return Err(read_only(text.split(' ').next().unwrap_or("this")));
            }
            postgres::respelt(statement)?;
        }
        _ => return Err(read_only("this")),
    }
    Ok(Statement::Query(Box::new(statement), tag))
}

fn count_tables(statement: &Ast) -> Result<(), SqlError> {
    let mut tables = 0;
    let _ = visit_relations(statement, |_: &ObjectName| {
        tables += 1;
        std::ops::ControlFlow::<()>::Continue(())
    });
    let most = limits::SQL_TABLES_MAX;
    if tables > most {
        return Err(too_complex(format!("the statement names {tables} tables, at most {most}")));
    }
    Ok(())
}

/// Parses `[SESSION | LOCAL] name = value`, `name TO value` and `TIME ZONE value`.
fn set(mut words: &[&Token]) -> Result<Statement, SqlError> {
    let is = |token: Option<&&Token>, word: &str| {
        token.is_some_and(|token| token.to_string().eq_ignore_ascii_case(word))
    };
    if is(words.first(), "SESSION") || is(words.first(), "LOCAL") {
        words = &words[1..];
    }
    if is(words.first(), "TIME") && is(words.get(1), "ZONE") {
        return Ok(Statement::Set("timezone".into(), value(&words[2..])));
    }
    if is(words.first(), "TRANSACTION") || is(words.first(), "CHARACTERISTICS") {
        return Ok(Statement::Nothing("SET"));
    }
    if is(words.first(), "NAMES") {
        return Ok(Statement::Set("client_encoding".into(), value(&words[1..])));
    }
    let equals = |token: &&Token| matches!(token, Token::Eq) || is(Some(token), "TO");
    let Some(at) = words.iter().position(equals) else {
        return Err(SqlError::new("42601", "SET needs a name, = and a value"));
    };
    Ok(Statement::Set(name(&words[..at])?, value(&words[at + 1..])))
}

/// The name of a setting: words and points.
fn name(words: &[&Token]) -> Result<String, SqlError> {
    let part = |token: &&Token| match token {
        Token::Word(word) => Ok(Ident::new(&word.value).value.to_lowercase()),
        Token::Period => Ok(".".to_owned()),
        other => Err(SqlError::new("42601", format!("{other} is no part of a setting's name"))),
    };
    let parts = words.iter().map(part).collect::<Result<Vec<_>, _>>()?;
    match parts.concat() {
        name if name.is_empty() => Err(SqlError::new("42601", "the name of a setting is missing")),
        // SHOW TRANSACTION ISOLATION LEVEL and similar names.
        name => Ok(name),
    }
}

/// The value of a setting: quotes are taken off, a list keeps its commas.
fn value(words: &[&Token]) -> String {
    let part = |token: &&Token| match token {
        Token::SingleQuotedString(text) => text.clone(),
        Token::Word(word) => word.value.clone(),
        other => other.to_string(),
    };
    words.iter().map(part).collect()
}
