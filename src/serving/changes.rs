//! Subscriptions to the changes of a view, epoch by epoch.
//!
//! A subscriber states the first epoch it has not seen and gets every later epoch whole, in order,
//! consolidated. It holds no lease and costs nothing between calls: one that falls behind `since`
//! gets an error and starts again from a snapshot. (Between the parts of one large epoch it does
//! hold that epoch's batches; see [`Changes::part`].)

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use differential_dataflow::consolidation::consolidate_updates;

use super::changes_paging::{Ahead, LargeEpoch};
use super::index_options::Rewritten;
use super::index_shared::IndexShared;
use super::index_state::IndexState;
use super::view_batch::ViewBatch;
use super::view_index::Index;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{CHANGES_CHUNK, UPDATE_BYTES};
use diptych_base::time::{At, Branch, Epoch, another};

/// One change of a view. Ordered by epoch, key and value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The epoch of the change.
    pub epoch: Epoch,
    /// The ordered bytes of the key.
    pub key: Vec<u8>,
    /// The ordered bytes of the value.
    pub value: Vec<u8>,
    /// The change of the row's multiplicity; never zero.
    pub diff: isize,
}

/// The position of a subscriber in the changes, from which it resumes, also in another process.
///
/// ```
/// use diptych::serving::Token;
/// let token: Token = "3@17".parse()?;
/// assert_eq!((&*token.version, token.epoch), ("3", 17));
/// assert_eq!((token.to_string(), token.branch), ("3@17".into(), None));
/// let token: Token = "3@17~00000000000000ff".parse()?;
/// assert!(token.branch.is_some());
/// # Ok::<(), diptych::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The version of the dataflow.
    pub version: String,
    /// The first epoch that was not delivered.
    pub epoch: Epoch,
    /// The branch that wrote the last delivered epoch; none when no epoch was delivered, or when
    /// there is no log.
    pub branch: Option<Branch>,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.version, At { epoch: self.epoch, branch: self.branch })
    }
}

impl FromStr for Token {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let parts = text.rsplit_once('@');
        let parts = parts.and_then(|(version, epoch)| Some((version, epoch.parse().ok()?)));
        let (version, epoch) = parts.ok_or_else(|| {
            let shown: String = text.chars().take(100).collect();
            Error::new(Kind::Input, format!("{shown:?} is not a token"))
                .remedy("give VERSION@EPOCH~BRANCH, as an earlier answer did")
        })?;
        let At { epoch, branch } = epoch;
        Ok(Token { version: version.to_owned(), epoch, branch })
    }
}

/// A subscription to one view.
pub struct Changes {
    pub(super) shared: Arc<IndexShared>,
    pub(super) view: usize,
    pub(super) from: Epoch,
    /// An epoch that is being delivered in parts.
    pub(super) large: Option<LargeEpoch>,
    /// Changes of whole epochs that were read ahead.
    pub(super) ahead: Option<Ahead>,
}

impl Index {
    /// The changes of a view at every epoch from `from` on, past and to come.
    ///
    /// # Errors
    /// When `from` is not above `since`: the updates there were merged into one.
    pub fn changes(&self, view: usize, from: Epoch) -> Result<Changes> {
        let changes =
            Changes { shared: Arc::clone(&self.shared), view, from, large: None, ahead: None };
        let state = self.shared.state.load_full();
        changes.batches(&state).map(drop)?;
        Ok(changes)
    }

    /// The changes from where an earlier subscription ended.
    ///
    /// # Errors
    /// When the token is of another version, or older than `since`.
    pub fn resume(&self, view: usize, token: &Token) -> Result<Changes> {
        match self.refusal(token) {
            Some(message) => Err(other_version(message)),
            None => self.changes(view, token.epoch),
        }
    }

    /// The token of a subscriber that has received every epoch below `epoch`.
    pub fn token(&self, epoch: Epoch) -> Token {
        self.shared.token(epoch)
    }

    /// The reason why a subscription cannot resume from a token here, if there is one: the token is
    /// of another version, of another history of the log, or of a history from which events have
    /// been erased since.
    pub fn refusal(&self, token: &Token) -> Option<String> {
        let ours = self.generation();
        if token.version == ours {
            return self.shared.other_history(token);
        }
        let version = self.version();
        let same = token
            .version
            .strip_prefix(version)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('~'));
        match &self.shared.options.history {
            Some(Rewritten { mark, at })
                if same && !token.version.ends_with(&format!("~{mark}")) =>
            {
                Some(format!(
                    "events were erased at {at}, and the token {token} is of the history before"
                ))
            }
            _ => Some(format!("the token is of version {}, served is {ours}", token.version)),
        }
    }
}

impl IndexShared {
    fn token(&self, epoch: Epoch) -> Token {
        let branch = self.options.branches.before(epoch);
        Token { version: self.generation.to_string(), epoch, branch }
    }

    fn other_history(&self, token: &Token) -> Option<String> {
        let ours = self.options.branches.before(token.epoch);
        // A subscriber that has received nothing can start from any history.
        if token.epoch == 0 || token.branch == ours {
            return None;
        }
        Some(match token.branch {
            Some(asked) => format!("the token {token} {}", another(asked, ours)),
            None => format!("the token {token} does not say which history of the log it is of"),
        })
    }
}

