//! Types that parameters have as arguments of functions.

use arrow_schema::{DataType, TimeUnit};
use datafusion::logical_expr::TypeSignature;

/// The types that the arguments of a function shall have.
pub(super) enum Wanted {
    /// All have one type.
    Alike,
    /// Each has its own.
    Each(Vec<Option<DataType>>),
    /// A value, a number of rows, and a value of the same type.
    Offset,
    /// A list, and an element of it.
    Element,
}

/// Functions, and a letter for the type of each argument: text, integer, float8, numeric, instant,
/// date, boolean, or any; a star repeats the last.
const FUNCTIONS: &[(&str, &str)] = &[
    ("abs", "f"),
    ("age", "zz"),
    ("ascii", "t"),
    ("btrim", "tt"),
    ("char_length", "t"),
    ("character_length", "t"),
    ("chr", "i"),
    ("concat", "t*"),
    ("concat_ws", "t*"),
    ("date_part", "tz"),
    ("date_trunc", "tz"),
    ("decode", "tt"),
    ("encode", "xt"),
    ("ends_with", "tt"),
    ("format", "t*"),
    ("initcap", "t"),
    ("instr", "tt"),
    ("left", "ti"),
    ("length", "t"),
    ("levenshtein", "tt"),
    ("lower", "t"),
    ("lpad", "tit"),
    ("ltrim", "tt"),
    ("make_date", "iii"),
    ("md5", "t"),
    ("nth_value", "xi"),
    ("ntile", "i"),
    ("octet_length", "t"),
    ("position", "tt"),
    ("power", "ff"),
    ("quote_ident", "t"),
    ("quote_literal", "t"),
    ("regexp_like", "ttt"),
    ("regexp_match", "ttt"),
    ("regexp_matches", "ttt"),
    ("regexp_replace", "tttt"),
    ("repeat", "ti"),
    ("replace", "ttt"),
    ("reverse", "t"),
    ("right", "ti"),
    ("rpad", "tit"),
    ("rtrim", "tt"),
    ("set_config", "ttb"),
    ("sha224", "t"),
    ("sha256", "t"),
    ("split_part", "tti"),
    ("starts_with", "tt"),
    ("string_agg", "tt"),
    ("string_to_array", "ttt"),
    ("strpos", "tt"),
    ("substr", "tii"),
    ("substring", "tii"),
    ("to_char", "xt"),
    ("to_date", "tt"),
    ("to_timestamp", "f"),
    ("translate", "ttt"),
    ("trim", "tt"),
    ("upper", "t"),
];

impl Wanted {
    /// Those of a call with `count` arguments.
    pub(super) fn of(name: &str, count: usize, signature: &TypeSignature) -> Wanted {
        match (name, count) {
            ("coalesce" | "greatest" | "least" | "nullif" | "make_array" | "mod", _) => {
                return Wanted::Alike;
            }
            ("lag" | "lead", _) => return Wanted::Offset,
            ("array_has" | "array_position" | "array_positions" | "array_remove", 2) => {
                return Wanted::Element;
            }
            ("to_timestamp", 2) => return Wanted::Each(vec![letter('t'), letter('t')]),
            ("round" | "trunc", 2) => return Wanted::Each(vec![letter('n'), letter('i')]),
            ("ceil" | "floor" | "round" | "sqrt" | "exp" | "ln" | "trunc" | "sign", 1) => {
                return Wanted::Each(vec![letter('f')]);
            }
            _ => {}
        }
        if let Some((_, letters)) = FUNCTIONS.iter().find(|(known, _)| *known == name) {
            let plain = letters.trim_end_matches('*');
            let last = plain.chars().last().filter(|_| letters.ends_with('*'));
            let rest = std::iter::repeat(last.unwrap_or('x'));
            return Wanted::Each(plain.chars().chain(rest).take(count).map(letter).collect());
        }
        match signature {
            TypeSignature::Exact(types) => {
                Wanted::Each(types.iter().map(|of| Some(of.clone())).collect())
            }
            TypeSignature::Uniform(_, types) if !types.is_empty() => {
                Wanted::Each(vec![Some(types[0].clone()); count])
            }
            // Functions of the catalog, and others that take anything.
            TypeSignature::OneOf(_) | TypeSignature::VariadicAny | TypeSignature::Any(_) => {
                Wanted::Each(vec![None; count])
            }
            _ => Wanted::Alike,
        }
    }
}

fn letter(letter: char) -> Option<DataType> {
    Some(match letter {
        't' => DataType::Utf8,
        'i' => DataType::Int32,
        'f' => DataType::Float64,
        'n' => DataType::Decimal128(38, 10),
        'z' => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        'b' => DataType::Boolean,
        _ => return None,
    })
}
