//! PREPARE and EXECUTE as statements: prepared statements that are named and run in SQL.

use super::classify_statement::{Words, cut};
use super::error::Failure;
use super::params::Param;
use super::split_statements::{name, value};
use super::types::{self, oid};

/// A PREPARE statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PrepareCommand {
    pub(super) name: String,
    /// The types of the parameters; 0 leaves a type to the server.
    pub(super) types: Vec<u32>,
    pub(super) sql: String,
}

/// An EXECUTE statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ExecuteCommand {
    pub(super) name: String,
    /// The values as they are written.
    pub(super) values: Vec<String>,
}

/// Parses PREPARE name [(types)] AS statement.
///
/// # Errors
/// When a part is missing, or a type is not known.
pub(super) fn prepare(sql: &str, words: &mut Words) -> Result<PrepareCommand, Failure> {
    let name = words.name()?;
    let types = if words.skip("(") {
        parts(sql, words)?.iter().map(|name| named(name)).collect::<Result<_, _>>()?
    } else {
        Vec::new()
    };
    if !words.skip("as") {
        return Err(Failure::new("42601", "PREPARE needs AS and a statement"));
    }
    let statement = words.rest.get(words.at).ok_or_else(cut)?;
    // The word is a slice of the statement, so its address gives the position.
    let start = statement.as_ptr() as usize - sql.as_ptr() as usize;
    Ok(PrepareCommand { name, types, sql: sql[start..].to_owned() })
}

/// Parses EXECUTE name [(values)].
///
/// # Errors
/// When a part is missing.
pub(super) fn execute(sql: &str, words: &mut Words) -> Result<ExecuteCommand, Failure> {
    let name = words.name()?;
    let values = if words.skip("(") { parts(sql, words)? } else { Vec::new() };
    if !words.peek().is_empty() {
        let message = format!("syntax error at or near \"{}\"", words.peek());
        return Err(Failure::new("42601", message));
    }
    Ok(ExecuteCommand { name, values })
}

/// The parts between commas, up to the closing parenthesis, which is passed.
fn parts(sql: &str, words: &mut Words) -> Result<Vec<String>, Failure> {
    let place = |word: &str| word.as_ptr() as usize - sql.as_ptr() as usize;
    let mut found = Vec::new();
    let mut start = words.rest.get(words.at).map(|word| place(word)).ok_or_else(cut)?;
    let mut depth = 0;
    loop {
        let word = words.rest.get(words.at).copied().ok_or_else(cut)?;
        words.at += 1;
        match word {
            "(" | "[" => depth += 1,
            ")" if depth == 0 => {
                found.push(sql[start..place(word)].trim().to_owned());
                return Ok(found);
            }
            ")" | "]" => depth -= 1,
            "," if depth == 0 => {
                found.push(sql[start..place(word)].trim().to_owned());
                start = place(word) + 1;
            }
            _ => {}
        }
    }
}

fn named(written: &str) -> Result<u32, Failure> {
    types::oid_named(written)
        .ok_or_else(|| Failure::new("42704", format!("type \"{written}\" does not exist")))
}

/// The value of a constant for a parameter of type `of`; none when it is an expression, which the
/// planner has to compute.
///
/// # Errors
/// When the constant is not of that type.
pub(super) fn constant(written: &str, of: u32) -> Option<Result<Param, Failure>> {
    let text = if written.len() > 1 && written.starts_with('\'') && written.ends_with('\'') {
        let inner = &written[1..written.len() - 1];
        if inner.replace("''", "").contains('\'') {
            return None;
        }
        value(written)
    } else if name(written) == "null" {
        return Some(Ok(Param::Null));
    } else if of != oid::TEXT && matches!(name(written).as_str(), "true" | "false") {
        name(written)
    } else {
        let digits = written.strip_prefix('-').unwrap_or(written);
        let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if !is_number {
            return None;
        }
        written.to_owned()
    };
    Some(Param::parse(of, 0, Some(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::super::classify_statement::{StatementKind, kind};
    use super::*;

    #[test]
    fn statements_are_prepared_with_their_types() {
        let Ok(StatementKind::Prepare(prepared)) = kind(
            "prepare \"P\" (int8, numeric(10, 2), text[], timestamp with time zone) as select $1",
        ) else {
            panic!("no PREPARE")
        };
        assert_eq!((prepared.name.as_str(), prepared.sql.as_str()), ("P", "select $1"));
        assert_eq!(prepared.types, [oid::INT8, oid::NUMERIC, 1009, oid::TIMESTAMPTZ]);
        assert!(kind("prepare p (nonsense) as select 1").is_err());
        assert!(kind("prepare p (int8 as select 1").is_err());
        assert!(kind("prepare p select 1").is_err());
    }

    #[test]
    fn statements_are_executed_with_their_values() {
        let Ok(StatementKind::Execute(executed)) =
            kind("execute p (1, 'a, (b', f(2, 3), array[1,2])")
        else {
            panic!("no EXECUTE")
        };
        assert_eq!(executed.values, ["1", "'a, (b'", "f(2, 3)", "array[1,2]"]);
        let known = |written, of| constant(written, of).and_then(Result::ok);
        assert_eq!(known("'it''s'", oid::TEXT), Some(Param::Text("it's".into())));
        assert_eq!(known("-2", oid::INT8), Some(Param::Int(-2)));
        assert!(constant("'a' || 'b'", oid::TEXT).is_none());
        assert!(constant("1 + 1", oid::INT8).is_none());
        assert!(constant("'x'", oid::INT8).is_some_and(|value| value.is_err()));
        assert!(kind("execute p (1").is_err());
        assert!(kind("execute p (1) 2").is_err());
    }
}
