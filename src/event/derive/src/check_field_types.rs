//! Checks the types of fields as far as their tokens show.
//!
//! A macro sees no types, only their spelling. So this module refuses what can never be a field
//! whatever it resolves to (references, tuples, maps, machine-sized integers) with a message that
//! names the field, and leaves every other path to the trait `Field`, whose compile error carries
//! the same list.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, GenericArgument, LitStr, PathArguments, PathSegment, Result, Type};

/// The types that an event may contain, for error messages. The trait `Field` repeats the list.
pub(crate) const ALLOWED: &str = "u8..u64, i8..i64, f32, f64, Decimal<SCALE>, bool, String, \
    Vec<u8>, Date, Timestamp, Option<T>, Vec<T>, and structs or unit enums that derive Event";

/// Type names that are refused, each with a replacement.
const REFUSED: &[(&str, &str)] = &[
    ("usize", "u64"),
    ("isize", "i64"),
    ("u128", "Decimal<0>"),
    ("i128", "Decimal<0>"),
    ("char", "String"),
    ("str", "String"),
    ("HashMap", "Vec of a struct with a key and a value"),
    ("BTreeMap", "Vec of a struct with a key and a value"),
    ("HashSet", "Vec<T>"),
    ("BTreeSet", "Vec<T>"),
    ("VecDeque", "Vec<T>"),
    ("Box", "the type without Box"),
    ("Rc", "the type without Rc"),
    ("Arc", "the type without Arc"),
    ("Cow", "String or Vec<u8>"),
    ("PathBuf", "String"),
    ("OsString", "String"),
    ("SystemTime", "Timestamp"),
    ("Instant", "Timestamp"),
    ("Duration", "i64, with the unit in the field's name"),
    ("DateTime", "Timestamp"),
    ("NaiveDateTime", "Timestamp"),
    ("NaiveDate", "Date"),
];

/// Refuses a type that can never be a field, naming `field`.
pub(crate) fn check(field: &str, declared: &Type, part: &Type) -> Result<()> {
    let refuse = |hint: &str| {
        let declared = spelt(declared);
        let message = format!(
            "field `{field}`: `{declared}` cannot be stored in an event{hint}\nallowed: {ALLOWED}"
        );
        Err(Error::new_spanned(part, message))
    };
    match part {
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return refuse("") };
            let name = last.ident.to_string();
            if let Some((_, instead)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
                return refuse(&format!("; instead of `{name}` use {instead}"));
            }
            let Some(inner) = argument(last) else { return Ok(()) };
            match name.as_str() {
                "Option" if named(inner, "Option") => refuse("; an Option inside an Option"),
                "Option" | "Vec" => check(field, declared, inner),
                _ => Ok(()),
            }
        }
        Type::Group(group) => check(field, declared, &group.elem),
        Type::Paren(paren) => check(field, declared, &paren.elem),
        Type::Reference(_) => refuse("; an event owns its data"),
        Type::Tuple(_) => refuse("; instead of a tuple use a struct that derives Event"),
        Type::Array(_) | Type::Slice(_) => refuse("; instead of an array use Vec<T>"),
        _ => refuse(""),
    }
}

/// Refuses a unit on a field that is neither a time nor a day, or that does not have that unit.
pub(crate) fn check_unit(field: &str, declared: &Type, unit: &LitStr) -> Result<String> {
    let units: &[&str] = match inner(declared).as_deref() {
        Some("Timestamp") => &["s", "ms", "us", "ns"],
        Some("Date") => &["days"],
        _ => {
            let declared = spelt(declared);
            let message = format!(
                "field `{field}`: a unit says what numbers count that stand for a Timestamp or a \
                 Date, and this is `{declared}`"
            );
            return Err(Error::new_spanned(unit, message));
        }
    };
    if units.contains(&unit.value().as_str()) {
        return Ok(unit.value());
    }
    let given = unit.value();
    let units = units.join(", ");
    let message = format!("field `{field}`: `{given}` is no unit of it; allowed: {units}");
    Err(Error::new_spanned(unit, message))
}

