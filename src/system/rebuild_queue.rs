//! Where rebuilds are asked for: the thread that looks after batch views makes them, in turn.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use crate::control::Rebuild;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{REBUILD_LOOK, REBUILDS_WAITING_MAX};

/// The queue of those who ask.
pub(super) struct Desk {
    asks: Sender<Option<Ask>>,
    asked: Receiver<Option<Ask>>,
    attended: AtomicBool,
    /// Why the last batch view of a dataflow that was to be left was not.
    failures: Mutex<BTreeMap<String, Error>>,
}

/// Somebody wants a batch view made from all events.
pub(super) struct Ask {
    pub(super) dataflow: String,
    /// Shall it serve though it differs?
    pub(super) accept: bool,
    answer: Sender<Result<Rebuild>>,
}

impl Ask {
    /// Tells who asked what became of it.
    pub(super) fn answer(self, outcome: Result<Rebuild>) {
        // It may have given up waiting.
        let _ = self.answer.send(outcome);
    }
}

impl Default for Desk {
    fn default() -> Self {
        let (asks, asked) = bounded(REBUILDS_WAITING_MAX);
        let attended = AtomicBool::new(false);
        let failures = Mutex::default();
        Desk { asks, asked, attended, failures }
    }
}

impl Desk {
    /// Asks, and waits for what becomes of it.
    ///
    /// # Errors
    /// When nobody is there to do it, too many wait, or it failed.
    pub(super) fn ask(&self, dataflow: &str, accept: bool) -> Result<Rebuild> {
        if !self.is_attended() {
            let error = Error::new(Kind::Conflict, "nobody makes batch views in this process");
            return Err(error.remedy("call System::rebuild_under_readers, as `serve` does"));
        }
        let (answer, answered) = bounded(1);
        let ask = Ask { dataflow: dataflow.to_owned(), accept, answer };
        if let Err(TrySendError::Full(_)) = self.asks.try_send(Some(ask)) {
            let message = format!("{REBUILDS_WAITING_MAX} rebuilds wait already");
            return Err(Error::new(Kind::Busy, message).remedy("retry when one is done"));
        }
        loop {
            match answered.recv_timeout(REBUILD_LOOK) {
                Ok(outcome) => return outcome,
                Err(RecvTimeoutError::Timeout) if self.is_attended() => {}
                Err(_) => return Err(Error::new(Kind::Stopped, "the server stops")),
            }
        }
    }

    /// A batch view of a dataflow was left, or could not be.
    pub(super) fn note(&self, dataflow: &str, made: Result<(), &Error>) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match made {
            Ok(()) => failures.remove(dataflow),
            Err(error) => failures.insert(dataflow.to_owned(), error.clone()),
        };
    }

    /// Why the last batch view of a dataflow that was to be left was not.
    pub(super) fn failure(&self, dataflow: &str) -> Option<Error> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(dataflow).cloned()
    }

    pub(super) fn is_attended(&self) -> bool {
        self.attended.load(Ordering::Acquire)
    }

    /// Somebody answers from now on, or nobody does any more.
    pub(super) fn attend(&self, attended: bool) {
        self.attended.store(attended, Ordering::Release);
    }

    /// The next who asks; none when nobody does in this time, or after [`Desk::wake`].
    pub(super) fn next(&self, patience: Duration) -> Option<Ask> {
        self.asked.recv_timeout(patience).ok().flatten()
    }

    /// Lets [`Desk::next`] return.
    pub(super) fn wake(&self) {
        // When it is full, somebody is not waiting.
        let _ = self.asks.try_send(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_answered_refused_or_sent_away() {
        let desk = Desk::default();
        assert!(desk.ask("a", false).is_err_and(|error| error.is_conflict()), "nobody is there");
        desk.attend(true);
        std::thread::scope(|scope| {
            let one = scope.spawn(|| desk.ask("a", false));
            let ask = desk.next(Duration::from_secs(10)).expect("somebody asks");
            assert_eq!(ask.dataflow, "a");
            ask.answer(Ok(Rebuild::Drift { boundary: 7, rows: Vec::new() }));
            let outcome = one.join().expect("no panic");
            assert!(matches!(outcome, Ok(Rebuild::Drift { boundary: 7, .. })));
            let left: Vec<_> =
                (0..REBUILDS_WAITING_MAX).map(|_| scope.spawn(|| desk.ask("b", false))).collect();
            while !desk.asks.is_full() {
                std::thread::yield_now();
            }
            let refused = desk.ask("b", false).expect_err("too many");
            assert!(refused.to_string().contains("wait already"), "{refused}");
            desk.attend(false);
            for one in left {
                let error = one.join().expect("no panic").expect_err("nobody is there any more");
                assert!(error.to_string().contains("stops"), "{error}");
            }
        });
    }
}
