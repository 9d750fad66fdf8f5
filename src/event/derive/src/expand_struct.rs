//! Expands structs with named fields: the row, the columns, the appender, `Event` and `Field`.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use std::collections::HashSet;
use syn::spanned::Spanned;
use syn::{Attribute, DataStruct, DeriveInput, Error, Fields, Result, Type, ext::IdentExt};

use crate::{attributes, check_field_types};

/// The column name that the log reserves in every sealed segment.
const RESERVED: &str = "_epoch";

/// One field with all that the generated code needs.
struct Column<'a> {
    ident: &'a Ident,
    kind: &'a Type,
    vis: &'a syn::Visibility,
    docs: Vec<TokenStream>,
    /// The column's name in the schema.
    name: String,
    /// How the columns are read: `required`, `defaulted` or with an upcast.
    read: TokenStream,
    /// Whether the schema says nullable although the type is not an Option.
    nullable: bool,
    /// The unit of a number in the column.
    unit: Option<String>,
}

/// Expands all generated items of a struct.
pub(crate) fn expand(
    input: &DeriveInput,
    data: &DataStruct,
    path: &TokenStream,
) -> Result<TokenStream> {
    let columns = columns(input, data, path)?;
    let row = row(input, &columns, path);
    let arrays = arrays(input, &columns, path);
    let appender = appender(input, &columns, path);
    let event = event(input, &columns, path);
    let field = field(input, &columns, path);
    Ok(quote!(#row #arrays #appender #event #field))
}

fn columns<'a>(
    input: &'a DeriveInput,
    data: &'a DataStruct,
    path: &TokenStream,
) -> Result<Vec<Column<'a>>> {
    let ident = &input.ident;
    let Fields::Named(fields) = &data.fields else {
        let message = format!("struct `{ident}`: the fields of an event have names (the columns)");
        return Err(Error::new_spanned(ident, message));
    };
    if fields.named.is_empty() {
        return Err(Error::new_spanned(ident, format!("struct `{ident}` has no fields")));
    }
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for field in &fields.named {
        let Some(ident) = &field.ident else { continue };
        let label = ident.unraw().to_string();
        check_field_types::check(&label, &field.ty, &field.ty)?;
        let said = attributes::of_field(&field.attrs)?;
        let name = said.name.map_or_else(|| label.clone(), |given| given.value());
        if name == RESERVED {
            let message = format!("field `{label}`: the column `{RESERVED}` belongs to the log");
            return Err(Error::new_spanned(ident, message));
        }
        if !seen.insert(name.clone()) {
            let message = format!("field `{label}`: the column `{name}` is taken");
            return Err(Error::new_spanned(ident, message));
        }
        let unit =
            said.unit.as_ref().map(|unit| check_field_types::check_unit(&label, &field.ty, unit));
        let support = quote!(#path::event::derived);
        let kind = &field.ty;
        let span = kind.span();
        let default = if said.default {
            let make = quote_spanned!(span=> <#kind as ::core::default::Default>::default);
            quote!(::core::option::Option::Some(&#make))
        } else {
            quote!(::core::option::Option::None)
        };
        let upcast = match &said.upcast {
            Some(function) => {
                let convert = quote_spanned! { function.span() =>
                    #support::upcast::<_, #kind>(#function)
                };
                quote!(::core::option::Option::Some(&#convert))
            }
            None => quote!(::core::option::Option::None),
        };
        found.push(Column {
            ident,
            kind,
            vis: &field.vis,
            docs: docs(&field.attrs, &format!("Column `{name}`.")),
            read: quote!(source.read::<#kind>(#name, #default, #upcast)?),
            name,
            nullable: said.default,
            unit: unit.transpose()?,
        });
    }
    Ok(found)
}

/// The documentation of a generated item: the user's own, or else `otherwise`.
fn docs(attributes: &[Attribute], otherwise: &str) -> Vec<TokenStream> {
    let own: Vec<_> = attributes.iter().filter(|a| a.path().is_ident("doc")).collect();
    if own.is_empty() {
        vec![quote!(#[doc = #otherwise])]
    } else {
        own.iter().map(|a| quote!(#a)).collect()
    }
}

fn row_name(input: &DeriveInput) -> Ident {
    format_ident!("{}Row", input.ident.unraw())
}

fn columns_name(input: &DeriveInput) -> Ident {
    format_ident!("{}Columns", input.ident.unraw())
}

fn appender_name(input: &DeriveInput) -> Ident {
    format_ident!("{}Appender", input.ident.unraw())
}

fn row(input: &DeriveInput, columns: &[Column<'_>], path: &TokenStream) -> TokenStream {
    let vis = &input.vis;
    let ident = &input.ident;
    let row = row_name(input);
    let doc = format!("One row of [`{ident}`], borrowed from the columns it is read from.");
    let mut borrows = false;
    let mut types = Vec::new();
    for column in columns {
        let (tokens, mentions) = check_field_types::row_type(column.kind, path);
        borrows |= mentions;
        types.push(tokens);
    }
    if !borrows {
        // A row of plain numbers must still mention its lifetime; a projection does.
        let kind = columns[0].kind;
        types[0] = quote!(<#kind as #path::event::Field>::Row<'a>);
    }
    let fields = columns.iter().zip(&types).map(|(column, kind)| {
        let Column { ident, vis, docs, .. } = column;
        quote!(#(#docs)* #vis #ident: #kind)
    });
    quote! {
        #[doc = #doc]
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[allow(dead_code, non_snake_case, reason = "generated; named as the field is")]
        #vis struct #row<'a> { #(#fields),* }

        #[automatically_derived]
        impl #row<'_> {
            /// The row as a value that owns its data.
            #[allow(dead_code, reason = "generated, used or not")]
            #vis fn into_event(self) -> #ident {
                <#ident as #path::event::Field>::own(self)
            }
        }
    }
}

fn arrays(input: &DeriveInput, columns: &[Column<'_>], path: &TokenStream) -> TokenStream {
    let vis = &input.vis;
    let name = columns_name(input);
    let doc = format!("The typed arrays of one record batch of [`{}`].", input.ident);
    let support = quote!(#path::event::derived);
    let fields = columns
        .iter()
        .map(|Column { ident, kind, .. }| quote!(#ident: <#kind as #path::event::Field>::Column));
    let reads = columns.iter().map(|Column { ident, read, .. }| quote!(#ident: #read));
    quote! {
        #[doc = #doc]
        #[derive(Clone)]
        #[allow(non_snake_case, reason = "named as the field is")]
        #vis struct #name { #(#fields),* }

        #[automatically_derived]
        impl #name {
            fn read(source: &#support::ColumnSource<'_>) -> #path::error::Result<Self> {
                ::core::result::Result::Ok(Self { #(#reads),* })
            }
        }
    }
}

fn appender(input: &DeriveInput, columns: &[Column<'_>], path: &TokenStream) -> TokenStream {
    let vis = &input.vis;
    let ident = &input.ident;
    let name = appender_name(input);
    let doc = format!("Builds record batches of [`{ident}`].");
    let support = quote!(#path::event::derived);
    let fields = columns
        .iter()
        .map(|Column { ident, kind, .. }| quote!(#ident: <#kind as #path::event::Field>::Builder));
    let finishes = columns.iter().map(|Column { ident, kind, .. }| {
        quote!(<#kind as #path::event::Field>::finish(&mut self.#ident))
    });
    quote! {
        #[doc = #doc]
        #[derive(Default)]
        #[allow(non_snake_case, reason = "named as the field is")]
        #vis struct #name { #(#fields,)* diptych_presence: #support::Presence }

        #[automatically_derived]
        impl #name {
            fn arrays(&mut self) -> ::std::vec::Vec<#support::ArrayRef> {
                ::std::vec![#(#finishes),*]
            }
        }

        #[automatically_derived]
        impl #path::event::EventAppender<#ident> for #name {
            fn push(&mut self, event: &#ident) {
                <#ident as #path::event::Field>::push(self, event);
            }
            fn push_row(&mut self, row: <#ident as #path::event::Event>::Row<'_>) {
                <#ident as #path::event::Field>::push_row(self, row);
            }
            fn len(&self) -> usize {
                self.diptych_presence.len()
            }
            fn finish(&mut self) -> #support::RecordBatch {
                let arrays = self.arrays();
                let rows = self.diptych_presence.finish();
                #support::batch(<#ident as #path::event::Event>::schema(), arrays, rows)
            }
        }
    }
}

fn event(input: &DeriveInput, columns: &[Column<'_>], path: &TokenStream) -> TokenStream {
    let ident = &input.ident;
    let row = row_name(input);
    let arrays = columns_name(input);
    let appender = appender_name(input);
    let support = quote!(#path::event::derived);
    let fields = columns.iter().map(|Column { kind, name, nullable, unit, .. }| {
        let field = quote_spanned!(kind.span()=> #support::field::<#kind>(#name, #nullable));
        match unit {
            Some(unit) => quote!(#support::in_unit(#field, #unit)),
            None => field,
        }
    });
    let defaulted = columns.iter().filter(|column| column.nullable).map(|column| &column.name);
    quote! {
        #[automatically_derived]
        impl #path::event::Event for #ident {
            type Row<'a> = #row<'a>;
            type Columns = #arrays;
            type Appender = #appender;

            fn schema() -> #support::SchemaRef {
                static SCHEMA: ::std::sync::OnceLock<#support::SchemaRef> =
                    ::std::sync::OnceLock::new();
                let make = || #support::schema(::std::vec![#(#fields),*]);
                ::std::clone::Clone::clone(SCHEMA.get_or_init(make))
            }
            fn defaulted() -> &'static [&'static str] {
                &[#(#defaulted),*]
            }
            fn columns(rows: &#support::RecordBatch) -> #path::error::Result<Self::Columns> {
                let at = #support::ColumnPath::top();
                #arrays::read(&#support::ColumnSource::batch(rows, &at))
            }
            #[inline]
            fn row(columns: &Self::Columns, index: usize) -> Self::Row<'_> {
                <Self as #path::event::Field>::row(columns, index)
            }
            fn to_owned(row: Self::Row<'_>) -> Self {
                <Self as #path::event::Field>::own(row)
            }
        }
    }
}

fn field(input: &DeriveInput, columns: &[Column<'_>], path: &TokenStream) -> TokenStream {
    let ident = &input.ident;
    let row = row_name(input);
    let arrays = columns_name(input);
    let appender = appender_name(input);
    let support = quote!(#path::event::derived);
    let field = quote!(#path::event::Field);
    let each = |make: &dyn Fn(&Ident, &Type) -> TokenStream| -> Vec<TokenStream> {
        columns.iter().map(|Column { ident, kind, .. }| make(ident, kind)).collect()
    };
    let rows = each(&|name, kind| quote!(#name: <#kind as #field>::row(&column.#name, index)));
    let owns = each(&|name, kind| quote!(#name: <#kind as #field>::own(row.#name)));
    let pushes =
        each(&|name, kind| quote!(<#kind as #field>::push(&mut builder.#name, &value.#name);));
    let row_pushes =
        each(&|name, kind| quote!(<#kind as #field>::push_row(&mut builder.#name, row.#name);));
    let null_pushes = each(&|name, kind| quote!(<#kind as #field>::push_null(&mut builder.#name);));
    quote! {
        #[automatically_derived]
        impl #path::event::PlainField for #ident {}
        #[automatically_derived]
        impl #path::event::Item for #ident {}
        #[automatically_derived]
        impl #field for #ident {
            type Row<'a> = #row<'a>;
            type Column = #arrays;
            type Builder = #appender;
            fn data_type() -> #support::DataType {
                #support::struct_type(<Self as #path::event::Event>::schema())
            }
            fn column(array: #support::ArrayRef, at: &#support::ColumnPath<'_>)
                -> #path::error::Result<Self::Column>
            {
                let (array, at) = #support::structure::<Self>(array, at)?;
                #arrays::read(&#support::ColumnSource::structure(&array, &at))
            }
            #[inline]
            fn row(column: &Self::Column, index: usize) -> Self::Row<'_> {
                #row { #(#rows),* }
            }
            fn own(row: Self::Row<'_>) -> Self {
                Self { #(#owns),* }
            }
            fn push(builder: &mut Self::Builder, value: &Self) {
                #(#pushes)*
                builder.diptych_presence.present();
            }
            fn push_row(builder: &mut Self::Builder, row: Self::Row<'_>) {
                #(#row_pushes)*
                builder.diptych_presence.present();
            }
            fn push_null(builder: &mut Self::Builder) {
                #(#null_pushes)*
                builder.diptych_presence.absent();
            }
            fn finish(builder: &mut Self::Builder) -> #support::ArrayRef {
                let arrays = builder.arrays();
                let rows = builder.diptych_presence.finish();
                #support::struct_array(<Self as #path::event::Event>::schema(), arrays, rows)
            }
        }
    }
}