/// The name of the type without the Option and Vec around it.
fn inner(declared: &Type) -> Option<String> {
    match declared {
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            match (last.ident.to_string().as_str(), argument(last)) {
                ("Option" | "Vec", Some(part)) => inner(part),
                (name, _) => Some(name.to_owned()),
            }
        }
        Type::Group(group) => inner(&group.elem),
        Type::Paren(paren) => inner(&paren.elem),
        _ => None,
    }
}

/// The types that a row of a view may contain, for error messages. The trait `Columns` repeats the
/// list.
const COLUMNS: &str = "u8..u64, usize, i8..i64, isize, Float, Decimal<SCALE>, bool, String, \
    Vec<u8>, Date, Timestamp, Option of one of these, tuples, and structs that derive Columns";

/// Refuses a type that can never be columns of a view, naming `field`.
pub(crate) fn check_column(field: &str, declared: &Type, part: &Type) -> Result<()> {
    let refuse = |hint: &str| {
        let declared = spelt(declared);
        let message = format!(
            "field `{field}`: `{declared}` is no column of a view{hint}\nallowed: {COLUMNS}"
        );
        Err(Error::new_spanned(part, message))
    };
    match part {
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return refuse("") };
            let name = last.ident.to_string();
            let refused = REFUSED.iter().filter(|(name, _)| !["usize", "isize"].contains(name));
            if let Some((_, instead)) = refused.into_iter().find(|(refused, _)| *refused == name) {
                return match instead.contains("Vec") {
                    true => refuse("; publish a row for each item instead"),
                    false => refuse(&format!("; instead of `{name}` use {instead}")),
                };
            }
            let Some(inner) = argument(last) else { return Ok(()) };
            match name.as_str() {
                "Option" if named(inner, "Option") => refuse("; an Option inside an Option"),
                "Option" if matches!(inner, Type::Tuple(_)) => {
                    refuse("; make each column an Option")
                }
                "Option" => check_column(field, declared, inner),
                "Vec" if !named(inner, "u8") => refuse("; publish a row for each item instead"),
                _ => Ok(()),
            }
        }
        Type::Tuple(tuple) => {
            tuple.elems.iter().try_for_each(|part| check_column(field, declared, part))
        }
        Type::Group(group) => check_column(field, declared, &group.elem),
        Type::Paren(paren) => check_column(field, declared, &paren.elem),
        Type::Reference(_) => refuse("; a row owns its data"),
        Type::Array(_) | Type::Slice(_) => refuse("; use Vec<u8>, or a row for each item"),
        _ => refuse(""),
    }
}

/// The type approximately as a person would write it.
fn spelt(declared: &Type) -> String {
    let text = declared.to_token_stream().to_string();
    let pairs = [(" < ", "<"), (" >", ">"), (" ,", ","), ("& ", "&"), (" :: ", "::"), ("( ", "(")];
    pairs.iter().fold(text, |text, (loose, tight)| text.replace(loose, tight))
}

/// The type of a field of the row struct, written plainly where the tokens are enough (so that
/// rustdoc and error messages show `&'a str`), and whether it mentions `'a`.
pub(crate) fn row_type(declared: &Type, path: &TokenStream) -> (TokenStream, bool) {
    match plain(declared) {
        Some((tokens, borrows)) => (tokens, borrows),
        None => (quote!(<#declared as #path::event::Field>::Row<'a>), true),
    }
}

fn plain(declared: &Type) -> Option<(TokenStream, bool)> {
    let Type::Path(path) = declared else { return None };
    if path.qself.is_some() || path.path.segments.len() != 1 {
        return None;
    }
    let last = path.path.segments.last()?;
    match last.ident.to_string().as_str() {
        "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64" | "f32" | "f64" | "bool" => {
            Some((declared.to_token_stream(), false))
        }
        "String" => Some((quote!(&'a str), true)),
        "Vec" if named(argument(last)?, "u8") => Some((quote!(&'a [u8]), true)),
        "Option" => {
            let (inner, borrows) = plain(argument(last)?)?;
            Some((quote!(::core::option::Option<#inner>), borrows))
        }
        _ => None,
    }
}

/// The only type argument of a path segment: `T` of `Option<T>`.
fn argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) if arguments.args.len() == 1 => Some(inner),
        _ => None,
    }
}

fn named(declared: &Type, name: &str) -> bool {
    match declared {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == name),
        _ => false,
    }
}
