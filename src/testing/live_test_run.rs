//! Runs one dataflow live in memory, fed by hand.

use std::sync::Arc;

use super::test_history::{Batches, Story};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Clock as _, RealClock, SimClock};
use diptych_base::time::Epoch;
use diptych_dataflow::Definition;
use diptych_engine::Cluster;
use diptych_event::{Event, Timestamp};
use diptych_log::{Append, Writer, WriterOptions};
use diptych_row::Columns;
use diptych_serving::{Index, Read, Snapshot};
use diptych_system::{BatchOptions, Boundary, ServeOptions, Served, System};

/// One dataflow, live in memory. Fed events are visible when the call returns.
pub struct Live {
    definition: Definition,
    system: System,
    writer: Arc<Writer>,
    /// None only during a restart.
    served: Option<Served>,
    index: Index,
    /// The clock of epochs.
    clock: Arc<SimClock>,
    /// The end of the batch view that it was last restored from.
    base: Option<Epoch>,
}

impl Live {
    /// Serves a dataflow over an empty log, with one worker. Its clock shows the time of the call
    /// until it is [set](Live::set_clock).
    ///
    /// # Errors
    /// When the function builds an invalid plan, such as two views of one name.
    pub fn start(dataflow: impl Into<Definition>) -> Result<Live> {
        let definition = dataflow.into();
        let system = System::in_memory();
        let clock = Arc::new(SimClock::at(RealClock.now_us()));
        let writer = system.writer_with(Arc::clone(&clock) as Arc<_>, WriterOptions::default())?;
        let writer = Arc::new(writer);
        let (served, index) = serve(&system, &definition, &writer, 1, Boundary::Newest)?;
        Ok(Live { definition, system, writer, served: Some(served), index, clock, base: None })
    }

