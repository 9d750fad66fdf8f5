//! A batch run before a start that would have very many epochs to replay.
//!
//! A replayed epoch costs as much as a live one, however few events it has; a batch run takes all
//! epochs at once. So a start with many epochs behind the newest batch view leaves a newer one
//! first, and replays only the last epochs, so that subscribers of before a crash can resume.
//!
//! Where memory is bounded, so does a start behind which there are many bytes of events, however
//! few their epochs: what it feeds stays in memory until the first checkpoint.

use std::sync::{Arc, Mutex};

use super::checkpoint::{remove_old, remove_unfinished};
use super::run_options::EpochSource;
use super::system::System;
use super::{BatchOptions, Boundary, ServeOptions, identity};
use diptych_base::error::Result;
use diptych_base::limits::{
    BATCH_STEP_SHARE_MOST, CHECKPOINT_STATE_BYTES_MAX, REPLAYED_EPOCHS, REPLAYED_EPOCHS_MAX,
    REPLAYED_STATE_BYTES,
};
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;
use diptych_batch_view::{BatchView, FileCheck};
use diptych_dataflow::{Definition, Description};
use diptych_engine::Cluster;
use diptych_log::Reader;

impl System {
    /// Leaves a newer batch view, if this is cheaper than the replay it saves a start at the log's
    /// end.
    ///
    /// If the run fails, the start still finds what it needs: an event on which the function panics
    /// ends the whole batch run, and is then met by the replay, which answers up to the epoch
    /// before; a disk that is full or read-only keeps the older batch view.
    ///
    /// Batch runs of several dataflows take their `turn`.
    ///
    /// # Errors
    /// When the directory cannot be read, and when the start is cancelled.
    pub(super) fn catch_up(
        &self,
        definition: &Definition,
        options: &ServeOptions<'_>,
        reader: &Reader,
        turn: &Mutex<()>,
    ) -> Result<()> {
        let live = !matches!(options.source, EpochSource::Until(_));
        // With several processes each would make one.
        if !live || options.boundary != Boundary::Newest || options.cluster.processes() > 1 {
            return Ok(());
        }
        let end = reader.upper()?;
        let description = definition.describe()?;
        if let Some(memory) = options.memory.filter(|_| description.state_in_files) {
            return match self.first_batch(definition, reader, end, memory)? {
                Some(upto) => self.batch_first(definition, &description, options, upto, turn),
                None => Ok(()),
            };
        }
        // File names are enough to see that few epochs are behind; opening a batch view checks all
        // of it.
        let there = BatchView::boundaries(&*self.disk, &self.root, &identity(&description))?;
        let newest = there.into_iter().rfind(|boundary| *boundary <= end).unwrap_or(end);
        if end - newest <= REPLAYED_EPOCHS_MAX {
            return Ok(());
        }
        let (Some(view), _) = self.fitting(definition, end, end)? else { return Ok(()) };
        let behind = end.saturating_sub(view.boundary());
        let saved = behind.saturating_mul(REPLAYED_STATE_BYTES);
        if view.bytes() > saved.min(CHECKPOINT_STATE_BYTES_MAX) {
            return Ok(());
        }
        self.batch_first(definition, &description, options, end - REPLAYED_EPOCHS, turn)
    }

    /// The boundary of a batch view that is to be made first, because the events behind the newest
    /// one would take much of `memory`.
    fn first_batch(
        &self,
        definition: &Definition,
        reader: &Reader,
        end: Epoch,
        memory: u64,
    ) -> Result<Option<Epoch>> {
        let (view, _) = self.fitting_with(definition, end, end, FileCheck::AsRead)?;
        let from = view.map_or(0, |view| view.boundary());
        if reader.bytes_between(from, end) <= memory / BATCH_STEP_SHARE_MOST {
            return Ok(None);
        }
        let many = end - from > REPLAYED_EPOCHS_MAX;
        Ok(Some(if many { end - REPLAYED_EPOCHS } else { end }))
    }

