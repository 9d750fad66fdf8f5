//! `log erase`: removes events from history, and from everything that was derived from them.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::args::{DataArgs, FormatArgs, OutputFormat, WorkerArgs};
use super::dataflow_catalog::Dataflows;
use super::row_printer::{Sheet, counted, grouped};
use diptych_base::error::{Error, Kind, Result};
use diptych_event::Timestamp;
use diptych_log::{Erasure, Reader};
use diptych_row::Datum;
use diptych_sources::Conditions;
use diptych_system::{EraseOptions, ErasedData, System};

#[derive(Args, Debug)]
pub(super) struct EraseArgs {
    #[command(flatten)]
    data: DataArgs,
    /// The stream the events are in
    stream: String,
    /// Erase the events whose field has this value, as stored or as a dataflow of this binary sees
    /// it (a missing field has its default), spelt as in a file for `ingest`; with several, all
    /// must hold. A field of a struct is OUTER.INNER. Nothing behind the sign is absent or else
    /// empty; in JSON the two are apart: FIELD:=null, FIELD:=""
    #[arg(long = "where", value_name = "FIELD=VALUE", required = true)]
    conditions: Vec<String>,
    /// Why, for the record in the log (`log erasures`): do not name what is erased
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Only say what would be erased; reads without the lock, so a server may run
    #[arg(long)]
    dry_run: bool,
    /// Recompute and compare these [default: all of this binary that read the stream and have a
    /// batch view]
    dataflows: Vec<String>,
    #[command(flatten)]
    workers: WorkerArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// Erases, recomputes, and prints the changes.
pub(super) fn run(args: &EraseArgs, catalog: &Dataflows) -> Result<ExitCode> {
    let conditions = Conditions::parse(&args.conditions)?.seen_by(catalog.readers(&args.stream)?);
    let named = catalog.select(&args.dataflows)?;
    if args.reason.len() > diptych_base::limits::ERASURE_REASON_BYTES_MAX {
        let max = diptych_base::limits::ERASURE_REASON_BYTES_MAX;
        return Err(Error::new(Kind::Input, format!("--reason has more than {max} bytes")));
    }
    let system = args.data.system();
    let reader = system.reader()?;
    reader.upper()?;
    let stream = reader.stream(&args.stream)?;
    for note in conditions.check(&stream)? {
        eprintln!("note: they cannot match {note}");
    }
    let choose = |schema: &arrow_schema::SchemaRef| conditions.chooser(schema);
    if args.dry_run {
        return dry_run(&reader, args, &choose);
    }
    let erased = system.erase(&EraseOptions {
        stream: &args.stream,
        choose: &choose,
        reason: &args.reason,
        recompute: if named.is_empty() { catalog.all() } else { &named },
        also_without: !named.is_empty(),
        known: catalog.all(),
        cluster: args.workers.cluster(),
        samples: 0,
    })?;
    let erased = erased.ok_or_else(|| nothing(args))?;
    tell(&erased);
    print(&erased, args.format)?;
    match erased.failed.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn nothing(args: &EraseArgs) -> Error {
    let stream = &args.stream;
    let conditions = args.conditions.join(" and ");
    Error::new(Kind::Missing, format!("no event of stream {stream} has {conditions}"))
        .remedy("nothing is erased; see what there is with `query`, or any Arrow reader")
}

fn dry_run(
    reader: &Reader,
    args: &EraseArgs,
    choose: &dyn Fn(&arrow_schema::SchemaRef) -> Result<Option<diptych_log::Chooser>>,
) -> Result<ExitCode> {
    let found = reader.places(&args.stream, choose)?;
    let (first, last) = found.epochs().ok_or_else(|| nothing(args))?;
    let events = counted(found.events(), "event");
    let stream = &args.stream;
    eprintln!("dry run: {events} of stream {stream} would be erased, epochs {first} to {last}");
    if args.format.format == OutputFormat::Json {
        println!("{}", erased_json(stream, found.events(), first, last, true));
    }
    Ok(ExitCode::SUCCESS)
}

fn erased_json(stream: &str, events: u64, first: u64, last: u64, dry_run: bool) -> Value {
    json!({"stream": stream, "events": events, "first": first, "last": last, "dry_run": dry_run})
}

/// Reports what was done, and what was not, as text.
fn tell(erased: &ErasedData) {
    let Erasure { stream, events, first, last, .. } = &erased.log.erasure;
    let (rewritten, all) = erased.log.segments;
    eprintln!(
        "erased {} of stream {stream}, epochs {first} to {last}; {rewritten} of {} rewritten, the \
         old files are removed",
        counted(*events, "event"),
        counted(all as u64, "segment")
    );
    for (dataflow, version, boundary) in &erased.removed {
        eprintln!("removed: batch view of {dataflow} version {version} at F = {boundary}");
    }
    eprintln!(
        "not reached: backups and other copies, files that were ingested, blocks that the disk \
         keeps of removed files, and readers' own copies: change tokens of before are refused, so \
         that subscribers take a fresh snapshot"
    );
    for error in &erased.failed {
        eprintln!("warning: {error}");
    }
}

fn print(erased: &ErasedData, format: FormatArgs) -> Result<()> {
    if format.format == OutputFormat::Json {
        let Erasure { stream, events, first, last, .. } = &erased.log.erasure;
        println!("{}", erased_json(stream, *events, *first, *last, false));
    }
    let names = [
        "dataflow",
        "version",
        "boundary",
        "view",
        "rows_before",
        "rows_after",
        "removed",
        "added",
        "changed",
        "digest_before",
        "digest_after",
    ];
    let mut sheet = Sheet::new(format.format, &names)?;
    for dataflow in &erased.dataflows {
        for view in &dataflow.views {
            let before = view.before;
            let after = view.after;
            let diff = &view.diff;
            sheet.row(vec![
                Datum::String(dataflow.dataflow.clone()),
                Datum::String(dataflow.version.clone()),
                Datum::UInt(dataflow.boundary),
                Datum::String(diff.view.clone()),
                Datum::UInt(before.0),
                Datum::UInt(after.0),
                Datum::UInt(diff.removed),
                Datum::UInt(diff.added),
                Datum::UInt(diff.changed),
                Datum::String(before.1.to_string()),
                Datum::String(after.1.to_string()),
            ])?;
        }
    }
    if erased.dataflows.is_empty() && format.format == OutputFormat::Table {
        eprintln!("no dataflow of this binary reads it and had a batch view: none is recomputed");
        return sheet.discard();
    }
    sheet.finish()
}

/// `log erasures`: lists the erasures, oldest first.
pub(super) fn list(system: &System, format: FormatArgs) -> Result<()> {
    let names = ["at", "stream", "events", "first", "last", "upper", "reason"];
    let mut sheet = Sheet::new(format.format, &names)?;
    for erasure in system.reader()?.erasures() {
        sheet.row(vec![
            Datum::String(Timestamp::from_micros(erasure.clock_us).to_string()),
            Datum::String(erasure.stream),
            Datum::UInt(erasure.events),
            Datum::UInt(erasure.first),
            Datum::UInt(erasure.last),
            Datum::UInt(erasure.upper),
            Datum::String(erasure.reason),
        ])?;
    }
    sheet.finish()
}

/// Prints one line on erasures, for `log ls` and `log stat`.
pub(super) fn mention(erasures: &[Erasure]) {
    if let Some(last) = erasures.last() {
        let events = erasures.iter().map(|erasure| erasure.events).sum();
        eprintln!(
            "{} erased from history in {}, the last at {}: see `log erasures`",
            grouped(events) + if events == 1 { " event was" } else { " events were" },
            counted(erasures.len() as u64, "run"),
            last.at()
        );
    }
}
