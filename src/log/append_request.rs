//! Append requests, and the acknowledgements that answer them.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use crossbeam::channel::Receiver;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits;
use diptych_base::time::Epoch;

/// The column that sealed segments add to the user's columns.
pub(crate) const EPOCH_COLUMN: &str = "_epoch";

/// Events to append: all of them get the same epoch, or none is appended.
#[derive(Clone, Debug, Default)]
pub struct Append {
    /// The producer of an exactly-once append; without one (`None`) every call appends.
    pub producer: Option<Producer>,
    /// Rows by stream. No rows at all is legal: it seals an empty epoch, or commits offsets.
    pub batches: Vec<(Arc<str>, RecordBatch)>,
    /// Positions in the sources that these events came from, stored in the same frame: (source,
    /// position in any notation). The last position of each source is kept.
    pub offsets: Vec<(String, String)>,
}

impl Append {
    /// Makes a request with rows of one stream, without a producer.
    pub fn rows(stream: &str, rows: RecordBatch) -> Self {
        Append { batches: vec![(stream.into(), rows)], ..Append::default() }
    }

    /// Makes it request number `sequence` of the producer `id`.
    #[must_use]
    pub fn by(mut self, id: impl Into<String>, sequence: u64) -> Self {
        self.producer = Some(Producer { id: id.into(), sequence });
        self
    }

    /// Checks everything that does not need the log's state; returns the size in bytes.
    pub fn check(&self) -> Result<usize> {
        let mut size = 256;
        for (stream, rows) in &self.batches {
            check_stream(stream)?;
            check_schema(stream, rows.schema_ref())?;
            for column in rows.columns() {
                let bytes = column.to_data().get_slice_memory_size();
                size += bytes.unwrap_or_else(|_| column.get_array_memory_size());
            }
        }
        for (source, offset) in &self.offsets {
            check_text("source name", source)?;
            check_text("source offset", offset)?;
            size += source.len() + offset.len();
        }
        if let Some(producer) = &self.producer {
            check_text("producer id", &producer.id)?;
            size += producer.id.len();
        }
        if size > limits::APPEND_BYTES_MAX {
            let max = limits::APPEND_BYTES_MAX;
            let message = format!("an append of {size} bytes is over the limit of {max} bytes");
            return Err(Error::new(Kind::Input, message).remedy("append it in smaller pieces"));
        }
        Ok(size)
    }
}

/// Identifies one append request of a producer, so that repeating it is harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// The producer's name, unique among all producers of this log.
    pub id: String,
    /// 0 for its first request, one more for each further request, whatever its streams; a repeated
    /// request keeps its number. Another request under a used number is a conflict.
    pub sequence: u64,
}

/// The acknowledgement that a request is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The epoch of its events.
    pub epoch: Epoch,
    /// Whether an earlier request with the same sequence had appended them.
    pub repeated: bool,
}

/// An append request in flight to the disk.
#[derive(Debug)]
#[must_use = "the append is durable only when wait returns"]
pub struct Pending(pub Receiver<Result<Ack>>);

impl Pending {
    /// Waits until the events are durable.
    ///
    /// # Errors
    /// Nothing was appended when the disk is full, when the producer's sequence has a gap (the
    /// error names the expected number), is older than the log remembers, or was that of another
    /// request (a conflict: see [`Producer`]). After a failed sync the writer is stopped, and only
    /// a restart shows whether this request survived.
    pub fn wait(self) -> Result<Ack> {
        self.0.recv().unwrap_or_else(|_| Err(stopped()))
    }
}

/// The receiver of a request's answer. Dropped unanswered it reports that the writer has stopped.
pub(crate) struct Reply(Option<Box<dyn FnOnce(Result<Ack>) + Send>>);

impl Reply {
    pub(crate) fn new(then: impl FnOnce(Result<Ack>) + Send + 'static) -> Reply {
        Reply(Some(Box::new(then)))
    }

    pub(crate) fn send(mut self, answer: Result<Ack>) {
        if let Some(then) = self.0.take() {
            then(answer);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then(Err(stopped()));
        }
    }
}

/// The error that the writer stopped before it answered.
pub(crate) fn stopped() -> Error {
    Error::new(Kind::Stopped, "the log's writer has stopped").remedy("restart the process")
}

/// Checks a stream's name: it is part of file names, so only letters, digits, `_` and `-` are
/// allowed.
pub(crate) fn check_stream(name: &str) -> Result<()> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=limits::STREAM_NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(legal) {
        return Ok(());
    }
    let message = format!("{name:?} is no name for a stream");
    Err(Error::new(Kind::Input, message)
        .remedy("use 1 to 64 ASCII letters, digits, underscores and hyphens"))
}

pub(super) fn check_text(what: &str, text: &str) -> Result<()> {
    if (1..=limits::LABEL_BYTES_MAX).contains(&text.len()) {
        return Ok(());
    }
    let max = limits::LABEL_BYTES_MAX;
    Err(Error::new(Kind::Input, format!("a {what} has 1 to {max} bytes, not {}", text.len())))
}

fn check_schema(stream: &str, schema: &Schema) -> Result<()> {
    let refuse = |message: String| Err(Error::new(Kind::Input, format!("{stream}: {message}")));
    if schema.fields().is_empty() {
        return refuse("a stream needs a column".into());
    }
    if schema.fields().len() > limits::COLUMNS_MAX {
        return refuse(format!("at most {} columns are stored", limits::COLUMNS_MAX));
    }
    for (index, field) in schema.fields().iter().enumerate() {
        if field.name() == EPOCH_COLUMN {
            return refuse(format!("the column name {EPOCH_COLUMN} is reserved"));
        }
        if schema.fields()[..index].iter().any(|other| other.name() == field.name()) {
            return refuse(format!("two columns are named {:?}", field.name()));
        }
        check_type(stream, field)?;
    }
    Ok(())
}

/// Refuses types whose values are not self-contained in one record batch message.
fn check_type(stream: &str, field: &Field) -> Result<()> {
    let inner: Vec<&Field> = match field.data_type() {
        DataType::Dictionary(..) | DataType::RunEndEncoded(..) | DataType::Union(..) => {
            let kind = field.data_type();
            let message = format!("{stream}: column {:?} has type {kind}", field.name());
            return Err(Error::new(Kind::Input, message)
                .remedy("the log stores plain values: cast the column before the append"));
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => vec![item],
        DataType::Struct(fields) => fields.iter().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    };
    inner.into_iter().try_for_each(|field| check_type(stream, field))
}
