//! Finds the epoch of a moment of the wall clock, also when the clock jumped.
//!
//! Clocks are recorded and never order anything: a machine's clock may jump ahead, stop, go back,
//! and be set right again. The epoch of a moment is the *last* one whose clock is at or before it.
//! While the clocks never go back, that is also the one before the first whose clock is later.
//! Where they do, the two differ, and the answer reports it: the chosen epoch is the last after
//! which every epoch is also later by its clock (the lower envelope of the clocks, which is
//! monotone).

use std::collections::HashMap;

use super::manifest::SegmentEntry;
use super::reader::Reader;
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// The epoch of a moment of the wall clock, and whether the clock jumped near it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtTime {
    /// The last epoch whose clock is at or before the moment; none when all clocks are later.
    pub epoch: Option<Epoch>,
    /// The first epoch before it whose clock is later than the moment, if there is one: then the
    /// clock has jumped, and whether the epochs from there on belong to the moment is a guess.
    pub jumped: Option<Epoch>,
}

impl AtTime {
    /// The warning for a moment near which the clock jumped.
    pub fn warning(&self) -> Option<String> {
        let epoch = self.epoch?;
        let jumped = self.jumped?;
        Some(format!(
            "the clock of the log jumped: epoch {epoch} is the last one whose clock is at or \
             before that time, but epoch {jumped}, before it, has a later clock"
        ))
    }
}

/// The least clocks of segments read so far, by first epoch and number of rewrites. (Rewriting
/// keeps the clocks, though not the epoch file.)
pub(super) type LeastClocks = HashMap<(Epoch, u32), i64>;

impl Reader {
    /// The epoch of the moment `clock_us` (microseconds since 1970, UTC) among the durable ones
    /// below `below`.
    ///
    /// Looks once at each segment after the answer. The first time it reads their epoch files; what
    /// it needs of them, 24 bytes each, is kept for as long as the reader.
    ///
    /// # Errors
    /// Damage, or the disk's error.
    pub fn at_time(&self, clock_us: i64, below: Epoch) -> Result<AtTime> {
        let mut view = self.view();
        view.refresh(self.dir())?;
        let below = below.min(view.upper);
        let frames = || {
            let all = view.frames.iter().flat_map(|index| &index.frames);
            all.map(|frame| (frame.epoch, frame.clock_us)).take_while(|(epoch, _)| *epoch < below)
        };
        let later_frame = frames().find(|(_, clock)| *clock > clock_us).map(|(epoch, _)| epoch);
        let in_time = frames().filter(|(_, clock)| *clock <= clock_us).last();
        let in_time = in_time.map(|(epoch, _)| epoch);
        let segments: Vec<SegmentEntry> =
            view.manifest.segments.iter().filter(|s| s.lower < below).cloned().collect();
        let identity = view.manifest.identity;
        drop(view);
        let epoch = match in_time {
            Some(epoch) => Some(epoch),
            None => self.last_sealed(identity, &segments, clock_us, below)?,
        };
        let Some(last) = epoch else { return Ok(AtTime { epoch, jumped: None }) };
        let later = segments.iter().find(|s| s.lower < last && s.clock_max > clock_us);
        let mut jumped = None;
        if let Some(segment) = later {
            let table = self.table(identity, segment)?;
            let at = table.epochs.iter().position(|record| record.clock_us > clock_us);
            jumped = at.map(|at| segment.lower + at as Epoch);
        }
        let jumped = jumped.or(later_frame).filter(|jumped| *jumped < last);
        Ok(AtTime { epoch, jumped })
    }

    /// The last epoch of these segments whose clock is at or before `clock_us`.
    fn last_sealed(
        &self,
        identity: u64,
        segments: &[SegmentEntry],
        clock_us: i64,
        below: Epoch,
    ) -> Result<Option<Epoch>> {
        for segment in segments.iter().rev() {
            let whole = segment.upper <= below;
            if whole && segment.clock_max <= clock_us {
                return Ok(segment.upper.checked_sub(1));
            }
            let key = (segment.lower, segment.rewritten);
            let known = self.least_clocks().get(&key).copied();
            if known.is_some_and(|least| least > clock_us) {
                continue;
            }
            let table = self.table(identity, segment)?;
            let least = table.epochs.iter().map(|record| record.clock_us).min();
            self.least_clocks().insert(key, least.unwrap_or(i64::MAX));
            let count = below.min(segment.upper) - segment.lower;
            let records = &table.epochs[..count as usize];
            if let Some(at) = records.iter().rposition(|record| record.clock_us <= clock_us) {
                return Ok(Some(segment.lower + at as Epoch));
            }
        }
        Ok(None)
    }

    /// The first durable epoch from which on every clock is at or past `clock_us`; upper if there
    /// is none. Earlier epochs may have later clocks, where the clock jumped.
    ///
    /// # Errors
    /// As [`at_time`](Reader::at_time).
    pub fn epoch_at(&self, clock_us: i64) -> Result<Epoch> {
        let Some(before) = clock_us.checked_sub(1) else { return Ok(self.lower()) };
        let last = self.at_time(before, Epoch::MAX)?.epoch;
        Ok(last.map_or_else(|| self.lower(), |last| last + 1))
    }
}
