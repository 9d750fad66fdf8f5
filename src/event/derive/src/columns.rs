//! Expands `Columns`: structs whose fields are columns of a view.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use std::collections::HashSet;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Fields, Result, Type, ext::IdentExt};

use crate::{attributes, check_field_types};

/// One field and the part that it adds to the column names.
struct Part<'a> {
    ident: &'a Ident,
    kind: &'a Type,
    name: String,
}

/// Implements `Columns`: the fields in the order of their declaration.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    if !input.generics.params.is_empty() {
        let message = format!("`{}`: a row of a view has no generic parameters", input.ident);
        return Err(Error::new_spanned(&input.generics, message));
    }
    let path = attributes::of_type(&input.attrs, "columns")?;
    let parts = parts(input)?;
    let ident = &input.ident;
    let columns = quote!(#path::row::Columns);
    let names = parts.iter().map(|Part { kind, name, .. }| {
        quote_spanned! { kind.span() =>
            <#kind as #columns>::columns(&#path::row::column_name(prefix, #name), out);
        }
    });
    let encodes = parts.iter().map(|Part { ident, kind, .. }| {
        quote_spanned!(kind.span()=> <#kind as #columns>::encode(&self.#ident, out);)
    });
    let decodes = parts.iter().map(|Part { ident, kind, .. }| {
        quote_spanned!(kind.span()=> #ident: <#kind as #columns>::decode(bytes)?)
    });
    let vec = quote!(::std::vec::Vec);
    Ok(quote! {
        #[automatically_derived]
        impl #columns for #ident {
            fn columns(prefix: &str, out: &mut #vec<#path::row::Column>) {
                #(#names)*
            }
            fn encode(&self, out: &mut #vec<u8>) {
                #(#encodes)*
            }
            fn decode(bytes: &mut &[u8]) -> #path::error::Result<Self> {
                ::core::result::Result::Ok(Self { #(#decodes),* })
            }
        }
    })
}

fn parts(input: &DeriveInput) -> Result<Vec<Part<'_>>> {
    let ident = &input.ident;
    let data = match &input.data {
        Data::Struct(data) => data,
        Data::Enum(_) => {
            let message =
                format!("enum `{ident}`: only structs are rows; store its name as String");
            return Err(Error::new_spanned(ident, message));
        }
        Data::Union(_) => {
            let message = format!("`{ident}` is a union: a row of a view is a struct");
            return Err(Error::new_spanned(ident, message));
        }
    };
    let Fields::Named(fields) = &data.fields else {
        let message = format!(
            "struct `{ident}`: the fields of a row have names (the columns), or use a tuple"
        );
        return Err(Error::new_spanned(ident, message));
    };
    if fields.named.is_empty() {
        let message = format!("struct `{ident}` has no fields; a row without columns is `()`");
        return Err(Error::new_spanned(ident, message));
    }
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for field in &fields.named {
        let Some(ident) = &field.ident else { continue };
        let label = ident.unraw().to_string();
        check_field_types::check_column(&label, &field.ty, &field.ty)?;
        let name =
            attributes::of_part(&field.attrs)?.map_or_else(|| label.clone(), |given| given.value());
        if name.is_empty() {
            let message = format!("field `{label}`: a column has a name");
            return Err(Error::new_spanned(ident, message));
        }
        if !seen.insert(name.clone()) {
            let message = format!("field `{label}`: the column `{name}` is taken");
            return Err(Error::new_spanned(ident, message));
        }
        found.push(Part { ident, kind: &field.ty, name });
    }
    Ok(found)
}
