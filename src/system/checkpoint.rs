//! Checkpoints: batch views that the speed layer leaves.
//!
//! A running system makes one as an incremental batch run ([`BatchOptions::incremental`]) on
//! workers of its own, so that no epoch waits. When serving ends no epoch is left to wait, and the
//! workers write their own accumulations: [`System::conclude`]. The files are the same in both
//! cases, and for both layers.
//!
//! [`BatchOptions::incremental`]: super::BatchOptions::incremental

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch_view_metadata::meta;
use super::served_dataflows::{StartedDataflow, is_settled};
use super::system::System;
use super::{Served, identity};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{BATCH_VIEWS_KEPT, WORKERS_GRACE};
use diptych_base::time::Epoch;
use diptych_batch::write_index;
use diptych_batch_view::{BatchView, BatchViewWriter, Identity, remove_before};
use diptych_dataflow::Description;
use diptych_engine::Installed;
use diptych_serving::Index;
use diptych_speed::Dumping;

/// The longest time that published epochs may take to reach the index once every worker has passed
/// them.
const PATIENCE: Duration = Duration::from_secs(10);

/// A batch view that serving left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The dataflow.
    pub dataflow: String,
    /// The boundary: history is `[0, boundary)`.
    pub boundary: Epoch,
    /// Did the batch view exist already?
    pub existed: bool,
}

impl System {
    /// Stops feeding, lets the workers finish the epochs they were given, and has them write a
    /// batch view of each dataflow, so that the cost of the next start follows the state. The
    /// indexes go on answering at their frontier.
    ///
    /// Dataflows that have failed, are held, have not reached their boundary, or are in an epoch
    /// that takes longer than [`WORKERS_GRACE`], get none: those threads are left in it, and the
    /// log has everything. No dataflow gets one when several processes served: the state is spread
    /// over them.
    ///
    /// # Errors
    /// When the log could not be read on the way, or the disk refuses. The workers have left in
    /// this case, too, and there is no unfinished batch view.
    pub fn conclude(&self, served: Served) -> Result<Vec<Checkpoint>> {
        self.conclude_by(served, Instant::now() + WORKERS_GRACE)
    }

