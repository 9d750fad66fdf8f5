//! `flows`: what this binary has.

use std::process::ExitCode;

use super::args::FlowsArgs;
use super::catalog::Catalog;
use super::sheet::Sheet;
use crate::error::Result;
use crate::row::Datum;

/// Lists dataflows, the streams they read and the views they publish: one row for each.
pub(super) fn run(args: &FlowsArgs, catalog: &Catalog) -> Result<ExitCode> {
    let chosen = match &args.dataflow {
        Some(name) => std::slice::from_ref(catalog.get(name)?),
        None => catalog.all(),
    };
    let mut sheet =
        Sheet::new(args.format.format, &["dataflow", "version", "kind", "name", "columns"])?;
    for definition in chosen {
        let description = definition.describe()?;
        let mut row = |kind: &str, name: &str, columns: String| {
            let texts = [&description.name, &description.version, kind, name, &columns];
            sheet.row(texts.into_iter().map(|text| Datum::String(text.to_owned())).collect())
        };
        for stream in &description.streams {
            let fields = stream.schema.fields().iter().map(|field| {
                let optional = if field.is_nullable() { "?" } else { "" };
                format!("{}: {}{optional}", field.name(), type_name(field.data_type()))
            });
            row("stream", &stream.name, fields.collect::<Vec<_>>().join(", "))?;
        }
        for view in &description.views {
            row("view", &view.name, view.schema.to_string())?;
        }
    }
    sheet.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// An Arrow type in the words that views use for theirs.
fn type_name(ty: &arrow_schema::DataType) -> String {
    use arrow_schema::DataType as Type;
    match ty {
        Type::Utf8 | Type::LargeUtf8 | Type::Utf8View => "string".into(),
        Type::Binary | Type::LargeBinary | Type::BinaryView => "bytes".into(),
        Type::Boolean => "bool".into(),
        Type::Timestamp(..) => "timestamp".into(),
        Type::Date32 => "date".into(),
        Type::Decimal128(_, scale) => format!("decimal({scale})"),
        Type::Float32 => "f32".into(),
        Type::Float64 => "f64".into(),
        Type::List(item) => format!("list({})", type_name(item.data_type())),
        Type::Struct(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|f| format!("{}: {}", f.name(), type_name(f.data_type())));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        other => {
            // Int64 is i64, UInt8 is u8.
            other.to_string().replace("UInt", "u").replace("Int", "i")
        }
    }
}
