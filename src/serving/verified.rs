//! What is verified: the last epoch at which a recomputation from the events alone proved what is
//! served, and what verifications have found so far.
//!
//! Whoever recomputes, a client's request or a thread in the background, the verdict is given
//! here, and readers of the verified epoch are answered from here: from the recomputation itself,
//! which is at one epoch, so that keeping it costs one copy of the views and does not hold back
//! what the live index may let go.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::compare::{Compared, compare};
use super::index::Index;
use super::lease::lock;
use super::snapshot::{Read, Snapshot};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::Epoch;

/// The verifications of one dataflow.
#[derive(Default)]
pub struct Verified {
    /// The last snapshot that was proved.
    proved: ArcSwapOption<Snapshot>,
    status: Mutex<VerifiedStatus>,
}

/// What verifications have found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifiedStatus {
    /// Verifications that came to a verdict.
    pub total: u64,
    /// Those that found a difference.
    pub differed: u64,
    /// How long the last one took, its recomputation included.
    pub took: Duration,
    /// The epoch at which the last one found a difference; none when it found none.
    pub differs_at: Option<Epoch>,
}

/// What a verification found.
#[derive(Debug)]
pub struct Verdict {
    /// The epoch at which both sides were compared.
    pub epoch: Epoch,
    /// The version of the dataflow.
    pub version: String,
    /// How long it took, the recomputation included.
    pub took: Duration,
    /// The views, by id: what is served on the left, what was recomputed on the right.
    pub views: Vec<Compared>,
}

impl Verdict {
    /// Is what is served what the events say?
    pub fn agrees(&self) -> bool {
        self.views.iter().all(Compared::agrees)
    }
}

impl Verified {
    /// The last snapshot that was proved.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.proved.load_full()
    }

    /// What was found so far.
    pub fn status(&self) -> VerifiedStatus {
        lock(&self.status).clone()
    }

    /// Compares what is served with `fresh`, which was recomputed from the events alone, beginning
    /// at `begun`, up to the same epoch. When they agree, reads of the verified epoch are answered
    /// from the recomputation from now on.
    ///
    /// # Errors
    /// When nothing is complete yet, `fresh` is of another version, or a lease has expired.
    pub fn judge(&self, served: &Snapshot, fresh: &Index, begun: Instant) -> Result<Verdict> {
        let Some(epoch) = served.epoch() else {
            let error = Error::new(Kind::Missing, "there is no complete epoch yet");
            return Err(error.remedy("append events first"));
        };
        let version = served.version().to_owned();
        if fresh.generation() != served.generation() {
            let message = format!("version {} took over meanwhile", fresh.generation());
            return Err(Error::new(Kind::Busy, message).remedy("verify again"));
        }
        let fresh = fresh.snapshot(Read::AsOf(epoch))?;
        let views = compare(served, &fresh)?;
        let verdict = Verdict { epoch, version, took: begun.elapsed(), views };
        let agrees = verdict.agrees();
        let mut status = lock(&self.status);
        status.total += 1;
        status.differed += u64::from(!agrees);
        status.took = verdict.took;
        status.differs_at = (!agrees).then_some(epoch);
        if agrees {
            self.keep(fresh)?;
        }
        Ok(verdict)
    }

    /// Another version serves: what was proved is of no use any more.
    pub(super) fn clear(&self) {
        let mut status = lock(&self.status);
        status.differs_at = None;
        self.proved.store(None);
    }

    /// Called with the status locked: one at a time.
    fn keep(&self, fresh: Snapshot) -> Result<()> {
        let earlier =
            |one: &Snapshot| one.upper() <= fresh.upper() || one.generation() != fresh.generation();
        if self.proved.load().as_ref().is_none_or(|one| earlier(one)) {
            fresh.keep()?;
            self.proved.store(Some(Arc::new(fresh)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IndexOptions, Publish, ViewBatch, ViewInfo};
    use diptych_row::{RowSchema, encode};

    /// A view of `epochs` epochs with one more row in each, the last of which says `last`.
    fn index(epochs: Epoch, last: i64) -> Index {
        let schema = RowSchema::of::<u64, i64>();
        let views = vec![ViewInfo { name: "all".into(), schema }];
        let options =
            IndexOptions { lease_length: Duration::from_millis(100), ..IndexOptions::default() };
        let index = Index::new("1", views, 1, options).expect("an index");
        for epoch in 0..epochs {
            let value = if epoch + 1 == epochs { last } else { 0 };
            let row = ((encode(&epoch), encode(&value)), epoch, 1);
            index.publish(0, 0, ViewBatch::from_updates(epoch, epoch + 1, vec![row]));
        }
        index
    }

    #[test]
    fn what_agrees_is_kept_and_what_differs_is_counted() {
        let verified = Verified::default();
        let judge = |served: &Index, fresh: &Index| {
            let served = served.snapshot(Read::Latest).expect("a snapshot");
            verified.judge(&served, fresh, Instant::now())
        };
        assert!(judge(&index(0, 0), &index(0, 0)).is_err_and(|error| error.is_missing()));
        assert!(judge(&index(3, 7), &index(3, 7)).expect("a verdict").agrees());
        let verdict = judge(&index(4, 7), &index(4, 8)).expect("a verdict");
        let rows = verdict.views[0].texts().expect("rows");
        assert_eq!(rows, ["all (3, 7): 1 times, 0 times", "all (3, 8): 0 times, 1 times"]);
        let VerifiedStatus { total, differed, differs_at, .. } = verified.status();
        assert_eq!((total, differed, differs_at), (2, 1, Some(3)));
        // Kept, though its lease would have ended.
        std::thread::sleep(Duration::from_millis(500));
        let proved = verified.snapshot().expect("the first was proved");
        assert_eq!(proved.epoch(), Some(2));
        assert_eq!(proved.get(0, &encode(&2_u64)).expect("still there"), [(encode(&7_i64), 1)]);
        assert!(judge(&index(5, 7), &index(5, 7)).expect("a verdict").agrees());
        assert_eq!(verified.snapshot().and_then(|one| one.epoch()), Some(4));
        assert_eq!(verified.status().differs_at, None);
        // An earlier one comes late.
        assert!(judge(&index(2, 7), &index(2, 7)).expect("a verdict").agrees());
        assert_eq!(verified.snapshot().and_then(|one| one.epoch()), Some(4));
    }
}