    /// Sets the clock of further epochs, forwards or back. An answer depends on it only under
    /// retention: an event's time may not be later than its epoch's clock.
    ///
    /// ```
    /// use diptych::testing::Live;
    /// use diptych::prelude::*;
    ///
    /// #[derive(Event, Clone)]
    /// struct Visit {
    ///     at: Timestamp,
    /// }
    ///
    /// fn recent(df: &mut Dataflow) {
    ///     let visits = df.events::<Visit>("visits").retain(|v| v.at, Keep::days(7));
    ///     df.view("days", visits.map(|v| v.at.date()).count("days"));
    /// }
    ///
    /// # fn main() -> diptych::Result<()> {
    /// let mut live = Live::start(("recent", recent))?;
    /// live.set_clock("2040-01-01 12:00".parse()?);
    /// live.feed("visits", &[Visit { at: "2040-01-01 11:00".parse()? }])?;
    /// live.set_clock("2040-01-10 12:00".parse()?);
    /// live.feed("visits", &[Visit { at: "2040-01-10 11:00".parse()? }])?;
    /// assert_eq!(live.rows::<diptych::event::Date, i64>("days")?, [("2040-01-10".parse()?, 1)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_clock(&self, now: Timestamp) {
        self.clock.set(now.micros());
    }

    /// Appends a whole story, epoch by epoch; an epoch may have events of several streams.
    ///
    /// # Errors
    /// As [`Live::feed`].
    pub fn feed_story(&mut self, story: &Story) -> Result<()> {
        story.parts().iter().try_for_each(|batches| self.feed_batches(batches).map(drop))
    }

    /// Appends events as an epoch of their own, waits until they are visible, and returns the
    /// epoch. Without events the epoch is empty.
    ///
    /// # Errors
    /// When the stream is not read as this type, or the dataflow fails on them.
    pub fn feed<E: Event>(&mut self, stream: &str, events: &[E]) -> Result<Epoch> {
        let epoch = diptych_sources::append(&self.writer, stream, events)?;
        self.wait(epoch)
    }

    /// Appends the rows of several streams as one epoch.
    pub(super) fn feed_batches(&mut self, batches: &Batches) -> Result<Epoch> {
        let append = Append { batches: batches.clone(), ..Append::default() };
        // Appends twice, as a client that retries: the second is not applied.
        let append = append.by("story", self.writer.next_sequence("story")?);
        let first = self.writer.append(append.clone())?.wait()?;
        let again = self.writer.append(append)?.wait()?;
        if !again.repeated || again.epoch != first.epoch {
            let message = format!("a repeated append became epoch {}", again.epoch);
            return Err(Error::new(Kind::Damaged, message));
        }
        self.wait(first.epoch)
    }

    fn wait(&self, epoch: Epoch) -> Result<Epoch> {
        match &self.served {
            Some(served) => served.wait_beyond(self.definition.name(), epoch)?,
            None => unreachable!("it restarts within one call"),
        }
        Ok(epoch)
    }

    /// The current rows of a view, each repeated by its multiplicity.
    ///
    /// # Errors
    /// When there is no such view, or its columns are not `K` and `V`.
    pub fn rows<K: Columns, V: Columns>(&self, view: &str) -> Result<Vec<(K, V)>> {
        typed(&self.index.snapshot(Read::Latest)?, view)
    }

    /// The rows of a view as they were at `epoch`.
    ///
    /// # Errors
    /// As [`Live::rows`], and for epochs before the last restart.
    pub fn rows_at<K: Columns, V: Columns>(&self, epoch: Epoch, view: &str) -> Result<Vec<(K, V)>> {
        if epoch < self.index.since() {
            let upper = epoch + 1;
            let then = self.system.recompute(&self.definition, upper, Cluster::local(1), true)?;
            return typed(&then.snapshot(Read::Latest)?, view);
        }
        typed(&self.index.snapshot(Read::AsOf(epoch))?, view)
    }

    /// A snapshot of all views, now or at an epoch: to compare, to scan, to take digests of.
    ///
    /// # Errors
    /// For epochs that the index does not have.
    pub fn snapshot(&self, read: Read) -> Result<Snapshot> {
        self.index.snapshot(read)
    }

    /// Stops, and restarts from a batch view with this number of workers, as on another machine.
    ///
    /// # Errors
    /// When the batch view cannot be made: the function panics, or nothing was fed.
    pub fn restart(&mut self, workers: usize) -> Result<()> {
        if let Some(served) = self.served.take() {
            served.stop()?;
        }
        let options = BatchOptions { cluster: Cluster::local(workers), ..BatchOptions::default() };
        let start = match self.writer.upper() {
            0 => Boundary::Newest,
            // No epoch was added since the last restart.
            upper if self.base == Some(upper) => Boundary::Restore(upper),
            _ => Boundary::Restore(self.system.batch(&self.definition, &options)?.boundary),
        };
        if let Boundary::Restore(boundary) = start {
            self.base = Some(boundary);
        }
        let system = &self.system;
        let definition = &self.definition;
        let (served, index) = serve(system, definition, &self.writer, workers, start)?;
        (self.served, self.index) = (Some(served), index);
        match self.writer.upper() {
            0 => Ok(()),
            upper => self.wait(upper - 1).map(drop),
        }
    }
}

fn serve(
    system: &System,
    definition: &Definition,
    writer: &Writer,
    workers: usize,
    boundary: Boundary,
) -> Result<(Served, Index)> {
    let options =
        ServeOptions::default().writer(writer).cluster(Cluster::local(workers)).boundary(boundary);
    let served = system.serve(std::slice::from_ref(definition), options)?;
    let index = served.index(definition.name())?;
    Ok((served, index))
}

fn typed<K: Columns, V: Columns>(snapshot: &Snapshot, view: &str) -> Result<Vec<(K, V)>> {
    let mut rows = Vec::new();
    let number = snapshot.view(view)?;
    for row in snapshot.scan(number) {
        let row = row?;
        for _ in 0..row.multiplicity.max(0) {
            rows.push((diptych_row::decode(&row.key)?, diptych_row::decode(&row.value)?));
        }
    }
    Ok(rows)
}
