//! Recomputations for clients: queued, capped and shared.
//!
//! A recomputation costs a worker and a copy of the views, whichever client asks for it. So few run
//! at once, few wait, and a further one is refused before it costs anything; few results are in
//! memory at once, and clients that ask for the same share one. A run for which no client waits any
//! more is not begun.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::blocking::blocking;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{
    REPLAY_KEPT, REPLAYS_HELD_MAX, REPLAYS_RUNNING_MAX, REPLAYS_WAITING_MAX, RETRY_AFTER,
};
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;
use diptych_serving::Index;
use diptych_system::Control;

/// The epochs that are recomputed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// All views at a frontier, by the shortest way.
    At(Epoch),
    /// All views at a frontier, from the events alone.
    Scratch(Epoch),
    /// Every epoch of `[from, upper)`.
    Between(Epoch, Epoch),
}

impl Span {
    /// Whether this answers a request for `wanted`. Changes of more epochs are as good, as long as
    /// they end where the served index still goes on, above `since`.
    fn covers(self, wanted: Span, since: Epoch) -> bool {
        match (self, wanted) {
            (Span::Between(from, upper), Span::Between(wanted, _)) => {
                from <= wanted && wanted < upper && upper > since
            }
            _ => self == wanted,
        }
    }
}

/// A recomputed index, kept while a client reads it.
pub struct Replayed {
    /// The views.
    pub index: Index,
    /// The epochs at which it answers.
    pub span: Span,
    _held: OwnedSemaphorePermit,
}

type Outcome = Result<Arc<Replayed>>;

/// A handle on a result to come.
#[derive(Clone)]
pub struct PendingReplay(watch::Receiver<Option<Outcome>>);

impl PendingReplay {
    /// Waits for the result. The future may be dropped and the method called again.
    ///
    /// # Errors
    /// The error of the recomputation.
    pub async fn wait(&mut self) -> Result<Arc<Replayed>> {
        match self.0.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Ok(replayed))) => Ok(Arc::clone(replayed)),
            Ok(Some(Err(error))) => Err(error.clone()),
            _ => Err(Error::new(Kind::Stopped, "the recomputation was given up")),
        }
    }
}

/// The numbers of recomputations in each state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayCounts {
    /// Recomputations under way.
    pub running: usize,
    /// Recomputations that wait for their turn.
    pub waiting: usize,
    /// Recomputed indexes in memory.
    pub held: usize,
}

/// All recomputations of a process. Clones share them.
#[derive(Clone)]
pub struct Replays(Arc<Shared>);

struct Shared {
    /// Permits of runs that were admitted and have not finished.
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
    held: Arc<Semaphore>,
    known: Mutex<Vec<Known>>,
}

/// A run or its result, for further clients that ask for the same.
struct Known {
    dataflow: String,
    span: Span,
    pending: PendingReplay,
    used: Instant,
    /// Whether it is of a version that serves no more: then only clients that wait already get it.
    stale: bool,
}

impl Default for Replays {
    fn default() -> Self {
        let permits = |most| Arc::new(Semaphore::new(most));
        Replays(Arc::new(Shared {
            admitted: permits(REPLAYS_RUNNING_MAX + REPLAYS_WAITING_MAX),
            running: permits(REPLAYS_RUNNING_MAX),
            held: permits(REPLAYS_HELD_MAX),
            known: Mutex::default(),
        }))
    }
}

impl Replays {
    /// Takes a place in the queue, or joins a run that answers the same. `since` is that of the
    /// served index.
    ///
    /// # Errors
    /// When the queue is full.
    pub fn ask(
        &self,
        control: &Arc<dyn Control>,
        dataflow: &str,
        span: Span,
        since: Epoch,
    ) -> Result<PendingReplay> {
        let mut known = self.known();
        for one in known.iter_mut() {
            let failed = matches!(&*one.pending.0.borrow(), Some(Err(_)));
            let fits = one.dataflow == dataflow && !one.stale && one.span.covers(span, since);
            if fits && !failed {
                one.used = Instant::now();
                return Ok(one.pending.clone());
            }
        }
        let admitted = Arc::clone(&self.0.admitted).try_acquire_owned().map_err(|_| full())?;
        let (done, pending) = watch::channel(None);
        let pending = PendingReplay(pending);
        known.push(Known {
            dataflow: dataflow.to_owned(),
            span,
            pending: pending.clone(),
            used: Instant::now(),
            stale: false,
        });
        drop(known);
        let run = Run {
            replays: self.clone(),
            control: Arc::clone(control),
            dataflow: dataflow.to_owned(),
            span,
            done,
        };
        tokio::spawn(run.go(admitted));
        Ok(pending)
    }

