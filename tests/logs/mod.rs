//! The parts that the log's tests share: rows to append, and the log's content in a comparable
//! form.
#![allow(dead_code, unused_imports, reason = "each test file uses some of it")]

#[path = "../scale/mod.rs"]
mod scale;

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use diptych::Result;
use diptych::io::{Disk, SimClock, SimDisk, SimRandom};
use diptych::log::{Append, Chunk, Reader, SealedEpoch, Writer, WriterOptions};
use diptych::time::Epoch;

pub(crate) use scale::{is_long, scaled};

/// The directory of the logs of these tests, on any disk.
pub(crate) const DIR: &str = "log";

/// One event as tests see it: stream, number, text.
pub(crate) type Event = (String, i64, String);

/// The events of each epoch, sorted inside an epoch; the first element is epoch 0's.
pub(crate) type Content = Vec<Vec<Event>>;

/// Rows with the columns `n` and `text`.
pub(crate) fn rows(events: &[(i64, &str)]) -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(events.iter().map(|e| e.0)));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(events.iter().map(|e| e.1)));
    RecordBatch::try_from_iter([("n", numbers), ("text", texts)]).expect("equal lengths")
}

/// The same stream after its schema changed: the columns are swapped.
pub(crate) fn rows_evolved(events: &[(i64, &str)]) -> RecordBatch {
    rows(events).project(&[1, 0]).expect("two columns")
}

/// A request with one row.
pub(crate) fn one(stream: &str, number: i64) -> Append {
    Append::rows(stream, rows(&[(number, &format!("text of {number}"))]))
}

/// Options under which everything happens in a repeatable order.
pub(crate) fn steady(rotate_bytes: u64) -> WriterOptions {
    let random = Arc::new(SimRandom::new(7));
    WriterOptions { rotate_bytes, background: false, random, ..WriterOptions::default() }
}

/// Opens the log in `DIR` for writing.
pub(crate) fn open(disk: &SimDisk, options: WriterOptions) -> Result<Writer> {
    Writer::open(Arc::new(disk.clone()), Arc::new(SimClock::at(1_000_000)), DIR, options)
}

/// Takes back the events with these numbers; gives the epoch of the retraction.
pub(crate) fn retract(disk: &SimDisk, writer: &Writer, stream: &str, of: &[i64]) -> Result<Epoch> {
    let reader = Reader::open(Arc::new(disk.clone()), DIR)?;
    let found = reader.find(stream, 0..reader.upper()?, |chunk| {
        let numbers = chunk.rows.column_by_name("n").expect("n").as_primitive::<Int64Type>();
        Ok(numbers.iter().map(|n| n.map(|n| of.contains(&n))).collect())
    })?;
    Ok(writer.retract(&found, "a mistake", Append::default())?.wait()?.epoch)
}

/// The events of a chunk.
pub(crate) fn events(chunk: &Chunk) -> Vec<Event> {
    let numbers = chunk.rows.column_by_name("n").expect("n").as_primitive::<Int64Type>();
    let texts = chunk.rows.column_by_name("text").expect("text").as_string::<i32>();
    let event = |i| (chunk.stream.to_string(), numbers.value(i), texts.value(i).to_owned());
    (0..chunk.len()).map(event).collect()
}

/// The events of an epoch, sorted; an event that it takes back is shown under the stream `-NAME`.
pub(crate) fn events_of(sealed: &SealedEpoch) -> Vec<Event> {
    let mut all: Vec<_> = sealed.chunks.iter().flat_map(events).collect();
    for taken in &sealed.retractions {
        let negative = |(stream, n, text)| (format!("-{stream}"), n, text);
        all.extend(events(&taken.events).into_iter().map(negative));
    }
    all.sort();
    all
}

/// The whole log by `epochs`.
pub(crate) fn replay(reader: &Reader, lower: Epoch, upper: Epoch) -> Result<Content> {
    let mut content = Vec::new();
    for (sealed, epoch) in reader.epochs(lower, upper)?.zip(lower..) {
        let sealed = sealed?;
        assert_eq!(sealed.epoch, epoch);
        content.push(events_of(&sealed));
    }
    assert_eq!(content.len() as u64, upper - lower);
    Ok(content)
}

/// The same by `parts`.
pub(crate) fn read_parts(reader: &Reader, lower: Epoch, upper: Epoch) -> Result<Content> {
    let mut content = vec![Vec::new(); (upper - lower) as usize];
    for part in reader.parts(lower, upper)? {
        for chunk in part.chunks() {
            let chunk = chunk?;
            for (index, event) in events(&chunk).into_iter().enumerate() {
                content[(chunk.epochs.at(index) - lower) as usize].push(event);
            }
        }
    }
    for events in &mut content {
        events.sort();
    }
    Ok(content)
}

/// The content that a reader sees; both ways of reading are compared.
pub(crate) fn content(disk: Arc<dyn Disk>, dir: &Path) -> Result<Content> {
    let reader = Reader::open(disk, dir)?;
    let (lower, upper) = (reader.lower(), reader.upper()?);
    let content = replay(&reader, lower, upper)?;
    let mut appended = content.clone();
    appended.iter_mut().for_each(|epoch| epoch.retain(|event| !event.0.starts_with('-')));
    assert_eq!(read_parts(&reader, lower, upper)?, appended, "parts and epochs differ");
    Ok(content)
}

/// [`content`] of the log in `DIR`.
pub(crate) fn content_of(disk: &SimDisk) -> Result<Content> {
    content(Arc::new(disk.clone()), Path::new(DIR))
}
