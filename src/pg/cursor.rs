//! The rows of a SCROLL cursor: those that were read are kept, so that it goes backward.

use arrow_array::RecordBatch;

use super::cancel::StatementGuard;
use super::cursor_command::Direction;
use super::error::Failure;
use super::portal::{LimitedBatches, PortalError, RowSource, Sent, Style, send_batch};
use super::wire::Wire;
use diptych_base::limits::PG_CURSOR_BYTES_MAX;
use diptych_site::budget::{Claim, REQUESTS};

/// A cursor that goes forward and backward over rows that it keeps.
pub(super) struct ScrollRows {
    feed: Option<LimitedBatches>,
    kept: Vec<RecordBatch>,
    /// The number of rows in `kept`.
    rows: u64,
    bytes: usize,
    claim: Claim,
    /// The place of the cursor: 0 is before the first row, 1 on it, `rows + 1` behind the last.
    at: u64,
}

/// Rows to be sent: the numbers of the first and the last, counted from 1; backward when the first
/// is the greater.
struct Span {
    first: u64,
    last: u64,
}

impl ScrollRows {
    /// A cursor before the first row of `feed`.
    pub(super) fn new(feed: LimitedBatches) -> ScrollRows {
        let claim = REQUESTS.claim();
        ScrollRows { feed: Some(feed), kept: Vec::new(), rows: 0, bytes: 0, claim, at: 0 }
    }

    /// Moves in `direction`, and sends the rows that it passes when there is a style for them.
    pub(super) async fn pass(
        &mut self,
        direction: Direction,
        style: Option<Style<'_>>,
        wire: &mut Wire,
        guard: &mut StatementGuard,
    ) -> Result<Sent, PortalError> {
        let span = self.moved(direction, guard).await?;
        let mut sent = Sent { rows: 0, is_end: false };
        let Some(Span { first, last }) = span else { return Ok(sent) };
        sent.rows = first.abs_diff(last) + 1;
        let Some(style) = style else { return Ok(sent) };
        if first <= last {
            self.send(first, last, &style, wire).await?;
        } else {
            for row in (last..=first).rev() {
                self.send(row, row, &style, wire).await?;
            }
        }
        Ok(sent)
    }

    /// Moves the cursor; gives the rows that are passed.
    async fn moved(
        &mut self,
        direction: Direction,
        guard: &mut StatementGuard,
    ) -> Result<Option<Span>, PortalError> {
        let start = self.at;
        match direction {
            Direction::Forward(Some(0)) | Direction::Backward(Some(0)) | Direction::Relative(0) => {
                let is_on_row = (1..=self.rows).contains(&start);
                Ok(is_on_row.then_some(Span { first: start, last: start }))
            }
            Direction::Forward(count) => {
                let wanted = count.map_or(u64::MAX, |count| start.saturating_add(count));
                self.read_to(wanted, guard).await?;
                let last = wanted.min(self.rows);
                self.at = wanted.min(self.rows + 1);
                Ok((last > start).then_some(Span { first: start + 1, last }))
            }
            Direction::Backward(count) => {
                let wanted = count.map_or(0, |count| start.saturating_sub(count));
                self.at = wanted;
                let last = wanted.max(1);
                Ok((last < start).then(|| Span { first: start - 1, last }))
            }
            Direction::Absolute(number) => {
                let wanted = if number < 0 {
                    self.read_to(u64::MAX, guard).await?;
                    (self.rows + 1).saturating_sub(number.unsigned_abs())
                } else {
                    number.unsigned_abs()
                };
                self.place(wanted, guard).await
            }
            Direction::Relative(step) => {
                let wanted = start.saturating_add_signed(step);
                self.place(wanted, guard).await
            }
        }
    }

