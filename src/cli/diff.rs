//! `diff`: compares a changed function's answers with the current ones, before it serves.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use serde_json::{Value, json};

use super::args::{DiffArgs, FormatArgs, OutputFormat};
use super::dataflow_catalog::Dataflows;
use super::exit_code::DISAGREE;
use super::row_printer::{Sheet, grouped};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::Epoch;
use diptych_batch_view::BatchView;
use diptych_row::{Datum, RowSchema};
use diptych_serving::{Row, ViewInfo};
use diptych_system::{BatchOptions, System, ViewDiff, diff};

/// Makes the batch views that are missing, and compares them.
pub(super) fn run(args: &DiffArgs, catalog: &Dataflows) -> Result<ExitCode> {
    let system = args.data.system();
    let upper = system.reader()?.upper()?;
    let upto = args.upto.unwrap_or(upper);
    if upto == 0 || upto > upper {
        let message =
            format!("there is nothing to compare below epoch {upto}: the log ends at {upper}");
        return Err(Error::new(Kind::Missing, message)
            .remedy("append events first, or name an earlier --upto"));
    }
    let left = side(&args.left, args, &system, catalog, upto)?;
    let right = side(&args.right, args, &system, catalog, upto)?;
    let one = left.identity();
    let other = right.identity();
    eprintln!(
        "epoch {}: {} version {} (before), {} version {} (after)",
        upto - 1,
        one.dataflow,
        one.version,
        other.dataflow,
        other.version
    );
    let views = diff(&left, &right, args.samples)?;
    print(&views, left.views(), args.format, None)?;
    let same = views.iter().all(ViewDiff::is_empty);
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(DISAGREE) })
}

/// The batch view of `DATAFLOW`, `DATAFLOW@VERSION` or `BINARY:DATAFLOW` at `upto`.
fn side(
    name: &str,
    args: &DiffArgs,
    system: &System,
    catalog: &Dataflows,
    upto: Epoch,
) -> Result<BatchView> {
    if let Some((dataflow, version)) = name.split_once('@') {
        return system.batch_view(dataflow, version, upto).map_err(|error| {
            error.within(format!("{name}: no batch view of that version at F = {upto}")).remedy(
                format!("let the binary with that version run `batch {dataflow} --upto {upto}`"),
            )
        });
    }
    if let Some((binary, dataflow)) = name.rsplit_once(':') {
        let version = by_another(Path::new(binary), dataflow, &args.data.dir, upto)?;
        return system.batch_view(dataflow, &version, upto);
    }
    let definition = catalog.get(name)?;
    let version = definition.describe()?.version;
    let there = system.batch_view(name, &version, upto);
    match there {
        Err(error) if error.is_missing() => {
            let options = BatchOptions {
                cluster: args.workers.cluster(),
                upto: Some(upto),
                incremental: true,
                ..BatchOptions::default()
            };
            eprintln!("{name} version {version}: making a batch view at F = {upto}");
            system.batch(definition, &options)?;
            system.batch_view(name, &version, upto)
        }
        there => there,
    }
}

/// Lets another binary make its batch view, and gives the version of its dataflow.
fn by_another(binary: &Path, dataflow: &str, data: &Path, upto: Epoch) -> Result<String> {
    let place = binary.display();
    let run = |arguments: &[&str]| -> Result<Vec<u8>> {
        let output = Command::new(binary)
            .args(arguments)
            .arg("--incremental")
            .arg("--data")
            .arg(data)
            .stderr(Stdio::inherit())
            .output();
        let output = output.map_err(|error| Error::io(format!("running {place}"), error))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let message = format!("{place} batch {dataflow}: {}", output.status);
        Err(Error::new(Kind::Stopped, message).remedy("see its message above"))
    };
    run(&["batch", dataflow, "--upto", &upto.to_string()])?;
    let flows = Command::new(binary).args(["flows", dataflow, "--format", "json"]).output();
    let flows = flows.map_err(|error| Error::io(format!("running {place}"), error))?.stdout;
    let lines = String::from_utf8_lossy(&flows);
    let version = lines.lines().find_map(|line| {
        let flow: Value = serde_json::from_str(line).ok()?;
        Some(flow.get("version")?.as_str()?.to_owned())
    });
    version.ok_or_else(|| {
        Error::new(Kind::Input, format!("{place} does not tell the version of {dataflow}"))
            .remedy("give a binary that was made with this library")
    })
}

/// Prints how views differ from those before; in JSON the dataflow is named.
pub(super) fn print(
    views: &[ViewDiff],
    before: &[ViewInfo],
    format: FormatArgs,
    dataflow: Option<&str>,
) -> Result<()> {
    let names = ["view", "added", "removed", "changed", "note"];
    let mut sheet = match format.format {
        OutputFormat::Json => return print_json(views, before, dataflow),
        format => Sheet::new(format, &names)?,
    };
    for view in views {
        sheet.row(vec![
            Datum::String(view.view.clone()),
            Datum::UInt(view.added),
            Datum::UInt(view.removed),
            Datum::UInt(view.changed),
            Datum::String(view.incomparable.clone().unwrap_or_default()),
        ])?;
    }
    sheet.finish()?;
    for view in views.iter().filter(|view| !view.samples.is_empty()) {
        let total = view.added + view.removed + view.changed;
        println!("{}: {} of {} differences", view.view, view.samples.len(), grouped(total));
        let schema = schema(before, &view.view);
        for key in &view.samples {
            for (sign, rows) in [("-", &key.before), ("+", &key.after)] {
                for row in rows {
                    println!("  {sign} {}{}", object(schema, row)?, times(row));
                }
            }
        }
    }
    Ok(())
}

fn times(row: &Row) -> String {
    if row.multiplicity == 1 { String::new() } else { format!(" {} times", row.multiplicity) }
}

/// Prints one JSON object per view, with its samples.
fn print_json(views: &[ViewDiff], before: &[ViewInfo], dataflow: Option<&str>) -> Result<()> {
    for view in views {
        let schema = schema(before, &view.view);
        let rows = |rows: &[Row]| -> Result<Vec<Value>> {
            rows.iter().map(|row| object(schema, row)).collect()
        };
        let samples: Result<Vec<Value>> = view
            .samples
            .iter()
            .map(|key| Ok(json!({"before": rows(&key.before)?, "after": rows(&key.after)?})))
            .collect();
        let mut line = json!({
            "view": view.view, "added": view.added, "removed": view.removed,
            "changed": view.changed, "note": view.incomparable, "samples": samples?,
        });
        if let Some(dataflow) = dataflow {
            line["dataflow"] = dataflow.into();
        }
        println!("{line}");
    }
    Ok(())
}

fn schema<'v>(before: &'v [ViewInfo], view: &str) -> Option<&'v RowSchema> {
    before.iter().find(|info| info.name == view).map(|info| &info.schema)
}

fn object(schema: Option<&RowSchema>, row: &Row) -> Result<Value> {
    match schema {
        Some(schema) => Ok(Value::Object(schema.json(&row.key, &row.value)?)),
        None => Ok(Value::Null),
    }
}