    /// Marks the results of `dataflow` as stale, because another version serves now: no later
    /// request gets them.
    pub fn outdate(&self, dataflow: &str) {
        let mut known = self.known();
        known.iter_mut().filter(|one| one.dataflow == dataflow).for_each(|one| one.stale = true);
    }

    /// The current numbers.
    pub fn counts(&self) -> ReplayCounts {
        let running = REPLAYS_RUNNING_MAX - self.0.running.available_permits();
        let admitted =
            REPLAYS_RUNNING_MAX + REPLAYS_WAITING_MAX - self.0.admitted.available_permits();
        let held = REPLAYS_HELD_MAX - self.0.held.available_permits();
        ReplayCounts { running, waiting: admitted.saturating_sub(running), held }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Vec<Known>> {
        lock(&self.0.known)
    }

    fn knows(&self, dataflow: &str, span: Span) -> bool {
        self.known().iter().any(|one| one.span == span && one.dataflow == dataflow)
    }

    /// Forgets failures, and results that no client reads and none has asked for lately (or that
    /// none reads, when their place is `needed`).
    fn sweep(&self, needed: bool) {
        self.known().retain(|one| match &*one.pending.0.borrow() {
            None => true,
            Some(Err(_)) => false,
            Some(Ok(replayed)) => {
                let idle = Arc::strong_count(replayed) == 1;
                !(idle && (needed || one.used.elapsed() > REPLAY_KEPT))
            }
        });
    }
}

fn full() -> Error {
    let message = format!("{REPLAYS_WAITING_MAX} recomputations wait already");
    let remedy = format!("retry after {} seconds, or ask for a later epoch", RETRY_AFTER.as_secs());
    Error::new(Kind::Busy, message).remedy(remedy)
}

/// One recomputation, which runs apart from the requests that wait for it.
struct Run {
    replays: Replays,
    control: Arc<dyn Control>,
    dataflow: String,
    span: Span,
    done: watch::Sender<Option<Outcome>>,
}

impl Run {
    async fn go(self, admitted: OwnedSemaphorePermit) {
        let outcome = self.compute(admitted).await;
        let failed = outcome.is_err();
        self.done.send_replace(Some(outcome));
        let Run { replays, dataflow, span, done, .. } = self;
        // The sender would keep the result alive, which is up to the table and to the readers.
        drop(done);
        while !failed && replays.knows(&dataflow, span) {
            tokio::time::sleep(REPLAY_KEPT / 4).await;
            replays.sweep(false);
        }
        replays.sweep(false);
    }

    async fn compute(&self, admitted: OwnedSemaphorePermit) -> Result<Arc<Replayed>> {
        let stopped = |_| Error::new(Kind::Stopped, "the servers stop");
        let running = Arc::clone(&self.replays.0.running).acquire_owned().await.map_err(stopped)?;
        let held = self.room().await.map_err(stopped)?;
        // One receiver is the table's.
        if self.done.receiver_count() <= 1 {
            return Err(Error::new(Kind::Busy, "nobody waits for it any more"));
        }
        let control = Arc::clone(&self.control);
        let dataflow = self.dataflow.clone();
        let span = self.span;
        let index = blocking(move || {
            // Released when the computation ends, even if this task ends earlier.
            let _permits = (admitted, running);
            match span {
                Span::At(upper) => control.at(&dataflow, upper, false),
                Span::Scratch(upper) => control.at(&dataflow, upper, true),
                Span::Between(from, upper) => control.between(&dataflow, from, upper),
            }
        });
        Ok(Arc::new(Replayed { index: index.await?, span, _held: held }))
    }

    /// Waits for room for one more result; results that no client reads make way at once.
    async fn room(&self) -> std::result::Result<OwnedSemaphorePermit, tokio::sync::AcquireError> {
        let look = std::time::Duration::from_millis(200);
        loop {
            let acquire = Arc::clone(&self.replays.0.held).acquire_owned();
            if let Ok(room) = tokio::time::timeout(look, acquire).await {
                return room;
            }
            self.replays.sweep(true);
        }
    }
}
