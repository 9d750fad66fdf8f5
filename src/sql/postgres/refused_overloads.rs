//! Functions that the engine takes more types for than `PostgreSQL` has: others are refused.
//!
//! A text that is written in the statement has no type yet and fits everywhere.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;

use super::comparison::is_text_literal;
use super::failure::{Outcome, failure};
use super::type_name::{Group, group, name};

/// Functions and a letter for each argument: text, bytes, text or bytes as `x`, a small integer, a
/// whole number as `w`, any number as `n`, a moment, day or interval as `m`; a question mark before
/// those that may be left out.
const FUNCTIONS: &[(&str, &str)] = &[
    ("abs", "n"),
    ("ascii", "t"),
    ("bit_length", "x"),
    ("btrim", "x?x"),
    ("chr", "i"),
    ("decode", "tt"),
    ("encode", "bt"),
    ("initcap", "t"),
    ("isfinite", "m"),
    ("left", "ti"),
    ("lower", "t"),
    ("lpad", "ti?t"),
    ("ltrim", "x?x"),
    ("pg_positive", "n"),
    ("regexp_count", "tt?it"),
    ("regexp_like", "tt?t"),
    ("regexp_match", "tt?t"),
    ("regexp_replace", "ttt?t"),
    ("repeat", "ti"),
    ("replace", "ttt"),
    ("reverse", "t"),
    ("right", "ti"),
    ("rpad", "ti?t"),
    ("rtrim", "x?x"),
    ("split_part", "tti"),
    ("starts_with", "tt"),
    ("string_to_array", "tt?t"),
    ("strpos", "tt"),
    ("translate", "ttt"),
    ("upper", "t"),
];

/// Aggregates, and the letter for what they take: a truth as `l`, a whole number as `w`, a number
/// as `n`, what has a least and a greatest value as `o`, a text or bytes as `x`.
const AGGREGATES: &[(&str, char)] = &[
    ("bit_and", 'w'),
    ("bit_or", 'w'),
    ("bit_xor", 'w'),
    ("bool_and", 'l'),
    ("bool_or", 'l'),
    ("corr", 'n'),
    ("covar_pop", 'n'),
    ("covar_samp", 'n'),
    ("max", 'o'),
    ("min", 'o'),
    ("regr_avgx", 'n'),
    ("regr_avgy", 'n'),
    ("regr_count", 'n'),
    ("regr_intercept", 'n'),
    ("regr_r2", 'n'),
    ("regr_slope", 'n'),
    ("regr_sxx", 'n'),
    ("regr_sxy", 'n'),
    ("regr_syy", 'n'),
    ("stddev", 'n'),
    ("stddev_pop", 'n'),
    ("stddev_samp", 'n'),
    ("string_agg", 'x'),
    ("var_pop", 'n'),
    ("var_samp", 'n'),
];

/// Whether an argument of this group fits the letter.
fn fits(letter: char, of: Group) -> bool {
    match letter {
        _ if matches!(of, Group::Unknown) => true,
        't' => of == Group::Text,
        'b' => of == Group::Bytes,
        'x' => matches!(of, Group::Text | Group::Bytes),
        'i' => matches!(of, Group::Int(2 | 4)),
        'w' => matches!(of, Group::Int(_)),
        'm' => {
            matches!(of, Group::Date | Group::Timestamp | Group::Timestamptz | Group::Interval)
        }
        'l' => of == Group::Bool,
        'n' => of.is_number(),
        _ => !matches!(of, Group::Bool | Group::Bytes),
    }
}

fn undefined(called: &str, types: &[DataType]) -> datafusion::error::DataFusionError {
    let types = types.iter().map(name).collect::<Vec<_>>().join(", ");
    let message =
        format!("function {called}({types}) does not exist (write a cast, such as x::text)");
    failure("42883", message)
}

/// Refuses a call of a function with arguments of types that `PostgreSQL` has none for.
///
/// # Errors
/// When it has none.
pub(super) fn of_function(called: &str, args: &[Expr], types: &[DataType]) -> Outcome<()> {
    if called == "to_hex" && types.first().map(group) == Some(Group::Int(2)) {
        let message = "function to_hex(smallint) is not unique (write x::integer)";
        return Err(failure("42725", message));
    }
    let Some((_, letters)) = FUNCTIONS.iter().find(|(known, _)| *known == called) else {
        return Ok(());
    };
    let least = letters.find('?').unwrap_or(letters.len());
    let letters: Vec<char> = letters.chars().filter(|letter| *letter != '?').collect();
    let is_fit = |((arg, of), letter): ((&Expr, &DataType), &char)| {
        is_text_literal(arg) || fits(*letter, group(of))
    };
    let has_count = (least..=letters.len()).contains(&args.len());
    match has_count && args.iter().zip(types).zip(&letters).all(is_fit) {
        true => Ok(()),
        false => Err(undefined(called, types)),
    }
}

/// Refuses an aggregate of values of a type that `PostgreSQL` has none for.
///
/// # Errors
/// When it has none.
pub(super) fn of_aggregate(called: &str, of: &DataType) -> Outcome<()> {
    // Columns of 64 bits without a sign are numeric, and whole numbers all the same.
    if called.starts_with("bit_") && *of == DataType::UInt64 {
        return Ok(());
    }
    match AGGREGATES.iter().find(|(known, _)| *known == called) {
        Some((_, letter)) if !fits(*letter, group(of)) => {
            Err(undefined(called, std::slice::from_ref(of)))
        }
        _ => Ok(()),
    }
}
