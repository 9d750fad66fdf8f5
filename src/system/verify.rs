//! Verification while serving: compares the served views with a recomputation from the events.
//!
//! A thread of its own recomputes one dataflow after another from the events alone, by workers of
//! its own and one more than serve, and compares all views at one epoch. Never two at once, and no
//! epoch waits for it, though it takes a share of the processors and a second copy of the views.
//! Servers answer reads of the verified epoch from the proved recomputation.
//!
//! A verification shares the user's function and the engine with the served dataflow: it does not
//! find a bug that gives the same result twice; it does find damage and functions that are not
//! deterministic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Served;
use super::system::System;
use super::version_registry::Running;
use diptych_base::error::{Error, Result};
use diptych_base::io::give_way;
use diptych_base::limits::WORKERS_GRACE;
use diptych_batch_view::{BatchView, lineage};
use diptych_dataflow::Description;
use diptych_engine::{Cluster, ended_by};
use diptych_log::inspect;
use diptych_serving::{Read, Verdict};

/// The outcome of the verification of one dataflow.
#[derive(Debug)]
pub struct Verification {
    /// The dataflow.
    pub dataflow: String,
    /// The verdict, or the error that prevented one.
    pub outcome: Result<Verdict>,
}

/// A handle to the thread that verifies. Dropping the handle cancels a verification and ends the
/// thread.
pub struct Verifications {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl System {
    /// Verifies the versions that serve, one dataflow after another, until the result is dropped:
    /// `every` is the pause before the first round and between two. `tell` is called with each
    /// outcome, on the thread that does the work.
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

    /// Checks all files that a dataflow's answers depend on, byte by byte: the log, and every batch
    /// view of this version. Gives the damage, each by file.
    ///
    /// # Errors
    /// When there is no log, a file is of a newer format, or the disk cannot be read.
    pub fn check_files(&self, description: &Description) -> Result<Vec<Error>> {
        let log = || inspect::check(Arc::clone(&self.disk), self.root.join("log"));
        let mut damage = log()?.damage;
        if !damage.is_empty() {
            // A writer that seals a segment meanwhile makes files seem missing, once.
            damage = log()?.damage;
        }
        let identity = super::batch_view_metadata::identity(description);
        damage.extend(lineage(&*self.disk, &self.root, &identity).err());
        let boundaries = || BatchView::boundaries(&*self.disk, &self.root, &identity);
        for boundary in boundaries()? {
            let view = BatchView::open(Arc::clone(&self.disk), &self.root, &identity, boundary);
            match view.and_then(|view| view.verify()) {
                Ok(()) => {}
                // Another process removes old ones.
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
            // The thread may be in a user's function. A panic there was reported when it happened.
            ended_by(&[thread], Instant::now() + WORKERS_GRACE);
        }
    }
}

/// Sleeps for `length`; false when told to stop.
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

/// Verifies one dataflow; none when there is nothing to verify: no epoch yet, or the dataflow has
/// stopped.
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
