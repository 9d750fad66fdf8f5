//! `log retract`: takes wrong events back, with a reason.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::args::FormatArgs;
use super::data_dir_or_server::{OpenTarget, PlaceArgs};
use super::dataflow_catalog::Dataflows;
use super::remote::Remote;
use super::row_printer::{Sheet, counted};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::RETRACTED_SHOWN;
use diptych_base::time::Epoch;
use diptych_log::{Append, FoundEvents};
use diptych_row::Datum;
use diptych_sources::{Conditions, choose, texts};
use diptych_system::System;

#[derive(Args, Debug)]
pub(super) struct RetractArgs {
    /// The stream that the events are in
    stream: String,
    /// A field that they have this value in, as dataflows see it (a missing field has its default);
    /// all that are given must hold. Nothing behind the sign is absent or else empty; in JSON the
    /// two are apart: FIELD:=null, FIELD:=""
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    conditions: Vec<String>,
    /// The epoch that they were appended in
    #[arg(long, value_name = "EPOCH")]
    epoch: Option<Epoch>,
    /// Why they are wrong; kept with the correction
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Show what would be taken back, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// Finds the events, shows the first of them, and appends the retraction.
pub(super) fn run(args: &RetractArgs, catalog: &Dataflows) -> Result<ExitCode> {
    match args.place.place()? {
        OpenTarget::Data(system) => local(args, &system, catalog)?,
        OpenTarget::Server(server) => remote(args, &server)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn local(args: &RetractArgs, system: &System, catalog: &Dataflows) -> Result<()> {
    let conditions = Conditions::each(&args.conditions)?.seen_by(catalog.readers(&args.stream)?);
    // A dry run takes no lock.
    let writer =
        if args.dry_run { None } else { Some(system.reader().and_then(|_| lock(system))?) };
    let reader = system.reader()?;
    let found = choose(&reader, &args.stream, &conditions, args.epoch)?;
    show(args, &found)?;
    let epoch = match writer {
        None => None,
        Some(writer) => {
            let pending = writer.retract(&found, &args.reason, Append::default())?;
            let epoch = pending.wait()?.epoch;
            writer.close()?;
            Some(epoch)
        }
    };
    tell(args, found.len() as u64, epoch);
    Ok(())
}

/// The writer, unless another process has it.
fn lock(system: &System) -> Result<diptych_log::Writer> {
    system.writer().map_err(|error| {
        if error.is_conflict() {
            let remedy = "ask the server that has it: --server http://HOST:PORT, not --data";
            Error::new(Kind::Conflict, error.to_string()).remedy(remedy)
        } else {
            error
        }
    })
}

fn tell(args: &RetractArgs, events: u64, epoch: Option<Epoch>) {
    let stream = &args.stream;
    let events = counted(events, "event");
    match epoch {
        None => eprintln!("{stream}: {events} would be retracted (--dry-run writes nothing)"),
        Some(epoch) => eprintln!("{stream}: {events} retracted by epoch {epoch}"),
    }
}

fn show(args: &RetractArgs, found: &FoundEvents) -> Result<()> {
    let mut shown = 0;
    let mut sheet = None::<Sheet>;
    for chunk in found.chunks() {
        let schema = chunk.rows.schema();
        let mut names = vec!["epoch".to_owned()];
        names.extend(schema.fields().iter().map(|field| field.name().clone()));
        // Events of another schema get a table of their own.
        let mut next = Sheet::new(args.format.format, &names)?;
        if let Some(before) = sheet.take() {
            before.finish()?;
        }
        for (row, texts) in texts(&chunk, RETRACTED_SHOWN - shown)?.into_iter().enumerate() {
            let mut cells = vec![Datum::UInt(chunk.epochs.at(row))];
            cells.extend(texts.into_iter().map(|text| text.map_or(Datum::Null, Datum::String)));
            next.row(cells)?;
            shown += 1;
        }
        sheet = Some(next);
    }
    sheet.map_or(Ok(()), Sheet::finish)?;
    more(found.len() as u64, shown as u64);
    Ok(())
}

fn more(events: u64, shown: u64) {
    if events > shown {
        eprintln!("and {} more", counted(events - shown, "event"));
    }
}

fn remote(args: &RetractArgs, server: &Remote) -> Result<()> {
    let mut parameters: Vec<_> =
        args.conditions.iter().map(|condition| ("where", condition.clone())).collect();
    parameters.extend(args.epoch.map(|epoch| ("epoch", epoch.to_string())));
    parameters.push(("reason", args.reason.clone()));
    parameters.push(("dry_run", args.dry_run.to_string()));
    let answer = server.retract(&args.stream, &parameters)?;
    let first = answer["first"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut names = vec!["epoch".to_owned()];
    for one in first {
        let columns = one["event"].as_object().into_iter().flat_map(|event| event.keys());
        for column in columns {
            if !names.contains(column) {
                names.push(column.clone());
            }
        }
    }
    let mut sheet = Sheet::new(args.format.format, &names)?;
    for one in first {
        let mut cells = vec![Datum::UInt(one["epoch"].as_u64().unwrap_or_default())];
        cells.extend(names[1..].iter().map(|name| match &one["event"][name] {
            Value::String(text) => Datum::String(text.clone()),
            _ => Datum::Null,
        }));
        sheet.row(cells)?;
    }
    sheet.finish()?;
    let events = answer["events"].as_u64().unwrap_or_default();
    more(events, first.len() as u64);
    tell(args, events, answer["epoch"].as_u64());
    Ok(())
}
