//! The two readings: check everything, then append everything.

use arrow_schema::SchemaRef;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::bad::{ErrorsFile, shortened};
use super::file::{ChunkDigest, ChunkRead, OnBad, Reading};
use super::open::Source;
use super::options::{FileReport, IngestOptions, OnError, Phase, Progress, Report};
use super::sink::AppendTo;
use crate::error::{Error, Kind, Result};
use crate::limits::INGEST_IN_FLIGHT;
use crate::log::{Ack, Append};

/// Puts `paths` (`-` is standard input), each a file of records of `schema`, into `stream` of
/// `sink`, and returns when they are durable.
///
/// Each event of each file is appended once, however often this is called and wherever a call was
/// killed. That goes by content: a copy of a file under another name, also a compressed one, counts
/// as the same file.
///
/// # Errors
/// Under [`OnError::Stop`] nothing was appended when a file cannot be read to its end, lacks a
/// required column, or has a bad record: the error names file, line, column and text. Under
/// [`OnError::Skip`] that holds but for bad records. When the sink fails or a file is changed
/// meanwhile, a part may have been appended: calling again completes it.
pub fn ingest<S: AppendTo>(
    sink: &S,
    stream: &str,
    schema: &SchemaRef,
    paths: &[PathBuf],
    options: &IngestOptions,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<Report> {
    let mut checked = Vec::new();
    for path in paths {
        checked.push(check(path, stream, schema, options, progress)?);
    }
    let mut report = Report::default();
    for file in checked {
        report.files.push(file.append(sink, stream, schema, progress)?);
    }
    Ok(report)
}

/// A file that was read to its end.
struct Checked {
    source: Source,
    digests: Vec<ChunkDigest>,
    report: FileReport,
}

fn check(
    path: &Path,
    stream: &str,
    schema: &SchemaRef,
    options: &IngestOptions,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<Checked> {
    let source = Source::open(path, options.format)?;
    let mut errors = ErrorsFile::beside(path);
    let mut on_bad = |line: u64, bad: super::bad::Bad, raw: &[u8]| match options.on_error {
        OnError::Skip => errors.add(line, &bad, raw),
        OnError::Stop => {
            let text = shortened(&String::from_utf8_lossy(raw));
            let message = format!("line {line}: {bad}; the line is: {text}");
            Err(Error::new(Kind::Input, message)
                .remedy("nothing was appended: mend the file, or skip bad records"))
        }
    };
    let mut digests = Vec::new();
    let (mut rows, mut skipped) = (0, 0);
    let reading = read(&source, stream, schema, &mut on_bad, |reading, chunk| {
        digests.push(chunk.digest);
        rows += chunk.good;
        skipped += chunk.bad;
        let (bytes, bytes_total) = (reading.bytes(), source.bytes);
        let phase = Phase::Checking;
        progress(&Progress { path, phase, bytes, bytes_total, rows, skipped });
        Ok(())
    })?;
    let report = FileReport {
        path: path.to_owned(),
        rows,
        skipped,
        errors: errors.finish()?,
        chunks: digests.len() as u64,
        repeated: 0,
        epochs: None,
        ignored: reading.ignored,
        absent: reading.absent,
    };
    Ok(Checked { source, digests, report })
}

/// Reads the whole of `source`, giving each chunk to `each`; errors name the file.
fn read(
    source: &Source,
    stream: &str,
    schema: &SchemaRef,
    on_bad: OnBad<'_>,
    mut each: impl FnMut(&mut Reading, ChunkRead) -> Result<()>,
) -> Result<Reading> {
    let within = |error: Error| error.within(source.path().display());
    let mut reading = Reading::start(source, stream, schema).map_err(within)?;
    while let Some(chunk) = reading.chunk(on_bad).map_err(within)? {
        each(&mut reading, chunk)?;
    }
    Ok(reading)
}

impl Checked {
    fn append<S: AppendTo>(
        self,
        sink: &S,
        stream: &str,
        schema: &SchemaRef,
        progress: &mut dyn FnMut(&Progress<'_>),
    ) -> Result<FileReport> {
        let Checked { source, digests, mut report } = self;
        let producer = producer(stream, &digests);
        let due = sink.next_sequence(&producer)?;
        let changed = || {
            let message = format!("{}: changed while it was read", source.path().display());
            Error::new(Kind::Conflict, message)
                .remedy("ingest a file that nobody writes to; the part before is appended")
        };
        let mut waiting = VecDeque::new();
        let (mut sequence, mut rows, mut skipped) = (0, 0, 0);
        let reading = read(&source, stream, schema, &mut |_, _, _| Ok(()), |reading, chunk| {
            if digests.get(sequence as usize) != Some(&chunk.digest) {
                return Err(changed());
            }
            let append = Append::rows(stream, reading.take()).by(&producer, sequence);
            waiting.push_back((sink.append(append)?, sequence < due));
            sequence += 1;
            rows += chunk.good;
            skipped += chunk.bad;
            while waiting.len() > INGEST_IN_FLIGHT {
                settle(waiting.pop_front(), &mut report)?;
            }
            let (bytes, bytes_total) = (reading.bytes(), source.bytes);
            let (path, phase) = (source.path(), Phase::Appending);
            progress(&Progress { path, phase, bytes, bytes_total, rows, skipped });
            Ok(())
        });
        // What was handed over is waited for, also after an error. The first error counts: what
        // comes behind a refused request is refused for the gap only.
        let mut settled = Ok(());
        while let Some(pending) = waiting.pop_front() {
            let result = settle(Some(pending), &mut report);
            settled = settled.and(result);
        }
        reading.map(drop).and(settled)?;
        if sequence != digests.len() as u64 {
            return Err(changed());
        }
        Ok(report)
    }
}

/// Waits for one request, which the log `has` or is to get.
fn settle(
    pending: Option<(impl FnOnce() -> Result<Ack>, bool)>,
    report: &mut FileReport,
) -> Result<()> {
    let Some((wait, has)) = pending else { return Ok(()) };
    let ack = match wait() {
        // Appended so long ago that the log no longer tells its epoch; or the text was read by a
        // release that made other events of it. It is the text that names a request.
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

/// The producer that appends this text to this stream.
fn producer(stream: &str, digests: &[ChunkDigest]) -> String {
    let mut whole = Sha256::new();
    for digest in digests {
        whole.update(digest);
    }
    format!("file/{stream}/{}", HEXLOWER.encode(&whole.finalize()))
}
