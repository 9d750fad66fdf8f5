//! `log ls | check | stat | producers | seal | retract | erase | erasures`: inspects and changes
//! the master dataset.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::args::{DataArgs, FormatArgs};
use super::dataflow_catalog::Dataflows;
use super::erase::{self, EraseArgs};
use super::retract::{self, RetractArgs};
use super::row_printer::{Sheet, counted, grouped};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::escaped_text::escaped;
use diptych_base::io::{Disk, RealDisk};
use diptych_event::Timestamp;
use diptych_log::{Retraction, inspect};
use diptych_row::Datum;
use diptych_system::System;

#[derive(Args, Debug)]
pub(super) struct LogArgs {
    #[command(subcommand)]
    pub(super) what: LogCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum LogCommand {
    /// List the files of the log
    Ls(LogWhere),
    /// Verify every checksum; damage is named by file and offset
    Check(LogWhere),
    /// Epochs, streams, rows and bytes; what was retracted, and why
    Stat(LogWhere),
    /// List the producers: id, last number, its epoch, how many repeats are answered
    ///
    /// A producer that has been silent for long is listed by a digest of its id, with its last
    /// request.
    Producers(LogWhere),
    /// Take events back: they are not edited, a correction is appended
    Retract(RetractArgs),
    /// Close the open frame file and make Arrow files of everything, as happens at 64 MiB by itself
    Seal(DataArgs),
    /// Erase events from history for good, and recompute what was derived from them
    ///
    /// The server must be stopped. Batch views of before are removed, and recomputed for the
    /// dataflows of this binary that read the stream; it prints how their answers changed. Exit
    /// code 3 when no event matches.
    Erase(EraseArgs),
    /// List what was erased: when, how much, why
    Erasures(LogWhere),
}

#[derive(Args, Debug)]
pub(super) struct LogWhere {
    #[command(flatten)]
    pub(super) data: DataArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// Runs one of the `log` commands.
pub(super) fn run(args: &LogArgs, catalog: &Dataflows) -> Result<ExitCode> {
    match &args.what {
        LogCommand::Ls(place) => list(place)?,
        LogCommand::Check(place) => check(place)?,
        LogCommand::Stat(place) => stat(place)?,
        LogCommand::Producers(place) => producers(place)?,
        LogCommand::Retract(args) => return retract::run(args, catalog),
        LogCommand::Seal(data) => seal(&data.system())?,
        LogCommand::Erase(args) => return erase::run(args, catalog),
        LogCommand::Erasures(place) => erase::list(&place.data.system(), place.format)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn open(place: &LogWhere) -> (Arc<dyn Disk>, PathBuf) {
    (Arc::new(RealDisk), place.data.dir.join("log"))
}

fn text(text: impl Into<String>) -> Datum {
    Datum::String(text.into())
}

fn list(place: &LogWhere) -> Result<()> {
    let (disk, dir) = open(place);
    let files = inspect::ls(disk, dir)?;
    if let Ok(reader) = place.data.system().reader() {
        erase::mention(&reader.erasures());
    }
    let names = ["file", "kind", "listed", "lower", "upper", "rows", "bytes"];
    let mut sheet = Sheet::new(place.format.format, &names)?;
    for file in files {
        let bound = |epoch: Option<u64>| epoch.map_or(Datum::Null, Datum::UInt);
        sheet.row(vec![
            text(file.name),
            text(file.kind),
            Datum::Bool(file.listed),
            bound(file.epochs.map(|(lower, _)| lower)),
            bound(file.epochs.map(|(_, upper)| upper)),
            bound(file.rows),
            Datum::UInt(file.bytes),
        ])?;
    }
    sheet.finish()
}

fn seal(system: &System) -> Result<()> {
    // Without this a log would be created.
    system.reader()?;
    let writer = system.writer()?;
    let upper = writer.seal()?;
    writer.close()?;
    eprintln!("all epochs below {upper} are in segments");
    Ok(())
}

fn stat(place: &LogWhere) -> Result<()> {
    let (disk, dir) = open(place);
    let stat = inspect::stat(disk, dir)?;
    let clock = |micros: i64| Timestamp::from_micros(micros).to_string();
    let written = stat.clocks_us.map_or_else(
        || "nothing written yet".to_owned(),
        |(first, last)| format!("written {} to {}", clock(first), clock(last)),
    );
    eprintln!(
        "epochs [{}, {}), {written}; {} segments of {} bytes, {} frame files of {} bytes",
        stat.lower,
        stat.upper,
        stat.segments,
        grouped(stat.segment_bytes),
        stat.frame_files,
        grouped(stat.frame_bytes)
    );
    erase::mention(&stat.erasures);
    let mut sheet =
        Sheet::new(place.format.format, &["stream", "rows", "retracted", "schemas", "columns"])?;
    for stream in stat.streams {
        let newest = stream.schemas.last();
        let columns = newest.map_or_else(String::new, |schema| {
            let names = schema.fields().iter().map(|field| field.name().as_str());
            names.collect::<Vec<_>>().join(", ")
        });
        let schemas = stream.schemas.len() as u64;
        let name = text(stream.name.as_ref());
        let rows = Datum::UInt(stream.rows);
        let retracted = Datum::UInt(stream.retracted);
        sheet.row(vec![name, rows, retracted, Datum::UInt(schemas), text(columns)])?;
    }
    sheet.finish()?;
    for Retraction { epoch, reason, events } in &stat.retractions {
        let count = counted(events.len() as u64, "event");
        let stream = &events.stream;
        eprintln!("epoch {epoch} retracts {count} of stream {stream}: {}", escaped(reason));
    }
    Ok(())
}

fn producers(place: &LogWhere) -> Result<()> {
    let (disk, dir) = open(place);
    let names = ["producer", "last", "epoch", "answered", "silent"];
    let mut sheet = Sheet::new(place.format.format, &names)?;
    for one in diptych_log::producers(disk, dir)? {
        let one = one?;
        let last = Datum::UInt(one.last);
        let epoch = Datum::UInt(one.epoch);
        let answered = Datum::UInt(one.remembered);
        sheet.row(vec![text(one.id), last, epoch, answered, Datum::Bool(one.silent)])?;
    }
    sheet.finish()
}

fn check(place: &LogWhere) -> Result<()> {
    let (disk, dir) = open(place);
    let found = inspect::check(disk, dir)?;
    let mut sheet = Sheet::new(place.format.format, &["finding", "detail"])?;
    for error in &found.damage {
        sheet.row(vec![text("damage"), text(error.to_string())])?;
    }
    for name in &found.unlisted {
        sheet.row(vec![text("not part of the log"), text(name.as_str())])?;
    }
    if found.tail_bytes > 0 {
        let bytes = format!("{} bytes behind the durable mark", grouped(found.tail_bytes));
        sheet.row(vec![text("unfinished appends"), text(bytes)])?;
    }
    let count = found.damage.len();
    let verdict = if count == 0 { "whole".to_owned() } else { format!("{count} times damaged") };
    sheet.row(vec![text("verdict"), text(verdict)])?;
    sheet.finish()?;
    eprintln!(
        "checked {} files, {} bytes, {} epochs, {} events",
        found.files,
        grouped(found.bytes),
        grouped(found.epochs),
        grouped(found.rows)
    );
    if count == 0 {
        return Ok(());
    }
    Err(Error::new(Kind::Damaged, format!("the log in {} is damaged", place.data.dir.display()))
        .remedy("the files and offsets are listed above: restore them from a copy"))
}