    /// Leaves a batch view at `upto`.
    fn batch_first(
        &self,
        definition: &Definition,
        description: &Description,
        options: &ServeOptions<'_>,
        upto: Epoch,
        turn: &Mutex<()>,
    ) -> Result<()> {
        let workers = options.cluster.workers;
        let options = BatchOptions {
            cluster: Cluster::local(workers),
            upto: Some(upto),
            incremental: true,
            memory: options.memory,
            stop: Arc::clone(&options.stop),
            ..BatchOptions::default()
        };
        // The states of several would be in memory together.
        let _turn = lock(turn);
        match self.batch(definition, &options) {
            Ok(_) => remove_old(self, description),
            Err(error) => {
                if !error.is_conflict() {
                    remove_unfinished(self, description);
                }
                if error.is_cancelled() { Err(error) } else { Ok(()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::{Line, word_count};
    use diptych_serving::Read;
    use std::sync::atomic::AtomicBool;

    const EPOCHS: u64 = REPLAYED_EPOCHS_MAX + 20;

    /// A batch view of ten epochs, and very many epochs after it; the last but 2,000 has `text`.
    fn system(flow: &Definition, text: &str) -> System {
        let system = System::in_memory();
        let writer = system.writer().expect("the log");
        for epoch in 0..EPOCHS {
            let text = if epoch + 2_000 == EPOCHS { text } else { "to be" };
            diptych_sources::append(&writer, "lines", &[Line { text: text.into() }])
                .expect("appended");
            if epoch == 9 {
                system.batch(flow, &BatchOptions::default()).expect("a batch view");
            }
        }
        writer.close().expect("closed");
        system
    }

    fn boundaries(system: &System, flow: &Definition) -> Vec<Epoch> {
        let identity = identity(&flow.describe().expect("it compiles"));
        BatchView::boundaries(&*system.disk, &system.root, &identity).expect("read")
    }

    #[test]
    fn a_start_replays_few_of_very_many_epochs() {
        let flow = Definition::new("word_count", word_count);
        let system = system(&flow, "not");
        let served =
            system.serve(std::slice::from_ref(&flow), ServeOptions::default()).expect("served");
        served.wait_beyond("word_count", EPOCHS - 1).expect("visible");
        assert_eq!(boundaries(&system, &flow), [10, EPOCHS - REPLAYED_EPOCHS]);
        let counts = served.serving("word_count").expect("served");
        let counts = counts.snapshot(Read::Latest).expect("an answer");
        let be = counts.lookup::<String, i64>("counts", &"be".to_owned()).expect("a row");
        assert_eq!(be, [(EPOCHS as i64 - 1, 1)]);
        served.stop().expect("stopped");
    }

    #[test]
    fn a_start_that_reads_history_first_can_be_cancelled() {
        let flow = Definition::new("word_count", word_count);
        let system = system(&flow, "not");
        let options = || ServeOptions::default().memory(Some(1));
        let stop = Arc::new(AtomicBool::new(true));
        let cancelled = system.serve(std::slice::from_ref(&flow), options().stop(stop));
        assert!(cancelled.is_err_and(|error| error.is_cancelled()));
        assert_eq!(boundaries(&system, &flow), [10], "nothing is half done");
        let served = system.serve(std::slice::from_ref(&flow), options()).expect("served");
        served.wait_beyond("word_count", EPOCHS - 1).expect("visible");
        served.stop().expect("stopped");
    }

    #[test]
    fn an_event_that_cannot_be_borne_leaves_what_is_before_it() {
        let flow = Definition::new("word_count", |df: &mut diptych_dataflow::Dataflow| {
            let lines = df.events::<Line>("lines").map(|line| {
                assert!(line.text != "not", "planted");
                line.text.to_owned()
            });
            df.view("lines", lines.count("lines"));
        });
        let system = system(&flow, "not");
        let served =
            system.serve(std::slice::from_ref(&flow), ServeOptions::default()).expect("served");
        let poisoned = EPOCHS - 2_000;
        assert!(served.wait_beyond("word_count", poisoned).is_err(), "it cannot pass");
        assert_eq!(boundaries(&system, &flow), [10]);
        let identity = identity(&flow.describe().expect("it compiles"));
        let begun = BatchView::begun(&*system.disk, &system.root, &identity).expect("read");
        assert!(begun.is_empty(), "left of the batch run: {begun:?}");
        let readers = served.serving("word_count").expect("served");
        assert_eq!(readers.index().frontier(), poisoned);
        served.stop().expect("stopped");
    }
}
