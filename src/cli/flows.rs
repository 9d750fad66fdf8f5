//! `flows`: lists the dataflows of this binary.

use std::process::ExitCode;

use super::args::{FlowsArgs, OutputFormat};
use super::dataflow_catalog::Dataflows;
use super::row_printer::Sheet;
use diptych_base::error::Result;
use diptych_dataflow::{Description, StreamInfo};
use diptych_row::{Column, Datum};

/// Lists dataflows, the streams they read and the views they publish: one row for each.
pub(super) fn run(args: &FlowsArgs, catalog: &Dataflows) -> Result<ExitCode> {
    let chosen = match &args.dataflow {
        Some(name) => std::slice::from_ref(catalog.get(name)?),
        None => catalog.all(),
    };
    if args.format.format == OutputFormat::Table {
        let mut out = Sheet::new(OutputFormat::Table, &["dataflows"])?;
        for definition in chosen {
            tell(&definition.describe()?, &mut out)?;
        }
        out.discard()?;
        return Ok(ExitCode::SUCCESS);
    }
    let names = ["dataflow", "version", "kind", "name", "columns"];
    let mut sheet = Sheet::new(args.format.format, &names)?;
    for definition in chosen {
        let description = definition.describe()?;
        let mut row = |kind: &str, name: &str, columns: String| {
            let texts = [&description.name, &description.version, kind, name, &columns];
            sheet.row(texts.into_iter().map(|text| Datum::String(text.to_owned())).collect())
        };
        for stream in &description.streams {
            row("stream", &stream.name, stream_columns(stream))?;
        }
        for view in &description.views {
            row("view", &view.name, view.schema.to_string())?;
        }
        for retained in &description.retained {
            let (what, keep) = retained.split_once(": ").unwrap_or((retained, ""));
            row("keep", what, keep.to_owned())?;
        }
    }
    sheet.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Prints one dataflow as text: columns side by side would be wider than any terminal.
fn tell(description: &Description, out: &mut Sheet) -> Result<()> {
    out.line(&format!("{}  (version {})", description.name, description.version))?;
    for stream in &description.streams {
        out.line(&format!("  stream {}: {}", stream.name, stream_columns(stream)))?;
    }
    for view in &description.views {
        let side = |columns: &[Column]| {
            let columns = columns.iter();
            let columns = columns.map(|column| format!("{}: {}", column.name, column.ty));
            columns.collect::<Vec<_>>().join(", ")
        };
        let key = side(&view.schema.key);
        let value = side(&view.schema.value);
        let arrow = if value.is_empty() { "" } else { " -> " };
        out.line(&format!("  view {}: ({key}){arrow}{value}", view.name))?;
    }
    for retained in &description.retained {
        out.line(&format!("  keep {retained}"))?;
    }
    Ok(())
}

fn stream_columns(stream: &StreamInfo) -> String {
    let columns = stream.schema.fields().iter().map(|field| {
        let optional = if field.is_nullable() { "?" } else { "" };
        format!("{}: {}{optional}", field.name(), type_name(field.data_type()))
    });
    columns.collect::<Vec<_>>().join(", ")
}

/// The name of an Arrow type, in the words that views use for their types.
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
