//! Portals: the rows of an answer, sent a limited number at a time.

use std::collections::VecDeque;

use arrow_array::RecordBatch;
use bytes::BytesMut;
use futures::StreamExt;
use futures::stream::BoxStream;

use super::cancel::StatementGuard;
use super::copy::CopyOut;
use super::error::Failure;
use super::point_read::Scan;
use super::record_batch_encoder::ReadyRows;
use super::types::PgField;
use super::wire::Wire;
use diptych_site::budget::{Claim, REQUESTS};
use diptych_sql::SqlError;

/// The reason why a statement ends early.
pub(super) enum PortalError {
    /// An error, which is sent to the client.
    Failure(Failure),
    /// The client has left.
    Gone,
}

impl From<Failure> for PortalError {
    fn from(failure: Failure) -> PortalError {
        PortalError::Failure(failure)
    }
}

impl From<std::io::Error> for PortalError {
    fn from(_: std::io::Error) -> PortalError {
        PortalError::Gone
    }
}

/// The source of the rows.
pub(super) enum RowSource {
    /// The planner's stream of record batches.
    Feed(LimitedBatches),
    /// A point read of the index.
    Scan(Box<Scan>),
}

/// A stream of batches of rows, cut where a limit demands it.
pub(super) struct LimitedBatches {
    batches: BoxStream<'static, Result<RecordBatch, SqlError>>,
    /// Rows that were read before they were asked for.
    rest: VecDeque<RecordBatch>,
    /// The claim on the budget of requests for them.
    claim: Option<Claim>,
}

/// The encoding of rows.
pub(super) enum Style<'a> {
    /// `DataRow` messages, in these formats.
    Rows(&'a [i16]),
    /// Lines of a COPY.
    Copy(&'a CopyOut<'a>),
}

/// The progress of sending.
pub(super) struct Sent {
    pub(super) rows: u64,
    /// Whether there are no more rows.
    pub(super) is_end: bool,
}

impl LimitedBatches {
    /// A feed of all rows of `batches`.
    pub(super) fn new(
        batches: BoxStream<'static, Result<RecordBatch, SqlError>>,
    ) -> LimitedBatches {
        LimitedBatches { batches, rest: VecDeque::new(), claim: None }
    }

