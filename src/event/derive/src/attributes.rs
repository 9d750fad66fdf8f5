//! Parses the `#[event(...)]` and `#[columns(...)]` attributes, each where it is allowed.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::meta::ParseNestedMeta;
use syn::{Attribute, LitStr, Path, Result};

/// The attributes of a field.
#[derive(Default)]
pub(crate) struct OfField {
    /// The column's name, when it is not the field's.
    pub(crate) name: Option<LitStr>,
    /// Whether a missing column or a null is read as `Default::default()`.
    pub(crate) default: bool,
    /// The function that turns a value of the older type into one of this type.
    pub(crate) upcast: Option<Path>,
    /// The unit of a number that is read as a time or a day.
    pub(crate) unit: Option<LitStr>,
}

/// The path under which generated code finds the crate: `::diptych` unless said otherwise.
pub(crate) fn of_type(attributes: &[Attribute], family: &str) -> Result<TokenStream> {
    let mut path = quote!(::diptych);
    each(attributes, family, |meta| {
        if meta.path.is_ident("crate") {
            let given: LitStr = meta.value()?.parse()?;
            path = given.parse::<Path>()?.into_token_stream();
            return Ok(());
        }
        Err(unknown(&meta, "crate = \"path\""))
    })?;
    Ok(path)
}

/// The attributes of one field of a struct.
pub(crate) fn of_field(attributes: &[Attribute]) -> Result<OfField> {
    let mut found = OfField::default();
    each(attributes, "event", |meta| {
        if meta.path.is_ident("default") {
            found.default = true;
        } else if meta.path.is_ident("name") {
            found.name = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("upcast") {
            let given: LitStr = meta.value()?.parse()?;
            found.upcast = Some(given.parse()?);
        } else if meta.path.is_ident("unit") {
            found.unit = Some(meta.value()?.parse()?);
        } else {
            let allowed =
                "default, name = \"column\", unit = \"ms\", upcast = \"path::to::function\"";
            return Err(unknown(&meta, allowed));
        }
        Ok(())
    })?;
    Ok(found)
}

/// The text that a variant is stored as, when it is not the variant's name.
pub(crate) fn of_variant(attributes: &[Attribute]) -> Result<Option<LitStr>> {
    only_name(attributes, "event", "name = \"text\"")
}

/// The part that a field of a row adds to its column names, when it is not the field's name.
pub(crate) fn of_part(attributes: &[Attribute]) -> Result<Option<LitStr>> {
    only_name(attributes, "columns", "name = \"column\"")
}

fn only_name(attributes: &[Attribute], family: &str, allowed: &str) -> Result<Option<LitStr>> {
    let mut name = None;
    each(attributes, family, |meta| {
        if meta.path.is_ident("name") {
            name = Some(meta.value()?.parse()?);
            return Ok(());
        }
        Err(unknown(&meta, allowed))
    })?;
    Ok(name)
}

fn each(
    attributes: &[Attribute],
    family: &str,
    mut take: impl FnMut(ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    for attribute in attributes.iter().filter(|a| a.path().is_ident(family)) {
        attribute.parse_nested_meta(&mut take)?;
    }
    Ok(())
}

fn unknown(meta: &ParseNestedMeta<'_>, allowed: &str) -> syn::Error {
    let path = meta.path.to_token_stream();
    meta.error(format!("unknown attribute `{path}`; allowed here: {allowed}"))
}
