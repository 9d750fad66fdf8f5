//! `ingest`: files into the log.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::args::{FileFormat, IngestArgs, OnError};
use super::bar;
use super::catalog::Catalog;
use super::sheet::{counted, grouped};
use crate::error::Result;
use crate::log::{Ack, Append, Writer};
use crate::sources::{self, AppendTo, FileReport, IngestOptions, Phase, Progress};

/// The log, as sources see it.
struct Log<'w>(&'w Writer);

impl AppendTo for Log<'_> {
    fn append(&self, append: Append) -> Result<impl FnOnce() -> Result<Ack>> {
        let pending = self.0.append(append)?;
        Ok(move || pending.wait())
    }

    fn next_sequence(&self, producer: &str) -> Result<u64> {
        Ok(self.0.next_sequence(producer))
    }
}

/// Appends the files and reports on each.
pub(super) fn run(args: &IngestArgs, catalog: &Catalog) -> Result<ExitCode> {
    let target = catalog.target(&args.target, args.stream.as_deref())?;
    let writer = args.data.system().writer()?;
    let options = IngestOptions {
        format: args.format.map(|format| match format {
            FileFormat::Csv => sources::Format::Csv,
            FileFormat::Ndjson => sources::Format::Ndjson,
        }),
        on_error: match args.on_error {
            OnError::Stop => sources::OnError::Stop,
            OnError::Skip => sources::OnError::Skip,
        },
    };
    let bar = bar::bytes("");
    let mut show = |progress: &Progress<'_>| {
        let doing = if progress.phase == Phase::Checking { "checking" } else { "appending" };
        bar.set_prefix(doing);
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes);
        let (rows, file) = (grouped(progress.rows), progress.path.display());
        bar.set_message(format!("{rows} events of {file}"));
    };
    let files = &args.files;
    let report =
        sources::ingest(&Log(&writer), &target.stream, &target.schema, files, &options, &mut show);
    bar.finish_and_clear();
    for file in &report?.files {
        eprintln!("{}", describe(file, &target.stream));
    }
    writer.close()?;
    Ok(ExitCode::SUCCESS)
}

/// What became of a file, in one or two lines.
fn describe(file: &FileReport, stream: &str) -> String {
    let (path, rows) = (file.path.display(), counted(file.rows, "event"));
    let mut text = if file.already_ingested() {
        format!("{path}: nothing to do, all of it ({rows}) is in stream {stream} already")
    } else {
        let epochs = match file.epochs {
            Some((first, last)) => format!(", epochs {first} to {last}"),
            None => String::new(),
        };
        format!("{path}: {rows} in stream {stream}{epochs}")
    };
    if let (1.., Some(errors)) = (file.skipped, &file.errors) {
        let (skipped, errors) = (grouped(file.skipped), errors.display());
        // Writing to a String cannot fail.
        let _ = write!(text, "; {skipped} bad records are in {errors}");
    }
    for (what, columns) in [("ignored", &file.ignored), ("absent", &file.absent)] {
        if !columns.is_empty() {
            let _ = write!(text, "\n  columns {what}: {}", columns.join(", "));
        }
    }
    text
}