    /// Moves onto a row.
    async fn place(
        &mut self,
        wanted: u64,
        guard: &mut StatementGuard,
    ) -> Result<Option<Span>, PortalError> {
        self.read_to(wanted, guard).await?;
        self.at = wanted.min(self.rows + 1);
        let is_on_row = (1..=self.rows).contains(&self.at);
        Ok(is_on_row.then_some(Span { first: self.at, last: self.at }))
    }

    /// Reads until row `wanted` is kept, or there are no more.
    async fn read_to(
        &mut self,
        wanted: u64,
        guard: &mut StatementGuard,
    ) -> Result<(), PortalError> {
        while self.rows < wanted {
            let Some(feed) = &mut self.feed else { return Ok(()) };
            let Some(batch) = guard.watch(feed.next(u64::MAX)).await? else {
                self.feed = None;
                return Ok(());
            };
            let batch = batch.map_err(Failure::from)?;
            self.bytes += batch.get_array_memory_size();
            if self.bytes > PG_CURSOR_BYTES_MAX {
                let message = format!("a SCROLL cursor keeps at most {PG_CURSOR_BYTES_MAX} bytes");
                let failure = Failure::new("54000", message);
                return Err(failure.hint("declare it with NO SCROLL, or read fewer rows").into());
            }
            let full = |error: diptych_base::error::Error| Failure::new("53200", error.to_string());
            self.claim.grow_to(self.bytes).map_err(full)?;
            self.rows += batch.num_rows() as u64;
            self.kept.push(batch);
        }
        Ok(())
    }

    /// Sends the rows from `first` to `last`.
    async fn send(
        &mut self,
        first: u64,
        last: u64,
        style: &Style<'_>,
        wire: &mut Wire,
    ) -> Result<(), PortalError> {
        let mut before = 0;
        for batch in &self.kept {
            let count = batch.num_rows() as u64;
            let start = (first - 1).max(before);
            let end = last.min(before + count);
            if start < end {
                let part = batch.slice((start - before) as usize, (end - start) as usize);
                send_batch(&part, style, wire).await?;
            }
            before += count;
        }
        Ok(())
    }
}

/// The rows of a cursor that only goes forward, and the number of those that it has passed.
pub(super) struct ForwardRows {
    source: RowSource,
    passed: u64,
    is_end: bool,
}

impl ForwardRows {
    /// A cursor before the first row of `source`.
    pub(super) fn new(source: RowSource) -> ForwardRows {
        ForwardRows { source, passed: 0, is_end: false }
    }

    /// Moves in `direction`, and sends the rows that it passes when there is a style for them.
    pub(super) async fn pass(
        &mut self,
        direction: Direction,
        style: Option<Style<'_>>,
        wire: &mut Wire,
        guard: &mut StatementGuard,
    ) -> Result<Sent, PortalError> {
        let ahead =
            |number: i64| u64::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let (skipped, wanted) = match direction {
            Direction::Forward(count) => (0, count),
            Direction::Relative(step) => (ahead(step).ok_or_else(forward_only)?, Some(1)),
            Direction::Absolute(number) => {
                let skipped = ahead(number).and_then(|before| before.checked_sub(self.passed));
                (skipped.ok_or_else(forward_only)?, Some(1))
            }
            Direction::Backward(_) => return Err(forward_only().into()),
        };
        if skipped > 0 && !self.is_end {
            let sent = self.source.pass(skipped, guard).await?;
            self.passed += sent.rows;
            self.is_end = sent.is_end;
        }
        if self.is_end || wanted == Some(0) {
            return Ok(Sent { rows: 0, is_end: self.is_end });
        }
        // To send "at most 0 rows" means to send all.
        let most = wanted.unwrap_or_default();
        let sent = match style {
            Some(style) => self.source.send(most, style, wire, guard).await?,
            None => self.source.pass(most, guard).await?,
        };
        self.passed += sent.rows;
        self.is_end = sent.is_end;
        Ok(sent)
    }
}

fn forward_only() -> Failure {
    Failure::new("55000", "cursor can only scan forward")
        .hint("Declare it with SCROLL option to enable backward scan.")
}
