//! The snapshots of a transaction: one of each dataflow, taken by the first statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;

use super::statement_epochs::align;
use super::{SqlError, df_error};
use diptych_serving::Snapshot;
use diptych_site::read_mode::Mode;
use diptych_site::site::Site;

/// A snapshot of each dataflow, or the error why there is none.
pub(super) type TxSnapshots = Arc<Vec<Result<Arc<Snapshot>, SqlError>>>;

/// The snapshot of dataflow number `flow` in the transaction.
pub(super) fn of(held: &TxSnapshots, flow: usize) -> Result<Arc<Snapshot>, SqlError> {
    let later = || {
        let message = "the dataflow is served since this transaction began (begin another one)";
        SqlError::new("55000", message)
    };
    held.get(flow).cloned().unwrap_or_else(|| Err(later()))
}

/// The snapshots of a session's transaction.
#[derive(Default)]
pub(super) struct Pins {
    /// Whether there is a transaction. An atomic of its own, so that a session without one takes no
    /// lock.
    is_asked: AtomicBool,
    held: Mutex<Option<TxSnapshots>>,
}

impl Pins {
    /// Begins a transaction.
    pub(super) fn ask(&self) {
        self.is_asked.store(true, Ordering::Relaxed);
    }

    /// Ends the transaction.
    pub(super) fn drop_all(&self) {
        self.is_asked.store(false, Ordering::Relaxed);
        self.move_on();
    }

    /// Drops the snapshots, so that the next statement takes new ones.
    pub(super) fn move_on(&self) {
        // A session runs one statement at a time; one that is still being cancelled takes its own.
        if let Ok(mut held) = self.held.try_lock() {
            *held = None;
        }
    }

    /// The snapshots that all statements of the transaction read; none when there is no
    /// transaction.
    pub(super) async fn held(&self, site: &Site, mode: Mode) -> Option<TxSnapshots> {
        if !self.is_asked.load(Ordering::Relaxed) {
            return None;
        }
        let mut held = self.held.lock().await;
        if let Some(held) = &*held {
            for snapshot in held.iter().flatten() {
                // An expired one causes an error when it is read.
                let _ = snapshot.renew();
            }
            return Some(Arc::clone(held));
        }
        let mut snapshots = Vec::new();
        let mut errors = Vec::new();
        for flow in &site.flows {
            let taken = site.snapshot(flow, mode).await;
            let taken = taken.map_err(|error| df_error::of_own(&error));
            let (snapshot, error) = match taken {
                Ok(snapshot) => (Some(snapshot), None),
                Err(error) => (None, Some(error)),
            };
            snapshots.push(snapshot);
            errors.push(error);
        }
        align(&mut snapshots);
        let either = |(snapshot, error): (Option<Arc<Snapshot>>, Option<SqlError>)| {
            let missing = || SqlError::new("72000", "a dataflow has no snapshot");
            snapshot.ok_or_else(|| error.unwrap_or_else(missing))
        };
        let taken = Arc::new(snapshots.into_iter().zip(errors).map(either).collect::<Vec<_>>());
        *held = Some(Arc::clone(&taken));
        Some(taken)
    }
}
