//! The queue of rebuilds that were asked for: the thread that looks after a dataflow's batch views
//! makes them, in turn.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam::channel::{RecvTimeoutError, Sender, bounded};

use crate::control::Rebuild;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{REBUILD_LOOK, REBUILDS_WAITING_MAX};
use diptych_base::lock_mutex::lock;

/// The queue of rebuilds, and why the last one of each dataflow failed.
#[derive(Default)]
pub(super) struct RebuildQueue {
    asks: Mutex<Asks>,
    changed: Condvar,
    /// Why the last batch view of a dataflow that was to be left was not.
    failures: Mutex<BTreeMap<String, Error>>,
}

#[derive(Default)]
struct Asks {
    waiting: VecDeque<Ask>,
    /// How many keepers have rebuilds made.
    attended: usize,
}

/// A batch view that is to be made from all events.
pub(super) struct Ask {
    pub(super) dataflow: String,
    /// Whether the batch view shall serve though it differs.
    pub(super) accept: bool,
    answer: Sender<Result<Rebuild>>,
}

impl Ask {
    /// Tells the client what became of it.
    pub(super) fn answer(self, outcome: Result<Rebuild>) {
        // The requester may have given up waiting.
        let _ = self.answer.send(outcome);
    }
}

impl RebuildQueue {
    /// Requests a rebuild, and waits for its outcome.
    ///
    /// # Errors
    /// When no thread makes batch views, too many rebuilds wait, or it failed.
    pub(super) fn ask(&self, dataflow: &str, accept: bool) -> Result<Rebuild> {
        let (answer, answered) = bounded(1);
        self.add(Ask { dataflow: dataflow.to_owned(), accept, answer })?;
        loop {
            match answered.recv_timeout(REBUILD_LOOK) {
                Ok(outcome) => return outcome,
                Err(RecvTimeoutError::Timeout) if self.is_attended() => {}
                Err(_) => return Err(Error::new(Kind::Stopped, "the server stops")),
            }
        }
    }

    fn add(&self, ask: Ask) -> Result<()> {
        let mut asks = self.lock();
        if asks.attended == 0 {
            let error = Error::new(Kind::Conflict, "nobody makes batch views in this process");
            return Err(error.remedy("call System::rebuild_under_readers, as `serve` does"));
        }
        let of_it = asks.waiting.iter().filter(|other| other.dataflow == ask.dataflow);
        if of_it.count() >= REBUILDS_WAITING_MAX {
            let message =
                format!("{REBUILDS_WAITING_MAX} rebuilds of {:?} wait already", ask.dataflow);
            return Err(Error::new(Kind::Busy, message).remedy("retry when one is done"));
        }
        asks.waiting.push_back(ask);
        self.changed.notify_all();
        Ok(())
    }

    /// Puts back what another thread is to answer.
    pub(super) fn put_back(&self, ask: Ask) {
        let mut asks = self.lock();
        // When no rebuild is made any more, the caller is told so.
        if asks.attended > 0 {
            asks.waiting.push_front(ask);
            self.changed.notify_all();
        }
    }

    /// A batch view of a dataflow was left, or could not be.
    pub(super) fn note(&self, dataflow: &str, made: Result<(), &Error>) {
        let mut failures = lock(&self.failures);
        match made {
            Ok(()) => failures.remove(dataflow),
            Err(error) => failures.insert(dataflow.to_owned(), error.clone()),
        };
    }

    /// The error of a dataflow's last checkpoint, if it failed.
    pub(super) fn failure(&self, dataflow: &str) -> Option<Error> {
        let failures = lock(&self.failures);
        failures.get(dataflow).cloned()
    }

    pub(super) fn is_attended(&self) -> bool {
        self.lock().attended > 0
    }

    /// One more keeper has rebuilds made from now on, or one does not any more. After the last the
    /// callers that wait are told so.
    pub(super) fn attend(&self, attended: bool) {
        let mut asks = self.lock();
        asks.attended = if attended { asks.attended + 1 } else { asks.attended - 1 };
        if asks.attended == 0 {
            asks.waiting.clear();
        }
        self.changed.notify_all();
    }

    /// The first rebuild asked of a dataflow that `mine` is true for. None when there is none in
    /// this time, and at once when none is made any more.
    pub(super) fn next(&self, patience: Duration, mine: impl Fn(&str) -> bool) -> Option<Ask> {
        let first = |asks: &Asks| asks.waiting.iter().position(|ask| mine(&ask.dataflow));
        let waits = |asks: &mut Asks| asks.attended > 0 && first(asks).is_none();
        let waited = self.changed.wait_timeout_while(self.lock(), patience, waits);
        let (mut asks, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let first = first(&asks)?;
        asks.waiting.remove(first)
    }

    fn lock(&self) -> MutexGuard<'_, Asks> {
        // Each critical section here is one change.
        lock(&self.asks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_answered_refused_or_sent_away() {
        let queue = RebuildQueue::default();
        assert!(queue.ask("a", false).is_err_and(|error| error.is_conflict()), "nobody is there");
        queue.attend(true);
        std::thread::scope(|scope| {
            let one = scope.spawn(|| queue.ask("a", false));
            let ask =
                queue.next(Duration::from_secs(10), |name| name == "a").expect("somebody asks");
            assert_eq!(ask.dataflow, "a");
            ask.answer(Ok(Rebuild::Drift { boundary: 7, rows: Vec::new() }));
            let outcome = one.join().expect("no panic");
            assert!(matches!(outcome, Ok(Rebuild::Drift { boundary: 7, .. })));
            let left: Vec<_> =
                (0..REBUILDS_WAITING_MAX).map(|_| scope.spawn(|| queue.ask("b", false))).collect();
            while queue.lock().waiting.len() < REBUILDS_WAITING_MAX {
                std::thread::yield_now();
            }
            let refused = queue.ask("b", false).expect_err("too many");
            assert!(refused.to_string().contains("wait already"), "{refused}");
            queue.attend(false);
            for one in left {
                let error = one.join().expect("no panic").expect_err("nobody is there any more");
                assert!(error.to_string().contains("stops"), "{error}");
            }
        });
    }

    #[test]
    fn each_thread_takes_what_is_asked_of_its_dataflow() {
        let (queue, soon) = (RebuildQueue::default(), Duration::from_millis(1));
        queue.attend(true);
        std::thread::scope(|scope| {
            let asked = ["a", "b", "b"].map(|name| scope.spawn(|| queue.ask(name, false)));
            while queue.lock().waiting.len() < asked.len() {
                std::thread::yield_now();
            }
            for _ in 0..2 {
                let ask = queue.next(soon, |name| name == "b").expect("of b");
                assert_eq!(ask.dataflow, "b");
                ask.answer(Ok(Rebuild::Drift { boundary: 1, rows: Vec::new() }));
            }
            assert!(queue.next(soon, |name| name == "b").is_none());
            let other = queue.next(soon, |name| name != "b").expect("of a");
            queue.put_back(other);
            assert!(queue.next(soon, |name| name == "a").is_some(), "put back; dropped now");
            queue.attend(false);
            let begun = std::time::Instant::now();
            assert!(queue.next(Duration::from_mins(1), |_| true).is_none());
            assert!(begun.elapsed() < Duration::from_secs(30), "not at once");
            let answers = asked.map(|one| one.join().expect("no panic").is_ok());
            assert_eq!(answers.iter().filter(|ok| **ok).count(), 2);
        });
    }
}