    /// At most `most` of the next rows.
    pub(super) async fn next(&mut self, most: u64) -> Option<Result<RecordBatch, SqlError>> {
        let batch = match self.rest.pop_front() {
            Some(batch) => batch,
            None => loop {
                self.claim = None;
                match self.batches.next().await? {
                    Ok(batch) if batch.num_rows() == 0 => {}
                    Ok(batch) => break batch,
                    Err(error) => return Some(Err(error)),
                }
            },
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if batch.num_rows() > most {
            self.rest.push_front(batch.slice(most, batch.num_rows() - most));
            return Some(Ok(batch.slice(0, most)));
        }
        Some(Ok(batch))
    }

    /// Reads ahead up to about `most` bytes of rows, so that the statement behind a short answer
    /// ends before its rows are asked for.
    pub(super) async fn read_ahead(&mut self, most: usize) -> Result<(), SqlError> {
        let mut claim = REQUESTS.claim();
        let mut bytes = 0;
        while bytes < most
            && let Some(batch) = self.batches.next().await
        {
            let batch = batch?;
            bytes += batch.get_array_memory_size();
            let is_full = claim.grow_to(bytes).is_err();
            self.rest.push_back(batch);
            if is_full {
                break;
            }
        }
        self.rest.retain(|batch| batch.num_rows() > 0);
        self.claim = Some(claim);
        Ok(())
    }
}

impl RowSource {
    /// Sends at most `most` rows; all of them when it is 0.
    pub(super) async fn send(
        &mut self,
        most: u64,
        style: Style<'_>,
        wire: &mut Wire,
        guard: &mut StatementGuard,
    ) -> Result<Sent, PortalError> {
        let most = if most == 0 { u64::MAX } else { most };
        let mut rows = 0;
        while rows < most {
            let found = match self {
                RowSource::Feed(feed) => match guard.watch(feed.next(most - rows)).await? {
                    None => None,
                    Some(batch) => {
                        let batch = batch.map_err(Failure::from)?;
                        send_batch(&batch, &style, wire).await?;
                        Some(batch.num_rows() as u64)
                    }
                },
                RowSource::Scan(scan) => {
                    let Style::Rows(formats) = style else {
                        return Err(Failure::new("0A000", "COPY reads through the planner").into());
                    };
                    // The index answers from memory, so only the client is waited for.
                    guard.watch(std::future::ready(())).await?;
                    scan.write(most - rows, formats, &mut wire.out)?
                }
            };
            if wire.is_full() {
                wire.flush().await?;
            }
            match found {
                None => return Ok(Sent { rows, is_end: true }),
                Some(more) => rows += more,
            }
        }
        Ok(Sent { rows, is_end: false })
    }
}

impl RowSource {
    /// Skips at most `most` rows without sending them; all of them when it is 0.
    pub(super) async fn pass(
        &mut self,
        most: u64,
        guard: &mut StatementGuard,
    ) -> Result<Sent, PortalError> {
        let most = if most == 0 { u64::MAX } else { most };
        let mut rows = 0;
        let mut unsent = BytesMut::new();
        while rows < most {
            let found = match self {
                RowSource::Feed(feed) => match guard.watch(feed.next(most - rows)).await? {
                    None => None,
                    Some(batch) => Some(batch.map_err(Failure::from)?.num_rows() as u64),
                },
                RowSource::Scan(scan) => scan.write(most - rows, &[], &mut unsent)?,
            };
            unsent.clear();
            match found {
                None => return Ok(Sent { rows, is_end: true }),
                Some(more) => rows += more,
            }
        }
        Ok(Sent { rows, is_end: false })
    }
}

/// Sends all rows of `batch`.
pub(super) async fn send_batch(
    batch: &RecordBatch,
    style: &Style<'_>,
    wire: &mut Wire,
) -> Result<(), PortalError> {
    let rows = match style {
        Style::Rows(formats) => ReadyRows::new(batch, formats)?,
        Style::Copy(copy) => ReadyRows::new(batch, &[copy.row_format()])?,
    };
    for at in 0..rows.len() {
        match style {
            Style::Rows(_) => rows.write(at, &mut wire.out),
            Style::Copy(copy) => copy.row(&rows, at, &mut wire.out),
        }
        if wire.is_full() {
            wire.flush().await?;
        }
    }
    Ok(())
}

/// A table of texts, for answers of the session itself.
pub(super) fn texts(names: &[&str], rows: Vec<Vec<String>>) -> (Vec<PgField>, RowSource) {
    use arrow_array::{ArrayRef, StringArray};
    use arrow_schema::DataType;
    use std::sync::Arc;

    let column = |at: usize| -> ArrayRef {
        Arc::new(rows.iter().map(|row| row.get(at)).collect::<StringArray>())
    };
    let columns = names.iter().enumerate().map(|(at, name)| (*name, column(at)));
    let batch = RecordBatch::try_from_iter(columns)
        .map_err(|error| SqlError::new("XX000", error.to_string()));
    let kind = super::types::PgType::of(&DataType::Utf8);
    let fields = names.iter().map(|name| PgField { name: (*name).to_owned(), kind }).collect();
    let batches = futures::stream::once(std::future::ready(batch)).boxed();
    (fields, RowSource::Feed(LimitedBatches::new(batches)))
}

/// Appends `RowDescription` for an answer's columns, or `NoData` when there are none.
pub(super) fn describe(fields: Option<&[PgField]>, formats: &[i16], out: &mut BytesMut) {
    match fields {
        Some(fields) => super::backend::row_description(fields, formats, out),
        None => super::backend::no_data(out),
    }
}
