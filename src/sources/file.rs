//! One reading of one file: its records in chunks, each parsed, with the digest of its text.

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::rc::Rc;

use super::bad::Bad;
use super::csv::{CsvFile, CsvRecord};
use super::lines::Lines;
use super::nested::Structs;
use super::open::Source;
use super::options::Format;
use crate::error::{Error, Kind, Result};
use crate::limits::{INGEST_CHUNK_BYTES, INGEST_CHUNK_RECORDS};

/// The digest of a chunk's text.
pub(crate) type ChunkDigest = [u8; 32];

/// What happens to a bad record: its line, why, and its text.
pub(crate) type OnBad<'a> = &'a mut dyn FnMut(u64, Bad, &[u8]) -> Result<()>;

/// A chunk that was read; its good records are in the [`Reading`].
pub(crate) struct ChunkRead {
    pub(crate) digest: ChunkDigest,
    pub(crate) good: u64,
    pub(crate) bad: u64,
}

/// The file being read, and the good records of the chunk read last.
///
/// Chunks are cut by the file's text alone, whatever the schema and whatever is bad in them, so
/// that a later run cuts the same file alike.
pub(crate) struct Reading {
    records: Records,
    rows: Structs,
    schema: SchemaRef,
    /// Header columns the stream does not have.
    pub(crate) ignored: Vec<String>,
    /// Optional columns the header does not have.
    pub(crate) absent: Vec<String>,
    header: Vec<u8>,
    bytes: Rc<Cell<u64>>,
}

enum Records {
    Ndjson(Lines),
    /// The file, its header's length, and for each column of the stream its place in the header.
    Csv(Box<CsvFile>, usize, Vec<Option<usize>>),
}

impl Reading {
    /// Starts at the beginning of `source`. Errors give the line, and leave naming the file to the
    /// caller.
    pub(crate) fn start(source: &Source, stream: &str, schema: &SchemaRef) -> Result<Self> {
        let (window, bytes) = source.window()?;
        let (mut ignored, mut absent, mut header) = (Vec::new(), Vec::new(), Vec::new());
        let records = match source.format {
            Format::Ndjson => Records::Ndjson(Lines::new(window)),
            Format::Csv => {
                let mut file = CsvFile::new(window);
                let names = match file.next()? {
                    Some(record) => {
                        header = record.raw.to_vec();
                        let cells = (0..record.len()).map(|index| record.cell(index));
                        cells.map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()
                    }
                    None => Vec::new(),
                };
                let places = places(&names, stream, schema)?;
                let has = |name: &String| schema.column_with_name(name).is_some();
                ignored = names.iter().filter(|name| !has(name)).cloned().collect();
                let lacking = schema.fields().iter().zip(&places).filter(|(_, at)| at.is_none());
                absent = lacking.map(|(field, _)| field.name().clone()).collect();
                Records::Csv(Box::new(file), names.len(), places)
            }
        };
        let rows = Structs::new(schema.fields())?;
        Ok(Reading { records, rows, schema: schema.clone(), ignored, absent, header, bytes })
    }

    /// Bytes of the file as it is that were read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Reads the next chunk; `None` at the end of the file. The good records of the chunk before
    /// are forgotten, unless they were taken.
    pub(crate) fn chunk(&mut self, on_bad: OnBad<'_>) -> Result<Option<ChunkRead>> {
        self.rows.clear();
        let mut text = Sha256::new();
        text.update(std::mem::take(&mut self.header));
        let (mut good, mut bad, mut bytes) = (0, 0, 0);
        while good + bad < INGEST_CHUNK_RECORDS as u64 && bytes < INGEST_CHUNK_BYTES {
            let (line, raw, read) = match &mut self.records {
                Records::Ndjson(lines) => match lines.next()? {
                    None => break,
                    Some((line, raw)) => (line, raw, object(&mut self.rows, raw)),
                },
                Records::Csv(file, width, places) => match file.next()? {
                    None => break,
                    Some(record) => {
                        (record.line, record.raw, row(&mut self.rows, &record, *width, places))
                    }
                },
            };
            text.update(raw);
            text.update(b"\n");
            bytes += raw.len() + 1;
            match read {
                Ok(()) => good += 1,
                Err(reason) => {
                    bad += 1;
                    on_bad(line, reason, raw)?;
                }
            }
        }
        if good + bad == 0 {
            return Ok(None);
        }
        Ok(Some(ChunkRead { digest: text.finalize().into(), good, bad }))
    }

    /// Takes the good records of the chunk read last.
    pub(crate) fn take(&mut self) -> RecordBatch {
        let rows = self.rows.rows();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let (schema, arrays) = (self.schema.clone(), self.rows.arrays());
        match RecordBatch::try_new_with_options(schema, arrays, &options) {
            Ok(batch) => batch,
            Err(error) => panic!("{rows} records broke their own schema: {error}"),
        }
    }
}

/// For each column of the stream its place in the header.
pub(super) fn places(
    names: &[String],
    stream: &str,
    schema: &SchemaRef,
) -> Result<Vec<Option<usize>>> {
    let refuse = |message: String, remedy: &str| {
        let header = names.join(", ");
        let message = format!("line 1: {message}; the header is: {header}");
        Err(Error::new(Kind::Input, message).remedy(remedy))
    };
    let mut places = Vec::new();
    for field in schema.fields() {
        let name = field.name();
        let mut found = names.iter().enumerate().filter(|(_, other)| *other == name);
        let place = found.next().map(|(place, _)| place);
        if found.next().is_some() {
            return refuse(format!("column `{name}` is there twice"), "rename one of them");
        }
        if place.is_none() && !field.is_nullable() {
            let message = format!("column `{name}` is missing, which stream `{stream}` requires");
            let remedy =
                "rename the header's column, or make the field an Option or #[event(default)]";
            return refuse(message, remedy);
        }
        places.push(place);
    }
    Ok(places)
}

pub(super) fn object(rows: &mut Structs, raw: &[u8]) -> Result<(), Bad> {
    match std::str::from_utf8(raw) {
        Ok(text) => rows.object(text),
        Err(error) => {
            Err(Bad::record(format!("not UTF-8 after {} bytes of the line", error.valid_up_to())))
        }
    }
}

pub(super) fn row(
    rows: &mut Structs,
    record: &CsvRecord<'_>,
    width: usize,
    places: &[Option<usize>],
) -> Result<(), Bad> {
    if record.is_open() {
        return Err(Bad::record("a quote is not closed up to the end of the file"));
    }
    if record.len() != width {
        let message = format!("{} cells, where the header has {width}", record.len());
        return Err(Bad::record(message));
    }
    rows.cells(|column| {
        let Some(place) = places[column] else { return Ok(None) };
        let cell = record.cell(place);
        match std::str::from_utf8(cell) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Bad::value(&String::from_utf8_lossy(cell), "UTF-8")),
        }
    })
}
