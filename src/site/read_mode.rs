//! Read modes: the epoch at which a read answers, and the snapshot at that epoch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::blocking::blocking_in_turn;
use super::recomputation_queue::Span;
use super::site::{Flow, Site};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::READ_WAIT;
use diptych_base::time::{At, Epoch};
use diptych_log::{AtTime, Reader};
use diptych_serving::{Read, Snapshot};

/// How often a request that waits for a dataflow to catch up checks which index serves it.
const LOOK: Duration = Duration::from_millis(10);

/// The epoch at which a read answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The last complete epoch, once the dataflow has caught up to what readers may have seen
    /// before the process was started.
    #[default]
    Latest,
    /// The last complete epoch, even if earlier than one that readers saw before the process was
    /// started.
    Stale,
    /// The last complete epoch, once it is at least this one, which must be in the log already;
    /// waits at most this long.
    AtLeast(At, Duration),
    /// Exactly this epoch; recomputed when it is below the index's `since`.
    AsOf(At),
    /// The last epoch whose clock is at or before this many microseconds since 1970.
    AsOfTime(i64),
    /// The last epoch that a verification (an independent batch run) has proved.
    Verified,
}

/// The reason why the dataflow `name` has stopped, without its name, and what to do about it.
pub fn why_stopped<'w>(name: &str, why: &'w Error) -> (String, &'w str) {
    let reason = why.reason();
    let reason = reason.strip_prefix(&format!("dataflow {name:?}: ")).unwrap_or(&reason);
    let remedy = match why.what_to_do() {
        "" => "mend its function or the event, and deploy it again",
        remedy => remedy,
    };
    (reason.to_owned(), remedy)
}

impl Site {
    /// Takes a snapshot of all views of `flow` at the epoch that `mode` names.
    ///
    /// # Errors
    /// When the epoch is not there (yet), or was never proved; the error names the valid range.
    pub async fn snapshot(&self, flow: &Flow, mode: Mode) -> Result<Arc<Snapshot>> {
        self.snapshot_within(flow, mode, READ_WAIT).await
    }

    /// [`Site::snapshot`] that waits at most for `patience` while the dataflow catches up with what
    /// was in the log when the process was started.
    ///
    /// # Errors
    /// As for [`Site::snapshot`], when catching up takes longer, and when the dataflow has stopped
    /// before its first epoch was complete.
    pub async fn snapshot_within(
        &self,
        flow: &Flow,
        mode: Mode,
        patience: Duration,
    ) -> Result<Arc<Snapshot>> {
        let snapshot = self.snapshot_of(flow, mode, patience).await?;
        if snapshot.epoch().is_none()
            && let Some(why) = self.control.failure(&flow.name)
        {
            // Views without rows would be taken for an answer.
            let (reason, remedy) = why_stopped(&flow.name, &why);
            let name = &flow.name;
            let message = format!("dataflow {name:?} stopped before its first epoch: {reason}");
            return Err(Error::new(Kind::Stopped, message).remedy(remedy));
        }
        Ok(snapshot)
    }

    async fn snapshot_of(
        &self,
        flow: &Flow,
        mode: Mode,
        patience: Duration,
    ) -> Result<Arc<Snapshot>> {
        match mode {
            Mode::Latest => {
                self.caught_up(flow, Epoch::MAX, patience).await?;
                flow.serving.snapshot(Read::Latest).map(Arc::new)
            }
            Mode::Stale => flow.serving.snapshot(Read::Latest).map(Arc::new),
            Mode::AtLeast(at, patience) => {
                let epoch = at.epoch;
                self.check_history(at).await?;
                if flow.serving.index().frontier() <= epoch {
                    self.check_sealed(epoch).await?;
                }
                let mut frontier = flow.frontier.clone();
                let seen = frontier.wait_for(|upper| *upper > epoch);
                if tokio::time::timeout(patience, seen).await.is_err() {
                    self.caught_up(flow, epoch, Duration::ZERO).await?;
                    return Err(not_in_time(flow, epoch, patience));
                }
                flow.serving.snapshot(Read::AtLeast(epoch, Duration::ZERO)).map(Arc::new)
            }
            Mode::AsOf(at) => {
                let epoch = at.epoch;
                self.check_history(at).await?;
                if self.waits(flow, epoch) {
                    self.check_sealed(epoch).await?;
                    self.caught_up(flow, epoch, patience).await?;
                }
                // The snapshot comes first: `since` may move past the epoch at any moment.
                let found = flow.serving.snapshot(Read::AsOf(epoch));
                if found.is_err() && epoch < flow.serving.index().since() {
                    return self.recomputed(flow, epoch).await;
                }
                match found {
                    Err(_) if epoch >= flow.serving.index().frontier() => {
                        Err(self.not_visible(flow, epoch).await)
                    }
                    found => found.map(Arc::new),
                }
            }
            Mode::AsOfTime(at) => self.snapshot_at_time(flow, at, patience).await,
            Mode::Verified => flow.serving.verified().snapshot().ok_or_else(|| {
                Error::new(Kind::Missing, format!("no epoch of {:?} is verified yet", flow.name))
                    .remedy("ask for a verification, or read the latest epoch")
            }),
        }
    }

