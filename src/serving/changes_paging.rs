//! Paging of changes: parts of bounded size, so that a slow reader makes the server hold little.

use std::collections::VecDeque;

use super::changes::{Change, Changes, Extent, collect, weight};
use super::merge_page::merge_page;
use super::page::Cursor;
use super::row::Row;
use super::view_batch::ViewBatch;
use diptych_base::error::Result;
use diptych_base::limits::READ_AHEAD_UPDATES;
use diptych_base::time::Epoch;
use diptych_row::ByteRange;

/// One part of a subscription's changes, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesPage {
    /// The changes; of one epoch only when it is not `complete`. The part that completes a large
    /// epoch may be empty.
    pub changes: Vec<Change>,
    /// Were all epochs of these changes delivered whole with this part? Otherwise the next part is
    /// of the same epoch, and the [token](Changes::token) stays at it.
    pub complete: bool,
}

/// An epoch with more changes than one part holds.
pub(super) struct LargeEpoch {
    epoch: Epoch,
    batches: Vec<ViewBatch>,
    behind: Option<Cursor>,
}

/// Changes of whole epochs that were read before they were asked for.
pub(super) struct Ahead {
    changes: VecDeque<Change>,
    /// The first epoch after these changes.
    upper: Epoch,
}

impl Changes {
    /// The next changes: whole epochs, or a part of an epoch that alone has more than `max`
    /// updates, of which long ones count as several. None when nothing changed up to the frontier;
    /// the token is then at the frontier. Never waits.
    ///
    /// Changes that need a search through merged batches are read ahead, some parts at a time.
    /// Between the parts of one epoch its batches are held, even when the index has merged them.
    ///
    /// # Errors
    /// When the subscriber fell behind `since`; not between the parts of an epoch.
    pub fn part(&mut self, max: usize) -> Result<Option<ChangesPage>> {
        loop {
            if self.large.is_some() {
                match self.large_part(max)? {
                    Some(part) => return Ok(Some(part)),
                    None => continue,
                }
            }
            if let Some(ahead) = self.ahead.take() {
                if let Some(part) = self.next_ahead(ahead, max)? {
                    return Ok(Some(part));
                }
                continue;
            }
            let state = self.shared.state.load_full();
            if state.frontier <= self.from {
                return Ok(None);
            }
            let recent = self.recent(&state, max);
            let (most, (batches, upper)) = match recent {
                Some(recent) => (max, recent),
                // A search through all merged batches costs as much for several parts as for one.
                None => (max.max(READ_AHEAD_UPDATES), (self.batches(&state)?, state.frontier)),
            };
            match self.extent(&batches, upper, most) {
                Extent::Epochs(upper) => {
                    let changes = collect(&batches, self.from, upper).into();
                    self.ahead = Some(Ahead { changes, upper });
                }
                Extent::Large(epoch) => self.begin_large(epoch, batches),
            }
        }
    }

    /// Whole epochs from the changes read ahead; none when nothing is left, or when the next epoch
    /// is too large for one part.
    fn next_ahead(&mut self, mut ahead: Ahead, max: usize) -> Result<Option<ChangesPage>> {
        let mut count = 0;
        let mut weighs = 0;
        let mut rest = ahead.changes.make_contiguous().chunk_by(|a, b| a.epoch == b.epoch);
        let mut next = rest.next();
        while let Some(epoch) = next {
            let more = epoch.iter().map(|change| weight(&change.key, &change.value)).sum::<usize>();
            if count > 0 && weighs + more > max {
                break;
            }
            if more > max {
                let epoch = epoch[0].epoch;
                let batches = self.batches(&self.shared.state.load_full())?;
                self.begin_large(epoch, batches);
                return Ok(None);
            }
            (count, weighs) = (count + epoch.len(), weighs + more);
            next = rest.next();
        }
        let goes_on = next.map(|epoch| epoch[0].epoch);
        self.from = goes_on.unwrap_or(ahead.upper);
        let changes: Vec<Change> = ahead.changes.drain(..count).collect();
        self.ahead = goes_on.map(|_| ahead);
        Ok((!changes.is_empty()).then_some(ChangesPage { changes, complete: true }))
    }

    fn begin_large(&mut self, epoch: Epoch, batches: Vec<ViewBatch>) {
        self.from = epoch;
        self.large = Some(LargeEpoch { epoch, batches, behind: None });
    }

    /// Drops the changes read ahead, for a reader that pauses; they are read again later.
    pub fn relax(&mut self) {
        self.ahead = None;
    }

    /// The next part of the large epoch; none when its updates cancelled to nothing.
    fn large_part(&mut self, max: usize) -> Result<Option<ChangesPage>> {
        let Some(large) = self.large.as_mut() else { return Ok(None) };
        let epoch = large.epoch;
        let at_epoch = |batch: &ViewBatch, value| {
            batch.updates_of(value).filter(|(time, _)| *time == epoch).map(|(_, diff)| diff).sum()
        };
        let batches = large.batches.iter().filter(|batch| batch.keys() > 0);
        let page = merge_page(batches, &ByteRange::all(), large.behind.as_ref(), max, at_epoch)?;
        let complete = page.next.is_none();
        let first = large.behind.is_none();
        large.behind = page.next;
        if complete {
            self.large = None;
            self.from = epoch + 1;
        }
        let change =
            |row: Row| Change { epoch, key: row.key, value: row.value, diff: row.multiplicity };
        let changes: Vec<Change> = page.rows.into_iter().map(change).collect();
        Ok((!first || !complete || !changes.is_empty())
            .then_some(ChangesPage { changes, complete }))
    }

    /// Does the next part cost little: was it read ahead, or is everything from here on among the
    /// latest updates?
    pub fn is_at_hand(&self) -> bool {
        if self.ahead.is_some() {
            return true;
        }
        let lists = self.view * self.shared.shards..(self.view + 1) * self.shared.shards;
        lists.into_iter().all(|at| self.shared.recent.reaches(at, self.from))
    }

    /// Has a later version taken over, and was everything of this one delivered?
    pub fn is_over(&self) -> bool {
        let index = self.index();
        // In this order: the frontier of a retired index does not move any more.
        index.is_retired()
            && self.large.is_none()
            && self.ahead.is_none()
            && self.from >= index.frontier()
    }
}
