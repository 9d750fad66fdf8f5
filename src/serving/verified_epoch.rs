//! Verification of the served views: the last epoch at which a recomputation from the events alone
//! agreed with them, and the results of all verifications so far.
//!
//! A client's request or a background thread recomputes; the verdict is given here in both cases.
//! Reads of the verified epoch are answered from the recomputation itself, which is at one epoch:
//! keeping it costs one copy of the views and does not hold back compaction of the live index.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::compare_computations::{Compared, compare};
use super::snapshot::{Read, Snapshot};
use super::view_index::Index;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;

/// The verifications of one dataflow.
#[derive(Default)]
pub struct Verified {
    /// The last snapshot that was proved.
    proved: ArcSwapOption<Snapshot>,
    status: Mutex<VerifiedStatus>,
}

/// The results of the verifications so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifiedStatus {
    /// Verifications that came to a verdict.
    pub total: u64,
    /// Verifications that found a difference.
    pub differed: u64,
    /// The duration of the last one, its recomputation included.
    pub took: Duration,
    /// The epoch at which the last one found a difference; none when it found none.
    pub differs_at: Option<Epoch>,
}

/// The verdict of one verification.
#[derive(Debug)]
pub struct Verdict {
    /// The epoch at which both sides were compared.
    pub epoch: Epoch,
    /// The version of the dataflow.
    pub version: String,
    /// The duration of the verification, the recomputation included.
    pub took: Duration,
    /// The views, by id: the served one on the left, the recomputed one on the right.
    pub views: Vec<Compared>,
}

impl Verdict {
    /// Do all served views agree with the recomputed ones?
    pub fn agrees(&self) -> bool {
        self.views.iter().all(Compared::agrees)
    }
}

impl Verified {
    /// The last snapshot that was proved.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.proved.load_full()
    }

    /// The results so far.
    pub fn status(&self) -> VerifiedStatus {
        lock(&self.status).clone()
    }

    /// Compares the `served` snapshot with `fresh`, which was recomputed from the events alone,
    /// beginning at `begun`, up to the same epoch. When they agree, reads of the verified epoch are
    /// answered from the recomputation from now on.
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

    /// Drops the proved snapshot, because another version serves now.
    pub(super) fn clear(&self) {
        let mut status = lock(&self.status);
        status.differs_at = None;
        self.proved.store(None);
    }

    /// Keeps `fresh` as the proved snapshot. Called with the status locked: one call at a time.
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

    /// An index of `epochs` epochs with one more row in each, the last with the value `last`.
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
