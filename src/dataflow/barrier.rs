//! Barriers in the engine's interface: what ends a linear front, and keeps an accumulation.

use std::sync::Arc;

use super::accumulation_codec::Sink;
use super::record_batch_pass::Pass;
use super::state_size::StateSize;
use diptych_base::error::{Error, Result};
use diptych_base::time::Epoch;
use diptych_row::StoredAccumulation;

/// A barrier in the engine's interface: one dynamic call per (record batch, barrier).
pub trait Barrier {
    /// The name, unique within the dataflow; also that of the accumulation on disk.
    fn name(&self) -> &str;
    /// Operator and types as text, for the plan's fingerprint.
    fn signature(&self) -> &str;
    /// Runs the front over `pass` into the combiner.
    fn drive(&mut self, pass: &Pass<'_>);
    /// Can the barrier undo retracted events? A pass that takes back changes nothing in a barrier
    /// without an inverse, and records whether it was reached.
    fn has_inverse(&self) -> bool;
    /// Does every event count, those that were retracted since included?
    fn watches(&self) -> bool {
        false
    }
    /// Entries waiting in the combiner.
    fn pending(&self) -> usize;
    /// Sends the combiner's entries to their owners, at the input's current time.
    fn flush(&mut self);
    /// Drops the combiner's entries.
    fn discard(&mut self);
    /// Flushes, then advances the input to `epoch`: nothing below it follows.
    fn advance_to(&mut self, epoch: Epoch);
    /// Writes this worker's share of the accumulation, which is complete below `frontier`, to
    /// `sink` as blocks of bytes.
    fn dump(&mut self, frontier: Epoch, sink: &mut Sink<'_>) -> Result<()>;
    /// The number of late events, older than the retention when they came, among those that this
    /// worker fed since the last call.
    fn take_late(&mut self) -> u64 {
        0
    }
    /// Sends the entries of one dumped block to their owners, at the input's current time.
    fn load(&mut self, block: &[u8]) -> Result<()>;
    /// Can the barrier leave its entries in files?
    fn keeps_in_files(&self) -> bool {
        false
    }
    /// Leaves the entries in files. The first call comes before any entry: `stored` has all of
    /// those below `boundary`, none where there are none. A later call puts newer files in the
    /// place of the older ones, when every epoch below `boundary` has been applied.
    ///
    /// Panics where the barrier does not [keep in files](Barrier::keeps_in_files).
    fn rest_on(&mut self, boundary: Epoch, stored: Option<Arc<dyn StoredAccumulation>>) {
        let _ = stored;
        panic!("accumulation {:?} is in memory, asked to rest on files at {boundary}", self.name());
    }
    /// As [`Barrier::dump`], but only what has changed since the files that the entries rest on, at
    /// `since`.
    ///
    /// Panics where the barrier does not [keep in files](Barrier::keeps_in_files), or rests on none
    /// yet.
    fn dump_changes(&mut self, since: Epoch, frontier: Epoch, sink: &mut Sink<'_>) -> Result<()> {
        let _ = (frontier, sink);
        panic!("accumulation {:?} is in memory, asked for changes since {since}", self.name());
    }
    /// The size of what this worker owns; that of what is in files is the size of all owners.
    /// Nothing where the state is in arrangements.
    fn state_size(&self) -> StateSize {
        StateSize::default()
    }
    /// The error that keeps the barrier from going on, if its files cannot be read.
    fn fault(&self) -> Option<Error> {
        None
    }
}
