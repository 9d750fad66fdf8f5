//! A batch run in steps: history of any size in bounded memory.
//!
//! A step is a batch run over a part of history that fits into the memory allowed, by the figures
//! of the steps before ([`StepSize`]). It continues the batch view of the step before in its files,
//! and leaves one of its own, so memory holds what the events of one step change. The batch views
//! between are kept apart, in `steps/`: no restart begins at one, no reader sees one, and each is
//! removed once the next is there.
//!
//! Each step writes what it has changed, beside the files of the step before (runs, see
//! `diptych_batch_view`), which are merged now and then. The result has the contents of one run, as
//! it does for any incremental run.
//!
//! NOT bounded: state that is not left in files (`Description::state_in_files`), and one epoch,
//! which is never divided.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::batch_run::BatchSpan;
use super::batch_view_metadata::identity;
use super::retraction_recovery::overtaken;
use super::step_size::StepSize;
use super::{BatchOptions, System};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::anonymous_bytes;
use diptych_base::time::Epoch;
use diptych_batch::BatchReport;
use diptych_batch_view::{BatchView, remove_before};
use diptych_dataflow::{Definition, Description};
use diptych_log::Reader;

impl System {
    /// The directory of the batch views between the steps of a run.
    pub(super) fn steps(&self) -> PathBuf {
        self.root.join("steps")
    }

    /// Leaves a batch view at the end of `span` by runs that take about `memory` bytes.
    ///
    /// # Errors
    /// As [`System::batch`].
    pub(super) fn batch_in_steps(
        &self,
        definition: &Definition,
        description: &Description,
        reader: &Arc<Reader>,
        span: BatchSpan,
        options: &BatchOptions,
        memory: u64,
    ) -> Result<BatchReport> {
        // What a killed run has left.
        self.forget_steps(description)?;
        let outcome = self.all_steps(definition, description, reader, span, options, memory);
        // After an error, too: the last step's batch view has the size of all state so far.
        let forgotten = self.forget_steps(description);
        let report = outcome?;
        forgotten.map(|()| report)
    }

    fn all_steps(
        &self,
        definition: &Definition,
        description: &Description,
        reader: &Arc<Reader>,
        span: BatchSpan,
        options: &BatchOptions,
        memory: u64,
    ) -> Result<BatchReport> {
        let BatchSpan { boundary, mut earlier } = span;
        let identity = identity(description);
        let steps = self.steps();
        let begun = earlier.as_ref().map_or(0, BatchView::boundary);
        let mut elapsed = Duration::ZERO;
        let mut size = StepSize::new(memory, anonymous_bytes());
        loop {
            if options.stop.load(Ordering::Acquire) {
                return Err(Error::new(Kind::Cancelled, "the batch run was given up"));
            }
            let from = earlier.as_ref().map_or(0, BatchView::boundary);
            let upto = step_end(reader, from, boundary, size.bytes());
            if from > begun
                && overtaken(definition, description, reader, from..upto, from)?.is_some()
            {
                tracing::warn!(
                    "{}: events are retracted that an accumulation cannot undo, so all events up \
                     to epoch {upto} are read at once",
                    description.name
                );
                earlier = None;
            }
            let is_last = upto == boundary;
            let root = if is_last { &self.root } else { &steps };
            let step = BatchSpan { boundary: upto, earlier: earlier.take() };
            let (known, log) = (description.clone(), Arc::clone(reader));
            let report = self.run_batch(definition, known, log, step, root, options)?;
            elapsed += report.elapsed;
            size.learn(reader.bytes_between(report.from, upto), report.memory);
            if is_last {
                return Ok(BatchReport { from: begun, elapsed, ..report });
            }
            earlier = Some(BatchView::open(Arc::clone(&self.disk), &steps, &identity, upto)?);
            remove_before(&*self.disk, &steps, &identity, upto)?;
        }
    }

    /// Removes the batch views between the steps of earlier runs.
    fn forget_steps(&self, description: &Description) -> Result<()> {
        let (identity, steps) = (identity(description), self.steps());
        match self.disk.list(&identity.dir(&steps)) {
            Err(error) if error.is_missing() => Ok(()),
            Ok(_) => remove_before(&*self.disk, &steps, &identity, Epoch::MAX),
            Err(error) => Err(error),
        }
    }
}

/// The greatest epoch up to `end` before which, from `from` on, at most `bytes` of events are in
/// the log, about; at least one epoch.
fn step_end(reader: &Reader, from: Epoch, end: Epoch, bytes: u64) -> Epoch {
    let (mut low, mut high) = (from + 1, end.max(from + 1));
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if reader.bytes_between(from, middle) <= bytes {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::{Line, word_count};
    use diptych_base::limits::BATCH_STEP_SHARE_FIRST;
    use diptych_engine::Cluster;

    #[test]
    fn steps_leave_the_batch_view_of_one_run() {
        let flow = Definition::new("word_count", word_count);
        let system = System::in_memory();
        let writer = system.writer().expect("the log");
        for epoch in 0..300 {
            let text = format!("word{} word{} common", epoch % 90, epoch * 7 % 60);
            let lines = vec![Line { text }; 5];
            diptych_sources::append(&writer, "lines", &lines).expect("appended");
        }
        writer.close().expect("closed");
        let batch = |memory, upto, incremental| {
            let cluster = Cluster::local(2);
            let options = BatchOptions { cluster, upto, incremental, memory, ..Default::default() };
            system.batch(&flow, &options).expect("a batch view")
        };
        let whole = batch(None, Some(300), false);
        let description = flow.describe().expect("it compiles");
        let identity = identity(&description);
        let digest = |at| {
            let disk = Arc::clone(&system.disk);
            BatchView::open(disk, &system.root, &identity, at).expect("it is there").digest()
        };
        let once = digest(300);
        remove_before(&*system.disk, &system.root, &identity, 301).expect("removed");
        let reader = system.reader().expect("the log");
        reader.upper().expect("read");
        let bytes = reader.bytes_between(0, 300) / 10;
        let first = step_end(&reader, 0, 300, bytes);
        assert!((20..40).contains(&first), "a step of {first} epochs");
        let memory = Some(bytes * BATCH_STEP_SHARE_FIRST);
        let stepped = batch(memory, Some(200), false);
        assert_eq!((stepped.from, stepped.boundary), (0, 200));
        let rest = batch(memory, Some(300), true);
        assert_eq!((rest.from, rest.rows + stepped.rows), (200, whole.rows));
        assert_eq!(digest(300), once);
        let left = BatchView::boundaries(&*system.disk, &system.steps(), &identity);
        assert!(left.expect("read").is_empty(), "batch views between steps are left");
    }

    #[test]
    fn a_step_has_one_epoch_at_least() {
        let system = System::in_memory();
        let writer = system.writer().expect("the log");
        for text in ["a", "b"] {
            diptych_sources::append(&writer, "lines", &[Line { text: text.into() }])
                .expect("appended");
        }
        let reader = system.reader().expect("the log");
        reader.upper().expect("read");
        assert_eq!(step_end(&reader, 0, 2, 0), 1);
        assert_eq!(step_end(&reader, 1, 2, 0), 2);
        assert_eq!(step_end(&reader, 0, 2, u64::MAX), 2);
    }
}
