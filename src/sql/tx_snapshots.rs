//! The snapshots of a transaction: one of each dataflow, taken by the first statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;

use super::statement_epochs::align;
use super::{SqlError, flow_snapshot};
use diptych_serving::Snapshot;
use diptych_site::read_mode::Mode;
use diptych_site::site::Site;

/// The modes in which one transaction keeps snapshots.
const TX_MODES_MAX: usize = 8;

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
    /// The snapshots at each mode in which the transaction has read: a savepoint that brings an
    /// earlier mode back brings its epoch back, too.
    held: Mutex<Vec<(Mode, TxSnapshots)>>,
}

impl Pins {
    /// Begins a transaction.
    pub(super) fn ask(&self) {
        self.is_asked.store(true, Ordering::Relaxed);
    }

    /// Ends the transaction.
    pub(super) fn drop_all(&self) {
        self.is_asked.store(false, Ordering::Relaxed);
        // A session runs one statement at a time; one that is still being cancelled takes its own.
        if let Ok(mut held) = self.held.try_lock() {
            held.clear();
        }
    }

    /// The snapshots that all statements of the transaction read in `mode`; none when there is no
    /// transaction.
    pub(super) async fn held(&self, site: &Site, mode: Mode) -> Option<TxSnapshots> {
        if !self.is_asked.load(Ordering::Relaxed) {
            return None;
        }
        let mut all = self.held.lock().await;
        for snapshot in all.iter().flat_map(|(_, held)| held.iter()).flatten() {
            // An expired one causes an error when it is read.
            let _ = snapshot.renew();
        }
        if let Some((_, held)) = all.iter().find(|(known, _)| *known == mode) {
            return Some(Arc::clone(held));
        }
        let taken = Arc::new(take(site, mode).await);
        if all.len() >= TX_MODES_MAX {
            // The first is the one to which a rollback returns most often.
            all.remove(1);
        }
        all.push((mode, Arc::clone(&taken)));
        Some(taken)
    }
}

/// A snapshot of each dataflow, all at one epoch where they reach back to it.
async fn take(site: &Site, mode: Mode) -> Vec<Result<Arc<Snapshot>, SqlError>> {
    let mut snapshots = Vec::new();
    let mut errors = Vec::new();
    for flow in &site.flows {
        let (snapshot, error) = match flow_snapshot::take(site, flow, mode).await {
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
    snapshots.into_iter().zip(errors).map(either).collect()
}