    fn conclude_by(&self, mut served: Served, deadline: Instant) -> Result<Vec<Checkpoint>> {
        let mut made = Vec::new();
        let mut outcome = Ok(());
        for deployed in served.current.take() {
            match self.conclude_by(deployed, deadline) {
                Ok(some) => made.extend(some),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        let fed = served.live.end_feeding();
        let written = fed.and_then(|()| self.checkpoint(&served, deadline));
        made.extend(served.stop_by(deadline).and(written)?);
        outcome.map(|()| made)
    }

    fn checkpoint(&self, served: &Served, deadline: Instant) -> Result<Vec<Checkpoint>> {
        if served.cluster.processes() > 1 {
            return Ok(Vec::new());
        }
        // Files derived from events that were erased meanwhile must not be written, or at least
        // must not last.
        served.reader.check_history()?;
        let mut begun = Vec::new();
        let mut made = Vec::new();
        let mut outcome = Ok(());
        for (number, entry) in served.entries.iter().enumerate().filter(|(_, one)| is_settled(one))
        {
            let boundary = served.live.fed(number).max(entry.boundary);
            if boundary == 0 || entry.status.stands() {
                continue;
            }
            match self.begin(served, entry, boundary) {
                Ok(Some(writer)) => begun.push(Begun::new(served, number, boundary, writer)),
                Ok(None) => made.push(Checkpoint::of(entry, boundary, true)),
                // The other dataflows have theirs made.
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        for one in begun {
            match self.finish(served, one, deadline) {
                Ok(some) => made.extend(some),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome.map(|()| made)
    }

    /// Finishes the batch view of a dataflow; none when it is in an epoch.
    fn finish(
        &self,
        served: &Served,
        begun: Begun,
        deadline: Instant,
    ) -> Result<Option<Checkpoint>> {
        let Begun { number, boundary, writer, dumping } = begun;
        let entry = &served.entries[number];
        // The workers do not write a dataflow that has been held since then either.
        if !dumping.finish(deadline)? || entry.status.stands() {
            tracing::debug!("{}: no checkpoint, it is in an epoch", entry.description.name);
            return Ok(None);
        }
        write_views(&entry.index, boundary, &writer, served.cluster.workers)?;
        let writer = Arc::into_inner(writer)
            .unwrap_or_else(|| panic!("a worker still writes a finished batch view"));
        served.reader.check_history()?;
        writer.finish(meta(&entry.description, &served.reader, boundary)?)?;
        remove_old(self, &entry.description)?;
        Ok(Some(Checkpoint::of(entry, boundary, false)))
    }

    /// Begins the batch view of a dataflow; none when there is nothing to write.
    fn begin(
        &self,
        served: &Served,
        entry: &StartedDataflow,
        boundary: Epoch,
    ) -> Result<Option<BatchViewWriter>> {
        // Its name is enough: a restore checks whether it is whole.
        let identity = identity(&entry.description);
        let there = BatchView::boundaries(&*self.disk, &self.root, &identity)?.contains(&boundary);
        if boundary == 0 || there || entry.status.stands() {
            return Ok(None);
        }
        let workers = served.cluster.workers;
        let create =
            |disk| BatchViewWriter::create(disk, &self.root, identity.clone(), boundary, workers);
        let mut writer = create(Arc::clone(&self.disk))?;
        self.continue_base(entry, &identity, &mut writer)?;
        Ok(Some(writer))
    }
}

impl System {
    /// Has `writer` take over the files on which the state of a dataflow rests, if it does, and if
    /// they are there and whole.
    fn continue_base(
        &self,
        entry: &StartedDataflow,
        identity: &Identity,
        writer: &mut BatchViewWriter,
    ) -> Result<()> {
        let StartedDataflow { description, index, status, .. } = entry;
        let in_files = description.state_in_files && index.keeps_views_in_files();
        if !in_files || !index.is_stored() {
            return Ok(());
        }
        let base = BatchView::open(Arc::clone(&self.disk), &self.root, identity, index.boundary());
        let whole = base.and_then(|view| {
            if status.is_sound(view.boundary()) { Ok(view) } else { view.verify().map(|()| view) }
        });
        match whole {
            Ok(view) => writer.continues(&view),
            // It may be damaged, or removed since: everything is written then.
            Err(error) => {
                tracing::debug!("{}: {error}", description.name);
                Ok(())
            }
        }
    }
}

impl Checkpoint {
    fn of(entry: &StartedDataflow, boundary: Epoch, existed: bool) -> Checkpoint {
        Checkpoint { dataflow: entry.description.name.clone(), boundary, existed }
    }
}

/// A begun batch view, whose accumulations the workers of a dataflow write.
struct Begun {
    number: usize,
    boundary: Epoch,
    writer: Arc<BatchViewWriter>,
    dumping: Dumping,
}

impl Begun {
    fn new(served: &Served, number: usize, boundary: Epoch, writer: BatchViewWriter) -> Begun {
        let accumulations = &served.entries[number].description.accumulations;
        let names: Vec<_> = accumulations.iter().map(|(name, _)| name.clone()).collect();
        let writer = Arc::new(writer);
        let parts = Arc::clone(&writer);
        let write = move |worker: usize, installed: &mut Installed| {
            for name in &names {
                let mut part = parts.accumulation(name, worker)?;
                let since = parts.accumulation_since(name);
                installed.dump(name, since, boundary, &mut |piece| part.put(piece))?;
                part.finish()?;
            }
            Ok(())
        };
        let dumping = served.live.dump(number, Box::new(write));
        Begun { number, boundary, writer, dumping }
    }
}

/// Removes batch views of a dataflow that are older than those to be kept.
pub(super) fn remove_old(system: &System, description: &Description) -> Result<()> {
    let identity = identity(description);
    let boundaries = BatchView::boundaries(&*system.disk, &system.root, &identity)?;
    match boundaries.iter().rev().nth(BATCH_VIEWS_KEPT - 1) {
        Some(before) => remove_before(&*system.disk, &system.root, &identity, *before),
        None => Ok(()),
    }
}

/// Removes the files of a failed batch run: a serving process would take it for a running one, and
/// keep the past for it. The next writer would remove them, too.
pub(super) fn remove_unfinished(system: &System, description: &Description) {
    let _ = remove_before(&*system.disk, &system.root, &identity(description), 0);
}

/// Writes all views at times below `boundary`; the first worker's part has all rows.
fn write_views(
    index: &Index,
    boundary: Epoch,
    writer: &BatchViewWriter,
    workers: usize,
) -> Result<()> {
    let last = boundary - 1;
    if index.wait_beyond(last, PATIENCE) <= last {
        let message = format!("epoch {last} did not reach the index within {PATIENCE:?}");
        return Err(Error::new(Kind::TimedOut, message).remedy("the log is whole: start again"));
    }
    write_index(index, boundary, writer, 0..workers)
}

#[cfg(test)]
mod tests {
    use super::super::system::System;
    use std::sync::Arc;
    use std::time::Duration;

    use crate::{Cluster, ServeOptions};

    /// A value that takes long to be dropped, as threads may at any point.
    struct Slow(Arc<()>);

    impl Drop for Slow {
        fn drop(&mut self) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[test]
    fn no_worker_holds_what_it_has_written() {
        let system = System::in_memory();
        system.writer().and_then(diptych_log::Writer::close).expect("an empty log");
        let flow = dataflows::all().into_iter().find(|flow| flow.name() == "bank");
        let options = ServeOptions::default().cluster(Cluster::local(2));
        let mut served = system.serve(&[flow.expect("built in")], options).expect("served");
        served.live.end_feeding().expect("fed");
        let held = Arc::new(());
        let slow = Slow(Arc::clone(&held));
        let write = Box::new(move |_, _: &mut _| {
            assert!(Arc::strong_count(&slow.0) > 1);
            Ok(())
        });
        let soon = std::time::Instant::now() + Duration::from_mins(1);
        assert!(served.live.dump(0, write).finish(soon).expect("written"));
        assert_eq!(Arc::strong_count(&held), 1, "a worker still holds it");
        served.stop().expect("stopped");
    }
}