    /// The snapshot at the last epoch whose clock is at or before `at`.
    async fn snapshot_at_time(
        &self,
        flow: &Flow,
        at: i64,
        patience: Duration,
    ) -> Result<Arc<Snapshot>> {
        if flow.serving.index().is_stale() {
            let there = self.read_log(move |log| log.at_time(at, log.upper()?)).await?;
            self.caught_up(flow, there.epoch.unwrap_or(0), patience).await?;
        }
        let below = flow.serving.index().frontier();
        let AtTime { epoch, jumped } = self.read_log(move |log| log.at_time(at, below)).await?;
        let Some(epoch) = epoch else {
            return Err(Error::new(Kind::Missing, "no epoch is as old as that time")
                .remedy("ask for a later time, or for an epoch by its number"));
        };
        let mode = Mode::AsOf(epoch.into());
        let snapshot = Box::pin(self.snapshot_within(flow, mode, patience)).await?;
        Ok(match Arc::into_inner(snapshot) {
            Some(snapshot) => Arc::new(snapshot.among_jumps(jumped)),
            None => unreachable!("a snapshot that was just taken is shared"),
        })
    }

    /// Whether `epoch` is at or beyond the frontier of a dataflow that is still catching up. A
    /// dataflow that has failed is not waited for.
    fn waits(&self, flow: &Flow, epoch: Epoch) -> bool {
        let index = flow.serving.index();
        index.is_stale() && index.frontier() <= epoch && self.control.failure(&flow.name).is_none()
    }

    /// Waits until a dataflow that catches up after a start answers at `epoch`, or has caught up
    /// with what was in the log at the start. Readers have seen those epochs, and their frontier
    /// must not go back.
    pub async fn caught_up(&self, flow: &Flow, epoch: Epoch, patience: Duration) -> Result<()> {
        let begun = Instant::now();
        let mut frontier = flow.frontier.clone();
        while self.waits(flow, epoch) {
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(catching_up(flow, epoch, patience));
            }
            // Another index may take over at the same frontier, which signals nothing.
            let seen = flow.serving.index().frontier();
            let moved = frontier.wait_for(|upper| *upper > seen);
            let waited = tokio::time::timeout(left.min(LOOK), moved).await;
            let over = matches!(waited, Ok(Err(_)));
            drop(waited);
            if over {
                tokio::time::sleep(left.min(LOOK)).await;
            }
        }
        Ok(())
    }

    /// Refuses an epoch of another history of the log.
    pub async fn check_history(&self, at: At) -> Result<()> {
        if at.branch.is_none() {
            return Ok(());
        }
        let branches = self.reader.branches();
        if branches.objection(at).is_none() {
            return Ok(());
        }
        // Another writer may have begun since the log was last read.
        self.read_log(Reader::upper).await?;
        branches.check(at)
    }

    /// Refuses to wait for an epoch that is not sealed.
    async fn check_sealed(&self, epoch: Epoch) -> Result<()> {
        let upper = self.read_log(Reader::upper).await?;
        if epoch < upper {
            return Ok(());
        }
        let message =
            format!("epoch {epoch} is not in the log, which has the epochs up to {upper}");
        Err(Error::new(Kind::Missing, message).remedy(
            "at_least takes the epoch of an acknowledged append; what is to come is in `changes`",
        ))
    }

    /// The error for an epoch at or beyond the frontier.
    async fn not_visible(&self, flow: &Flow, epoch: Epoch) -> Error {
        let index = flow.serving.index();
        let log = self.read_log(|log| Ok((log.lower(), log.upper()?))).await;
        let ((lower, end), upper) = match log {
            Ok(log) => (log, index.frontier()),
            Err(error) => return error,
        };
        if epoch >= end.max(upper) {
            let end = end.max(upper);
            let message = format!("epoch {epoch} is not in the log, which has [{lower}, {end})");
            return Error::new(Kind::Missing, message)
                .remedy("ask for the epoch of an acknowledged append, or for the latest");
        }
        let name = &flow.name;
        let message = format!("readers of {name:?} do not see epoch {epoch} yet: upper is {upper}");
        Error::new(Kind::Missing, message).remedy("wait for it with at_least, or ask again")
    }

    /// Reads the log on a blocking thread, within the bound on such reads.
    pub async fn read_log<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let reader = Arc::clone(&self.reader);
        let turn = Arc::clone(&self.load.log_reads).acquire_owned();
        blocking_in_turn(turn, move || read(&reader)).await
    }

    async fn recomputed(&self, flow: &Flow, epoch: Epoch) -> Result<Arc<Snapshot>> {
        let since = flow.serving.index().since();
        let span = Span::At(epoch + 1);
        let mut pending = self.load.replays.ask(&self.control, &flow.name, span, since)?;
        pending.wait().await?.index.snapshot(Read::AsOf(epoch)).map(Arc::new)
    }
}

/// The error while a dataflow catches up: readers may have seen more than it answers.
fn catching_up(flow: &Flow, epoch: Epoch, patience: Duration) -> Error {
    let name = &flow.name;
    let upper = flow.serving.index().frontier();
    let goal = match epoch {
        Epoch::MAX => "the end that the log had when the process was started".to_owned(),
        epoch => format!("epoch {epoch}"),
    };
    let message = format!(
        "dataflow {name:?} is catching up, and after {patience:?} is not at {goal}: upper is \
         {upper}"
    );
    Error::new(Kind::TimedOut, message)
        .remedy("ask again in a moment, or with stale=ok for the latest epoch there is")
}

fn not_in_time(flow: &Flow, epoch: Epoch, patience: Duration) -> Error {
    let upper = flow.serving.index().frontier();
    let message = format!(
        "readers of {:?} do not see epoch {epoch} after {patience:?}: upper is {upper}",
        flow.name
    );
    Error::new(Kind::TimedOut, message)
        .remedy("ask again, with a longer timeout, or read the latest epoch")
}
