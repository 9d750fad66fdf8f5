//! `ingest`: appends files to the log.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::args::{DataArgs, OnErrorArg};
use super::dataflow_catalog::Dataflows;
use super::progress_bar;
use super::row_printer::{counted, grouped};
use diptych_base::error::{Error, Kind, Result};
use diptych_sources::{self as sources, FileReport, IngestOptions, IngestProgress, OnKnown, Phase};

#[derive(Args, Debug)]
pub(super) struct IngestArgs {
    /// A dataflow that reads one stream, a stream, or DATAFLOW.STREAM
    #[arg(value_name = "DATAFLOW|STREAM")]
    pub(super) target: String,
    /// The files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) data: DataArgs,
    /// The stream, when the dataflow reads several
    #[arg(long, value_name = "STREAM")]
    pub(super) stream: Option<String>,
    /// The files' format [default: by name, else by the first byte]
    #[arg(long, value_enum)]
    pub(super) format: Option<FileFormat>,
    /// What becomes of a record that cannot be read
    #[arg(long, value_enum, default_value_t)]
    pub(super) on_error: OnErrorArg,
    /// When a file begins with the records of one that was ingested, or corrects records that were
    /// skipped then, append only the other records
    #[arg(long, conflicts_with = "again")]
    pub(super) append_new_lines: bool,
    /// Append the whole file although the stream has its content, in whole or in part; it is
    /// appended once under its path. A LABEL tells it from others of the same path
    #[arg(long, value_name = "LABEL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "")]
    pub(super) again: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FileFormat {
    /// Comma-separated values with a header line
    Csv,
    /// One JSON object per line
    Ndjson,
}

/// Appends the files and reports on each.
pub(super) fn run(args: &IngestArgs, catalog: &Dataflows) -> Result<ExitCode> {
    let target = catalog.target(&args.target, args.stream.as_deref())?;
    let writer = args.data.system().writer()?;
    let options = IngestOptions {
        format: args.format.map(|format| match format {
            FileFormat::Csv => sources::Format::Csv,
            FileFormat::Ndjson => sources::Format::Ndjson,
        }),
        on_error: match args.on_error {
            OnErrorArg::Stop => sources::OnError::Stop,
            OnErrorArg::Skip => sources::OnError::Skip,
        },
        on_known: match &args.again {
            Some(label) => OnKnown::Again(Some(label.clone()).filter(|label| !label.is_empty())),
            None if args.append_new_lines => OnKnown::NewLines,
            None => OnKnown::Ask,
        },
    };
    let bar = progress_bar::bytes("");
    let mut show = |progress: &IngestProgress<'_>| {
        let doing = if progress.phase == Phase::Checking { "checking" } else { "appending" };
        bar.set_prefix(doing);
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes);
        let rows = grouped(progress.rows);
        let file = progress.path.display();
        bar.set_message(format!("{rows} events of {file}"));
    };
    let files = &args.files;
    let report =
        sources::ingest(&writer, &target.stream, &target.schema, files, &options, &mut show);
    bar.finish_and_clear();
    let report = report?;
    for file in &report.files {
        eprintln!("{}", describe(file, &target.stream));
    }
    writer.close()?;
    let same = report.files.iter().filter(|file| file.same_as.is_some()).count() as u64;
    if same == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let message = format!("{} left out, whose content is in the stream", counted(same, "file"));
    Err(Error::new(Kind::Conflict, message)
        .remedy("if they are others: --again, or --again=LABEL to tell them from those"))
}

/// Describes the outcome of a file, in one or two lines.
fn describe(file: &FileReport, stream: &str) -> String {
    let path = file.path.display();
    let rows = counted(file.rows, "event");
    let mut text = if file.already_ingested() {
        let text =
            format!("{path}: nothing to do, all of it ({rows}) is in stream {stream} already");
        match (&file.same_as, file.epochs) {
            (Some(other), Some((first, last))) => {
                format!("{text}, as {other}, epochs {first} to {last}")
            }
            (Some(other), None) => format!("{text}, as {other}"),
            (None, _) => text,
        }
    } else {
        let epochs = match file.epochs {
            Some((first, last)) => format!(", epochs {first} to {last}"),
            None => String::new(),
        };
        let others = match file.left_out {
            0 => String::new(),
            left_out => format!("; {} of it were there before", counted(left_out, "record")),
        };
        format!("{path}: {rows} in stream {stream}{epochs}{others}")
    };
    if let (1.., Some(errors)) = (file.skipped, &file.errors) {
        let skipped = grouped(file.skipped);
        let errors = errors.display();
        // Writing to a String cannot fail.
        let _ = write!(text, "; {skipped} bad records are in {errors}");
    }
    for (what, columns) in [("ignored", &file.ignored), ("absent", &file.absent)] {
        if !columns.is_empty() {
            let _ = write!(text, "\n  columns {what}: {}", columns.join(", "));
        }
    }
    for column in &file.january {
        let _ = write!(
            text,
            "\n  note: all of column `{column}` lies in January 1970: is its unit another one?"
        );
    }
    text
}
