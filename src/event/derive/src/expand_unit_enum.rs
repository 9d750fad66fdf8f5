//! Expands enums of unit variants: fields stored as text, read as the enum.

use proc_macro2::TokenStream;
use quote::quote;
use std::collections::HashSet;
use syn::{DataEnum, DeriveInput, Error, Fields, Ident, Result, ext::IdentExt};

use crate::attributes;

/// Implements `Field` for an enum of unit variants.
pub(crate) fn expand(
    input: &DeriveInput,
    data: &DataEnum,
    path: &TokenStream,
) -> Result<TokenStream> {
    let ident = &input.ident;
    if data.variants.is_empty() {
        return Err(Error::new_spanned(ident, format!("enum `{ident}` has no variants")));
    }
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            let message = format!(
                "variant `{}`: an enum in an event has unit variants only; \
                 use a struct with Option fields",
                variant.ident
            );
            return Err(Error::new_spanned(variant, message));
        }
        let name = attributes::of_variant(&variant.attrs)?
            .map_or_else(|| variant.ident.unraw().to_string(), |given| given.value());
        if !seen.insert(name.clone()) {
            let message = format!("variant `{}`: the text `{name}` is taken", variant.ident);
            return Err(Error::new_spanned(variant, message));
        }
        names.push(name);
    }
    let variants: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();
    let listed = list(ident, path, &names, &variants);
    let field = field(ident, path);
    Ok(quote! { #listed #field })
}

/// Implements `Variants`: the list of texts.
fn list(ident: &Ident, path: &TokenStream, names: &[String], variants: &[&Ident]) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl #path::event::Variants for #ident {
            const NAMES: &'static [&'static str] = &[#(#names),*];
            const ALL: &'static [Self] = &[#(#ident::#variants),*];
            #[inline]
            fn name(self) -> &'static str {
                match self { #(#ident::#variants => #names),* }
            }
            #[inline]
            fn of(text: &str) -> ::core::option::Option<Self> {
                match text {
                    #(#names => ::core::option::Option::Some(#ident::#variants),)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    }
}

/// Implements `Field`: the column of texts.
fn field(ident: &Ident, path: &TokenStream) -> TokenStream {
    let support = quote!(#path::event::derived);
    quote! {
        #[automatically_derived]
        impl #path::event::PlainField for #ident {}
        #[automatically_derived]
        impl #path::event::Item for #ident {}
        #[automatically_derived]
        impl #path::event::Field for #ident {
            type Row<'a> = Self;
            type Column = #support::ChoiceColumn<Self>;
            type Builder = #support::StringBuilder;
            fn data_type() -> #support::DataType {
                #support::DataType::Utf8
            }
            fn variants() -> &'static [&'static str] {
                <Self as #path::event::Variants>::NAMES
            }
            fn column(array: #support::ArrayRef, at: &#support::ColumnPath<'_>)
                -> #path::error::Result<Self::Column>
            {
                #support::ChoiceColumn::read(array, at)
            }
            #[inline]
            fn row(column: &Self::Column, index: usize) -> Self::Row<'_> {
                column.get(index)
            }
            #[inline]
            fn own(row: Self::Row<'_>) -> Self {
                row
            }
            fn push(builder: &mut Self::Builder, value: &Self) {
                builder.append_value(#path::event::Variants::name(*value));
            }
            fn push_row(builder: &mut Self::Builder, row: Self::Row<'_>) {
                builder.append_value(#path::event::Variants::name(row));
            }
            fn push_null(builder: &mut Self::Builder) {
                builder.append_null();
            }
            fn finish(builder: &mut Self::Builder) -> #support::ArrayRef {
                #support::ArrayBuilder::finish(builder)
            }
        }
    }
}
