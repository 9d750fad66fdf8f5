//! Verification while serving: is what readers see what the events say?
//!
//! A thread of its own recomputes one dataflow after another from the events alone, by workers of
//! its own and one more than serve, and compares all views at one epoch. Never two at once, and no
//! epoch waits for it, though it takes a share of the processors and a second copy of the views.
//! Servers answer reads of the verified epoch from what it has proved.
//!
//! It shares the user's function and the engine with what it verifies: a bug that does the same
//! twice is not found by it, damage and functions that are not deterministic are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::registry::Running;
use super::{Served, System};
use diptych_base::error::{Error, Result};
use diptych_base::io::give_way;
use diptych_base::limits::WORKERS_GRACE;
use diptych_batch_view::{BatchView, lineage};
use diptych_dataflow::Description;
use diptych_engine::{Cluster, ended_by};
use diptych_log::inspect;
use diptych_serving::{Read, Verdict};

/// What became of the verification of one dataflow.
#[derive(Debug)]
pub struct Verification {
    /// The dataflow.
    pub dataflow: String,
    /// What was found; or why it could not be found out.
    pub outcome: Result<Verdict>,
}

/// The thread that verifies. Dropping it gives up what it is doing and ends it.
pub struct Verifications {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl System {
    /// Verifies the versions that serve, one dataflow after another, until the result is dropped:
    /// `every` is the pause before the first round and between two. `tell` hears of each
    /// verification, on the thread that does the work.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn verify_in_background(
        &self,
        served: &Served,
        every: Duration,
        tell: impl Fn(Verification) + Send + 'static,
    ) -> Result<Verifications> {
        let system = self.clone();
        let current = Arc::clone(&served.current);
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let run = move || {
            give_way();
            while pause(every, &stopped) {
                for running in current.all() {
                    let outcome = verify(&running, &system, &stopped);
                    if stopped.load(Ordering::Acquire) {
                        return;
                    }
                    let dataflow = running.name().to_owned();
                    if let Some(outcome) = outcome.transpose() {
                        tell(Verification { dataflow, outcome });
                    }
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("verify".into())
            .spawn(run)
            .map_err(|error| Error::io("starting the thread that verifies", error))?;
        Ok(Verifications { stop, thread: Some(thread) })
    }

    /// Reads all that a dataflow's answers rest on, and checks it byte by byte: the log, and every
    /// batch view of this version. Gives what is damaged, each by file.
    ///
    /// # Errors
    /// When there is no log, something is of a newer format, or the disk cannot be read.
    pub fn check_files(&self, description: &Description) -> Result<Vec<Error>> {
        let log = || inspect::check(Arc::clone(&self.disk), self.root.join("log"));
        let mut damage = log()?.damage;
        if !damage.is_empty() {
            // A writer that seals a segment meanwhile makes files seem missing, once.
            damage = log()?.damage;
        }
        let identity = super::identity(description);
        damage.extend(lineage(&*self.disk, &self.root, &identity).err());
        let boundaries = || BatchView::boundaries(&*self.disk, &self.root, &identity);
        for boundary in boundaries()? {
            let view = BatchView::open(Arc::clone(&self.disk), &self.root, &identity, boundary);
            match view.and_then(|view| view.verify()) {
                Ok(()) => {}
                // Somebody removes old ones.
                Err(error) if error.is_missing() && !boundaries()?.contains(&boundary) => {}
                Err(error) if error.is_missing() || error.is_damaged() => damage.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(damage)
    }
}

impl Drop for Verifications {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It may be in a user's function. A panic there was reported when it happened.
            ended_by(&[thread], Instant::now() + WORKERS_GRACE);
        }
    }
}

/// Sleeps; false when told to stop.
fn pause(length: Duration, stop: &AtomicBool) -> bool {
    let begun = Instant::now();
    while !stop.load(Ordering::Acquire) {
        let Some(left) = length.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) else {
            return true;
        };
        std::thread::park_timeout(left);
    }
    false
}

/// None when there is nothing to verify: no epoch yet, or the dataflow has stopped.
fn verify(running: &Running, system: &System, stop: &AtomicBool) -> Result<Option<Verdict>> {
    let begun = Instant::now();
    let served = running.serving.snapshot(Read::Latest)?;
    if served.epoch().is_none() || running.status.has_failed() {
        return Ok(None);
    }
    served.keep()?;
    let cluster = Cluster::local(running.shards + 1);
    let fresh = system.recompute_unless(&running.definition, served.upper(), cluster, stop)?;
    running.serving.verified().judge(&served, &fresh, begun).map(Some)
}
