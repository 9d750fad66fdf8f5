//! Ingests files in two readings: the first checks everything, the second appends everything.

use arrow_schema::SchemaRef;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::bad_record::{ErrorsFile, shortened};
use super::decide_new_records::{Case, Decision, producer};
use super::file_prefix_digests::FileDigests;
use super::file_reader::{ChunkDigest, ChunkRead, FileReader, OnBad};
use super::ingest_options::{FileReport, IngestOptions, IngestProgress, OnError, Phase, Report};
use super::known_files::{KnownFile, LeftOut, name};
use super::open_input::InputFile;
use super::sink::AppendTo;
use super::wrong_time_unit::WrongTimeUnit;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::INGEST_IN_FLIGHT;
use diptych_log::{Ack, Append};

/// Appends `paths` (`-` is standard input), each a file of records of `schema`, to `stream` of
/// `sink`, and returns when they are durable.
///
/// Each event of each file is appended once, however often this is called and wherever a call was
/// killed. Files are identified by content: a copy under another name, also a compressed one,
/// counts as the same file, unless [`OnKnown::Again`](super::OnKnown::Again) makes it another one.
///
/// # Errors
/// Under [`OnError::Stop`] nothing was appended when a file cannot be read to its end, lacks a
/// required column, or has a bad record: the error names file, line, column and text. Under
/// [`OnError::Skip`] the same, except for bad records. A conflict, and nothing appended, when
/// events of a file are in the stream as those of another file and would count twice. When the sink
/// fails or a file is changed meanwhile, a part may have been appended: calling again completes it.
pub fn ingest<S: AppendTo>(
    sink: &S,
    stream: &str,
    schema: &SchemaRef,
    paths: &[PathBuf],
    options: &IngestOptions,
    progress: &mut dyn FnMut(&IngestProgress<'_>),
) -> Result<Report> {
    let mut known = KnownFile::all(sink, stream)?;
    let first = known.last().map_or(0, |newest| newest.number + 1);
    let mut checked = Vec::new();
    for (number, path) in (first..).zip(paths) {
        let file = check(path, stream, schema, options, &known, progress)?;
        let name = name(path);
        let seen = &file.seen;
        let on_known = &options.on_known;
        let this = KnownFile::of(number, name, seen);
        let case = Case { stream, on_known, known: &known, first, this: &this, seen };
        let decision = case.decide(sink).map_err(|error| error.within(path.display()))?;
        let Decision { part, left_out, is_new, same_as } = decision;
        let appends = file.chunks(&left_out);
        let this = KnownFile { left_out, part, appends, ..this };
        if is_new {
            known.push(this.clone());
        }
        checked.push(Checked { this, is_new, same_as, ..file });
    }
    let mut report = Report::default();
    for file in checked {
        report.files.push(file.append(sink, stream, schema, progress)?);
    }
    Ok(report)
}

/// A file that was checked to its end.
struct Checked {
    source: InputFile,
    digests: Vec<ChunkDigest>,
    seen: FileDigests,
    report: FileReport,
    /// The description to be remembered, and whether it is to be.
    this: KnownFile,
    is_new: bool,
    same_as: Option<String>,
}

fn check(
    path: &Path,
    stream: &str,
    schema: &SchemaRef,
    options: &IngestOptions,
    known: &[KnownFile],
    progress: &mut dyn FnMut(&IngestProgress<'_>),
) -> Result<Checked> {
    let source = InputFile::open(path, options.format)?;
    let mut errors = ErrorsFile::beside(path);
    let mut on_bad = |line: u64, bad: super::bad_record::Bad, raw: &[u8]| match options.on_error {
        OnError::Skip => errors.add(line, &bad, raw),
        OnError::Stop => {
            let text = shortened(&String::from_utf8_lossy(raw));
            let message = format!("line {line}: {bad}; the line is: {text}");
            Err(Error::new(Kind::Input, message)
                .remedy("nothing was appended: mend the file, or skip bad records"))
        }
    };
    let mut digests = Vec::new();
    let mut january = WrongTimeUnit::default();
    let mut rows = 0;
    let mut skipped = 0;
    let begin = |reading: FileReader| reading.beside(known);
    let reading = read(&source, stream, schema, begin, &mut on_bad, |reading, chunk| {
        digests.push(chunk.digest);
        january.look(&reading.take());
        rows += chunk.good;
        skipped += chunk.bad;
        let bytes = reading.bytes();
        let bytes_total = source.bytes;
        let phase = Phase::Checking;
        progress(&IngestProgress { path, phase, bytes, bytes_total, rows, skipped });
        Ok(())
    })?;
    let report = FileReport {
        path: path.to_owned(),
        rows,
        left_out: 0,
        same_as: None,
        skipped,
        errors: errors.finish()?,
        chunks: 0,
        repeated: 0,
        epochs: None,
        ignored: reading.ignored.clone(),
        absent: reading.absent.clone(),
        january: january.columns().map(|column| schema.field(column).name().clone()).collect(),
    };
    let seen = reading.seen();
    let this = KnownFile::default();
    let same_as = None;
    Ok(Checked { source, digests, seen, report, this, is_new: false, same_as })
}

/// Reads the whole of `source` and passes each chunk to `each`; errors name the file.
fn read(
    source: &InputFile,
    stream: &str,
    schema: &SchemaRef,
    begin: impl FnOnce(FileReader) -> FileReader,
    on_bad: OnBad<'_>,
    mut each: impl FnMut(&mut FileReader, ChunkRead) -> Result<()>,
) -> Result<FileReader> {
    let within = |error: Error| error.within(source.path().display());
    let mut reading = begin(FileReader::start(source, stream, schema).map_err(within)?);
    while let Some(chunk) = reading.chunk(on_bad).map_err(within)? {
        each(&mut reading, chunk)?;
    }
    Ok(reading)
}

impl Checked {
    /// The number of chunks with records to append.
    fn chunks(&self, left_out: &LeftOut) -> u64 {
        let starts = std::iter::once(&0).chain(&self.seen.ends);
        let chunks = starts.zip(&self.seen.ends);
        chunks.filter(|(start, end)| left_out.has_not_all(**start, **end)).count() as u64
    }

    fn append<S: AppendTo>(
        self,
        sink: &S,
        stream: &str,
        schema: &SchemaRef,
        progress: &mut dyn FnMut(&IngestProgress<'_>),
    ) -> Result<FileReport> {
        let Checked { source, digests, mut report, this, is_new, same_as, .. } = self;
        report.chunks = this.appends;
        report.same_as = same_as;
        let producer = producer(stream, &this.digest, &this.part);
        let due = sink.next_sequence(&producer)?;
        let changed = || {
            let message = format!("{}: changed while it was read", source.path().display());
            Error::new(Kind::Conflict, message)
                .remedy("ingest a file that nobody writes to; the part before is appended")
        };
        let mut waiting = VecDeque::new();
        let mut chunks = 0;
        let mut sequence = 0;
        let mut rows = 0;
        let mut skipped = 0;
        let begin = |reading: FileReader| reading.without(this.left_out.clone());
        let each = |reading: &mut FileReader, chunk: ChunkRead| {
            if digests.get(chunks) != Some(&chunk.digest) {
                return Err(changed());
            }
            chunks += 1;
            rows += chunk.good;
            skipped += chunk.bad;
            report.left_out += chunk.left_out;
            if chunk.good + chunk.bad == 0 {
                return Ok(());
            }
            let mut append = Append::rows(stream, reading.take()).by(&producer, sequence);
            if is_new && sequence == 0 {
                // The description of a file becomes durable with its first events.
                append.offsets.push(this.offset(stream)?);
            }
            waiting.push_back((sink.append(append)?, sequence < due));
            sequence += 1;
            while waiting.len() > INGEST_IN_FLIGHT {
                settle(waiting.pop_front(), &mut report)?;
            }
            let bytes = reading.bytes();
            let bytes_total = source.bytes;
            let path = source.path();
            let phase = Phase::Appending;
            progress(&IngestProgress { path, phase, bytes, bytes_total, rows, skipped });
            Ok(())
        };
        let reading = read(&source, stream, schema, begin, &mut |_, _, _| Ok(()), each);
        // Requests in flight are waited for, also after an error. The first error counts: requests
        // after a refused one are refused only for the gap.
        let mut settled = Ok(());
        while let Some(pending) = waiting.pop_front() {
            let result = settle(Some(pending), &mut report);
            settled = settled.and(result);
        }
        reading.map(drop).and(settled)?;
        if chunks != digests.len() {
            return Err(changed());
        }
        report.rows = rows;
        Ok(report)
    }
}

/// Waits for one request; `has` tells whether the log already had it.
fn settle(
    pending: Option<(impl FnOnce() -> Result<Ack>, bool)>,
    report: &mut FileReport,
) -> Result<()> {
    let Some((wait, has)) = pending else { return Ok(()) };
    let ack = match wait() {
        // It was appended so long ago that the log no longer knows its epoch; or the text was read
        // by a release that made other events of it. A request is identified by its text.
        Err(error) if has && error.is_conflict() => {
            report.repeated += 1;
            return Ok(());
        }
        ack => ack?,
    };
    report.repeated += u64::from(ack.repeated);
    let (first, last) = report.epochs.unwrap_or((ack.epoch, ack.epoch));
    report.epochs = Some((first.min(ack.epoch), last.max(ack.epoch)));
    Ok(())
}
