//! Reads one file once: its records in chunks, each parsed, with the digest of its text.

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::rc::Rc;

use super::bad_record::Bad;
use super::csv::{CsvFile, CsvRecord};
use super::file_prefix_digests::{FileDigests, Prefixes};
use super::ingest_options::Format;
use super::known_files::{KnownFile, LeftOut};
use super::lines::Lines;
use super::nested_column_writers::Structs;
use super::open_input::InputFile;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{INGEST_CHUNK_BYTES, INGEST_CHUNK_RECORDS};

/// The digest of a chunk's text.
pub(crate) type ChunkDigest = [u8; 32];

/// Handles a bad record: its line, the reason, and its text.
pub(crate) type OnBad<'a> = &'a mut dyn FnMut(u64, Bad, &[u8]) -> Result<()>;

/// A chunk that was read; its good records are in the [`FileReader`].
pub(crate) struct ChunkRead {
    pub digest: ChunkDigest,
    pub good: u64,
    pub bad: u64,
    /// Records of the chunk that are not to be appended.
    pub left_out: u64,
}

impl ChunkRead {
    fn records(&self) -> u64 {
        self.good + self.bad + self.left_out
    }
}

/// A file while it is read, and the good records of its last chunk.
///
/// Chunks are cut by the file's text alone, whatever the schema and whatever is bad in them, so
/// that a later run cuts the same file alike.
pub(crate) struct FileReader {
    records: Records,
    rows: Structs,
    schema: SchemaRef,
    /// Header columns that the stream does not have.
    pub ignored: Vec<String>,
    /// Optional columns that the header does not have.
    pub absent: Vec<String>,
    header: Vec<u8>,
    bytes: Rc<Cell<u64>>,
    prefixes: Prefixes,
    left_out: LeftOut,
}

enum Records {
    Ndjson(Lines),
    /// The file, its header's length, and for each column of the stream its position in the header.
    Csv(Box<CsvFile>, usize, Vec<Option<usize>>),
}

impl FileReader {
    /// Starts at the beginning of `source`. Errors give the line; the caller adds the file's name.
    pub(crate) fn start(source: &InputFile, stream: &str, schema: &SchemaRef) -> Result<Self> {
        let prefixes = Prefixes::new(&[]);
        let left_out = LeftOut::default();
        let (window, bytes) = source.window()?;
        let mut ignored = Vec::new();
        let mut absent = Vec::new();
        let mut header = Vec::new();
        let records = match source.format {
            Format::Ndjson => Records::Ndjson(Lines::new(window)),
            Format::Csv => {
                let mut file = CsvFile::new(window);
                let first = file.next()?;
                header = first.as_ref().map(|record| record.raw.to_vec()).unwrap_or_default();
                let names = names(first.as_ref())?;
                let places = places(&names, stream, schema)?;
                let has = |name: &String| schema.column_with_name(name).is_some();
                ignored = names.iter().filter(|name| !has(name)).cloned().collect();
                let lacking = schema.fields().iter().zip(&places).filter(|(_, at)| at.is_none());
                absent = lacking.map(|(field, _)| field.name().clone()).collect();
                Records::Csv(Box::new(file), names.len(), places)
            }
        };
        let rows = Structs::new(schema.fields())?;
        let schema = schema.clone();
        Ok(FileReader { records, rows, schema, ignored, absent, header, bytes, prefixes, left_out })
    }

    /// Adds the digests that tell whether the file is one of `known`.
    pub(super) fn beside(mut self, known: &[KnownFile]) -> Self {
        self.prefixes = Prefixes::new(known);
        self
    }

    /// Leaves out these records.
    pub(super) fn without(mut self, left_out: LeftOut) -> Self {
        self.left_out = left_out;
        self
    }

    /// The digests and counts of the file, which was read to its end.
    pub(super) fn seen(self) -> FileDigests {
        self.prefixes.finish()
    }

    /// Bytes of the file (compressed or not) that were read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Reads the next chunk; `None` at the end of the file. The good records of the previous chunk
    /// are dropped, unless they were taken.
    pub(crate) fn chunk(&mut self, on_bad: OnBad<'_>) -> Result<Option<ChunkRead>> {
        self.rows.clear();
        let mut text = Sha256::new();
        let header = std::mem::take(&mut self.header);
        text.update(&header);
        self.prefixes.header(&header);
        let mut read = ChunkRead { digest: ChunkDigest::default(), good: 0, bad: 0, left_out: 0 };
        let mut bytes = 0;
        while read.records() < INGEST_CHUNK_RECORDS as u64 && bytes < INGEST_CHUNK_BYTES {
            let rows = &mut self.rows;
            let wanted = self.left_out.has_not(self.prefixes.next());
            let (line, raw, outcome) = match &mut self.records {
                Records::Ndjson(lines) => match lines.next()? {
                    None => break,
                    Some((line, raw)) => (line, raw, wanted.then(|| object(rows, raw))),
                },
                Records::Csv(file, width, places) => match file.next()? {
                    None => break,
                    Some(record) => {
                        let outcome = wanted.then(|| row(rows, &record, *width, places));
                        (record.line, record.raw, outcome)
                    }
                },
            };
            let before = (read.records() > 0).then(|| text.clone());
            text.update(raw);
            text.update(b"\n");
            bytes += raw.len() + 1;
            self.prefixes.record(raw, !matches!(outcome, Some(Err(_))), &text, before);
            match outcome {
                None => read.left_out += 1,
                Some(Ok(())) => read.good += 1,
                Some(Err(reason)) => {
                    read.bad += 1;
                    on_bad(line, reason, raw)?;
                }
            }
        }
        if read.records() == 0 {
            return Ok(None);
        }
        read.digest = text.finalize().into();
        self.prefixes.chunk(&read.digest);
        Ok(Some(read))
    }

    /// Takes the good records of the last chunk.
    pub(crate) fn take(&mut self) -> RecordBatch {
        let rows = self.rows.rows();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = self.schema.clone();
        let arrays = self.rows.arrays();
        match RecordBatch::try_new_with_options(schema, arrays, &options) {
            Ok(batch) => batch,
            Err(error) => panic!("{rows} records broke their own schema: {error}"),
        }
    }
}

/// The column names in a table's header.
pub(super) fn names(header: Option<&CsvRecord<'_>>) -> Result<Vec<String>> {
    let Some(record) = header else { return Ok(Vec::new()) };
    if let Some(fault) = record.fault() {
        return Err(Error::new(Kind::Input, format!("line {}: the header: {fault}", record.line))
            .remedy("mend the header"));
    }
    let cells = (0..record.len()).map(|index| record.cell(index));
    Ok(cells.map(|cell| String::from_utf8_lossy(cell).into_owned()).collect())
}

/// The position in the header of each column of the stream.
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
    if let Some(fault) = record.fault() {
        return Err(Bad::record(fault));
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