fn other_version(message: String) -> Error {
    Error::new(Kind::Conflict, message)
        .remedy("take a snapshot of what is served and subscribe from its upper")
}

impl Changes {
    /// The index that the subscription reads.
    pub fn index(&self) -> Index {
        Index { shared: Arc::clone(&self.shared) }
    }

    /// The id of the subscribed view.
    pub fn view(&self) -> usize {
        self.view
    }

    /// The token of the next epoch to deliver.
    pub fn token(&self) -> Token {
        self.shared.token(self.from)
    }

    /// The next epochs with changes, each whole; none when nothing changed before `timeout`. One
    /// call gives at least one epoch and stops after about [`CHANGES_CHUNK`] updates.
    ///
    /// # Errors
    /// When the subscriber fell behind `since`, or another version serves now (all changes of this
    /// one were delivered before).
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Vec<Change>>> {
        let start = Instant::now();
        loop {
            let left = timeout.saturating_sub(start.elapsed());
            if self.shared.wait_beyond(self.from, left) <= self.from {
                let index = Index { shared: Arc::clone(&self.shared) };
                if index.is_retired() {
                    let version = &self.shared.version;
                    let message = format!("version {version} is not served any more");
                    return Err(other_version(message));
                }
                return Ok(None);
            }
            let state = self.shared.state.load_full();
            let batches = self.batches(&state)?;
            let upper = match self.extent(&batches, state.frontier, CHANGES_CHUNK) {
                Extent::Epochs(upper) => upper,
                Extent::Large(epoch) => epoch + 1,
            };
            let changes = collect(&batches, self.from, upper);
            self.from = upper;
            if !changes.is_empty() {
                return Ok(Some(changes));
            }
        }
    }

    /// The batches that hold every update from `from` on, times told apart.
    pub(super) fn batches(&self, state: &IndexState) -> Result<Vec<ViewBatch>> {
        if let Some((batches, _)) = self.recent(state, usize::MAX) {
            return Ok(batches);
        }
        // Times up to `since` may have been moved to it, so the changes at `since` itself are the
        // sum of all before; at 0 there is nothing before.
        let nothing_before = state.since == 0 && state.stored.is_none();
        if self.from <= state.since && !nothing_before {
            return Err(self.too_old(state));
        }
        let batches = state.batches(self.view, state.frontier);
        Ok(batches.filter(|batch| batch.upper_epoch() > self.from).cloned().collect())
    }

    /// Batches as they were published, with at least `enough` updates of each shard from `from`
    /// on, and the epoch where they end; none when the ring has dropped some of them.
    pub(super) fn recent(
        &self,
        state: &IndexState,
        enough: usize,
    ) -> Option<(Vec<ViewBatch>, Epoch)> {
        let mut batches = Vec::new();
        let mut upper = state.frontier;
        for shard in 0..state.shards {
            let at = self.view * state.shards + shard;
            let (some, end) = self.shared.recent.some_since(at, self.from, enough)?;
            batches.extend(some);
            upper = upper.min(end.unwrap_or(upper));
        }
        Some((batches, upper))
    }

    fn too_old(&self, state: &IndexState) -> Error {
        let from = self.from;
        let since = state.since;
        let upper = state.frontier;
        let message =
            format!("the changes at epoch {from} are gone: since is {since}, upper is {upper}");
        Error::new(Kind::Missing, message)
            .remedy("take a snapshot and subscribe from its upper, or recompute from the log")
    }

    /// The extent of the next call: whole epochs that weigh at most `max` updates together, or the
    /// next epoch with any updates, when this epoch alone has more.
    pub(super) fn extent(&self, batches: &[ViewBatch], frontier: Epoch, max: usize) -> Extent {
        let mut counts: BTreeMap<Epoch, usize> = BTreeMap::new();
        for batch in batches {
            batch.for_each(|key, value, time, _| {
                if (self.from..frontier).contains(&time) {
                    *counts.entry(time).or_default() += weight(key, value);
                }
            });
        }
        let mut total = 0;
        for (epoch, count) in counts {
            if total == 0 && count > max {
                return Extent::Large(epoch);
            }
            total += count;
            if total > max {
                return Extent::Epochs(epoch);
            }
        }
        Extent::Epochs(frontier)
    }
}

/// The weight of one update in updates: long rows fill a part sooner.
pub(super) fn weight(key: &[u8], value: &[u8]) -> usize {
    1 + (key.len() + value.len()) / UPDATE_BYTES
}

/// The epochs that one call delivers.
pub(super) enum Extent {
    /// Everything below this epoch.
    Epochs(Epoch),
    /// Nothing before this epoch, which is too large for one call.
    Large(Epoch),
}

/// The updates at times in `[from, upper)`, consolidated, in order.
pub(super) fn collect(batches: &[ViewBatch], from: Epoch, upper: Epoch) -> Vec<Change> {
    let mut updates = Vec::new();
    for batch in batches {
        batch.for_each(|key, value, time, diff| {
            if (from..upper).contains(&time) {
                updates.push(((key.to_vec(), value.to_vec()), time, diff));
            }
        });
    }
    consolidate_updates(&mut updates);
    let change = |((key, value), epoch, diff)| Change { epoch, key, value, diff };
    let mut changes: Vec<Change> = updates.into_iter().map(change).collect();
    changes.sort_unstable();
    changes
}
