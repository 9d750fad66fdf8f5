//! Derive macros of `diptych`; see `diptych::Event` and `diptych::row::Columns`.
//!
//! `Event` has two shapes: a struct with named fields becomes an event (and may be nested in other
//! events), an enum of unit variants becomes a field type. The trait `diptych::event::Field`
//! decides which *types* a field may have; this crate refuses what it can see in the tokens,
//! because here the message can name the field.

mod attributes;
mod check_field_types;
mod columns;
mod expand_struct;
mod expand_unit_enum;

use proc_macro::TokenStream;
use syn::{Data, DeriveInput, Error, Result, parse_macro_input};

/// Turns a struct into an event: its Arrow schema, a borrowed row, columns and an appender.
///
/// For `struct Tweet` it generates `TweetRow<'a>` (a `Copy` view of one row), `TweetColumns` (the
/// typed arrays of one record batch), `TweetAppender` (a builder of record batches) and the
/// implementations of `Event` and `Field`. On an enum of unit variants it generates `Field` alone;
/// the enum must be `Copy + Debug + PartialEq`, and is stored as the text of its variant's name.
///
/// Attributes, on a field: `#[event(default)]` (a missing column or a null is the default value),
/// `#[event(upcast = "path::to::function")]` (the conversion from a column of an older type),
/// `#[event(name = "column")]` (the column's name, when it is not the field's), `#[event(unit =
/// "ms")]` (the unit of a number that a file or a request gives for a `Timestamp`: `s`, `ms`, `us`
/// or `ns` since 1970; `days` for a `Date`; without it numbers are refused there). On a variant:
/// `#[event(name = "text")]`. On the type: `#[event(crate = "path")]` when `diptych` is renamed.
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Turns a struct into (a part of) a key or a value of a view: each field is a column of its name.
///
/// It implements `diptych::row::Columns`, which documents it. Attributes, on a field:
/// `#[columns(name = "column")]` (the column's name, when it is not the field's); on the type:
/// `#[columns(crate = "path")]` when `diptych` is renamed.
#[proc_macro_derive(Columns, attributes(columns))]
pub fn derive_columns(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    columns::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(input: &DeriveInput) -> Result<proc_macro2::TokenStream> {
    if !input.generics.params.is_empty() {
        let message = format!("`{}`: an event type has no generic parameters", input.ident);
        return Err(Error::new_spanned(&input.generics, message));
    }
    let path = attributes::of_type(&input.attrs, "event")?;
    match &input.data {
        Data::Struct(data) => expand_struct::expand(input, data, &path),
        Data::Enum(data) => expand_unit_enum::expand(input, data, &path),
        Data::Union(_) => Err(Error::new_spanned(
            &input.ident,
            format!("`{}` is a union: an event is a struct or an enum", input.ident),
        )),
    }
}
