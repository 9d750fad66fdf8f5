//! The pace of automatic checkpoints of a serving process, which bound the cost of a start after a
//! crash.
//!
//! A checkpoint is due when much of the log follows the newest batch view, or when that is old; the
//! pause between two makes them take a small part of the time. A checkpoint is an incremental batch
//! run on a worker of its own and at a lower priority, so no epoch waits for it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use diptych_base::error::{Error, Kind};
use diptych_base::limits::{
    CHECKPOINT_AGE, CHECKPOINT_BYTES_BEHIND, CHECKPOINT_EPOCHS_BEHIND, CHECKPOINT_SHARE,
    CHECKPOINT_SHARE_SHORT, CHECKPOINT_SHORT, CHECKPOINT_STATE_BYTES_MAX, RECOVERY_RETRY,
};
use diptych_base::lock_mutex::lock;
use diptych_batch_view::BatchView;

/// The policy of checkpoints while serving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checkpoints {
    /// No checkpoints.
    #[default]
    Never,
    /// A checkpoint when the newest batch view is older than this, and there are new epochs.
    Every(Duration),
    /// A checkpoint when much of the log follows the newest batch view: more than
    /// [`CHECKPOINT_EPOCHS_BEHIND`] epochs, or [`CHECKPOINT_BYTES_BEHIND`], or when it is older
    /// than [`CHECKPOINT_AGE`]. None of a state of more than [`CHECKPOINT_STATE_BYTES_MAX`], unless
    /// it stays in files.
    Automatic,
}

/// The part of the log that follows the newest batch view.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behind {
    pub(super) epochs: u64,
    pub(super) bytes: u64,
}

/// What the next checkpoint costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cost {
    /// All of the state is in memory a second time meanwhile, and is written.
    AllInMemory,
    /// All of the state is read from files and written again.
    AllInFiles,
    /// What has changed is written: the newest batch view has files of the one before.
    Changes,
}

/// The checkpoints of one dataflow so far.
#[derive(Debug)]
pub(super) struct CheckpointPace {
    /// The time at which the last one was begun.
    begun: Instant,
    /// The time it took; zero before the first.
    took: Duration,
    /// Did it fail? Automatic ones then wait for longer.
    failed: bool,
    /// Bytes of the newest batch view; 0 while unknown.
    pub(super) state: u64,
    cost: Cost,
    /// Was the message that the state is too large given?
    told: bool,
}

impl CheckpointPace {
    pub(super) fn new() -> CheckpointPace {
        CheckpointPace {
            begun: Instant::now(),
            took: Duration::ZERO,
            failed: false,
            state: 0,
            cost: Cost::AllInMemory,
            told: false,
        }
    }

    /// Is a checkpoint due under the policy `when`, with `behind` after the newest batch view?
    pub(super) fn is_due(&self, when: Checkpoints, behind: impl FnOnce() -> Behind) -> bool {
        let age = self.begun.elapsed();
        match when {
            Checkpoints::Never => false,
            Checkpoints::Every(every) => age >= every,
            Checkpoints::Automatic if self.failed => age >= CHECKPOINT_AGE,
            Checkpoints::Automatic if self.is_too_large() => false,
            Checkpoints::Automatic => {
                if age < self.pause() {
                    return false;
                }
                let behind = behind();
                let of_state = if self.cost == Cost::Changes { 0 } else { self.state / 4 };
                age >= CHECKPOINT_AGE
                    || behind.epochs >= CHECKPOINT_EPOCHS_BEHIND
                    || behind.bytes >= CHECKPOINT_BYTES_BEHIND.max(of_state)
            }
        }
    }

    /// May one be begun because too much is in memory? Such checkpoints take half of the time at
    /// most.
    pub(super) fn may_relieve(&self) -> bool {
        let pause = self.took.saturating_mul(2);
        self.begun.elapsed() >= if self.failed { pause.max(RECOVERY_RETRY) } else { pause }
    }

    /// The shortest time from the beginning of the last one to the next.
    fn pause(&self) -> Duration {
        let short = self.took <= CHECKPOINT_SHORT;
        let share = if short { CHECKPOINT_SHARE_SHORT } else { CHECKPOINT_SHARE };
        self.took.saturating_mul(share)
    }

    /// Bytes of state that are in memory a second time while a checkpoint is made.
    pub(super) fn bytes_in_memory(&self) -> u64 {
        if self.cost == Cost::AllInMemory { self.state } else { 0 }
    }

    /// Takes note of the newest batch view, of a dataflow whose state can stay in files or not.
    pub(super) fn know(&mut self, view: &BatchView, can_stay_in_files: bool) {
        self.state = view.bytes().max(1);
        // Files of older formats are loaded.
        let in_files = can_stay_in_files && view.can_be_searched().unwrap_or(false);
        self.cost = match (in_files, view.has_changes()) {
            (false, _) => Cost::AllInMemory,
            (true, false) => Cost::AllInFiles,
            (true, true) => Cost::Changes,
        };
    }

    fn is_too_large(&self) -> bool {
        self.bytes_in_memory() > CHECKPOINT_STATE_BYTES_MAX
    }

    /// The message, given once, that no checkpoints are made because the state is too large.
    pub(super) fn too_large(&mut self, when: Checkpoints) -> Option<Error> {
        let is = when == Checkpoints::Automatic && self.is_too_large();
        if !is || std::mem::replace(&mut self.told, true) {
            return None;
        }
        let has = self.state;
        let max = CHECKPOINT_STATE_BYTES_MAX;
        let message = format!(
            "the batch view has {has} bytes: none is made unasked of more than {max}, since its \
             state is in memory twice meanwhile, and a start after a crash replays what is behind"
        );
        let remedy = "run `batch --incremental` now and then, or serve with --checkpoint-every";
        Some(Error::new(Kind::Stopped, message).remedy(remedy))
    }

    /// Records that a checkpoint begins.
    pub(super) fn begin(&mut self) {
        self.begun = Instant::now();
    }

    /// Records that the checkpoint has ended.
    pub(super) fn end(&mut self, failed: bool) {
        (self.took, self.failed) = (self.begun.elapsed(), failed);
    }
}

/// The checkpoints of all dataflows that are being made: together their state is bounded by
/// [`CHECKPOINT_STATE_BYTES_MAX`], since each is in memory a second time meanwhile.
#[derive(Debug, Default)]
pub(super) struct CheckpointsUnderWay(Mutex<u64>);

/// The room of one checkpoint, until it is dropped.
#[derive(Debug)]
pub(super) struct CheckpointRoom {
    all: Arc<CheckpointsUnderWay>,
    bytes: u64,
}

impl CheckpointsUnderWay {
    /// Room for a checkpoint of so many bytes; none as long as the others leave too little. One
    /// alone always has room.
    pub(super) fn begin(self: &Arc<Self>, bytes: u64) -> Option<CheckpointRoom> {
        // One of unknown size counts, too.
        let bytes = bytes.max(1);
        let mut sum = self.lock();
        let with = sum.saturating_add(bytes);
        if *sum > 0 && with > CHECKPOINT_STATE_BYTES_MAX {
            return None;
        }
        *sum = with;
        Some(CheckpointRoom { all: Arc::clone(self), bytes })
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        lock(&self.0)
    }
}

impl Drop for CheckpointRoom {
    fn drop(&mut self) {
        *self.all.lock() -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUCH: Behind = Behind { epochs: CHECKPOINT_EPOCHS_BEHIND, bytes: 0 };
    const LITTLE: Behind =
        Behind { epochs: CHECKPOINT_EPOCHS_BEHIND - 1, bytes: CHECKPOINT_BYTES_BEHIND - 1 };

    fn pace(age: Duration, took: Duration) -> CheckpointPace {
        let begun = Instant::now().checked_sub(age).expect("the machine has run for long enough");
        CheckpointPace { begun, took, ..CheckpointPace::new() }
    }

    #[test]
    fn one_is_due_when_much_is_behind() {
        let due = |pace: &CheckpointPace, behind| pace.is_due(Checkpoints::Automatic, || behind);
        let second = Duration::from_secs(1);
        let mut young = pace(second, Duration::ZERO);
        assert!(due(&young, MUCH) && !due(&young, LITTLE));
        let bytes = Behind { epochs: 1, bytes: CHECKPOINT_BYTES_BEHIND };
        assert!(due(&young, bytes));
        young.state = 8 * CHECKPOINT_BYTES_BEHIND;
        assert!(!due(&young, bytes), "little beside the state");
        assert!(due(&young, Behind { bytes: 2 * bytes.bytes, ..bytes }));
        // A long checkpoint takes a tenth of the time, a short one a third.
        assert!(!due(&pace(second * 2, second), MUCH));
        assert!(due(&pace(second * 4, second), MUCH));
        assert!(!due(&pace(second * 18, second * 2), MUCH));
        assert!(due(&pace(second * 22, second * 2), MUCH));
        young.failed = true;
        assert!(!due(&young, MUCH));
        let none = || panic!("nobody looks");
        assert!(!young.is_due(Checkpoints::Never, none));
        assert!(young.is_due(Checkpoints::Every(second), none));
        assert!(!young.is_due(Checkpoints::Every(second * 100), none));
    }

    #[test]
    fn memory_is_relieved_half_of_the_time_at_most() {
        let second = Duration::from_secs(1);
        assert!(CheckpointPace::new().may_relieve(), "the first");
        assert!(!pace(second, second).may_relieve());
        assert!(pace(second * 3, second).may_relieve());
        let failed = CheckpointPace { failed: true, ..pace(second, Duration::ZERO) };
        assert!(!failed.may_relieve());
    }

    #[test]
    fn checkpoints_under_way_are_bounded_together() {
        let all = Arc::<CheckpointsUnderWay>::default();
        let large = all.begin(CHECKPOINT_STATE_BYTES_MAX * 2).expect("one alone");
        assert!(all.begin(0).is_none());
        drop(large);
        let half = CHECKPOINT_STATE_BYTES_MAX / 2;
        let first = all.begin(half).expect("room");
        let second = all.begin(half).expect("room");
        assert!(all.begin(1).is_none());
        drop(first);
        assert!(all.begin(half + 1).is_none());
        let third = all.begin(half).expect("room again");
        drop((second, third));
        assert_eq!(*all.lock(), 0);
    }

    #[test]
    fn a_large_state_is_left_alone_and_that_is_said_once() {
        let mut pace = pace(Duration::from_secs(1), Duration::ZERO);
        pace.state = CHECKPOINT_STATE_BYTES_MAX + 1;
        assert!(!pace.is_due(Checkpoints::Automatic, || MUCH));
        assert!(pace.too_large(Checkpoints::Every(CHECKPOINT_AGE)).is_none());
        let error = pace.too_large(Checkpoints::Automatic).expect("said");
        assert!(error.to_string().contains("--checkpoint-every"), "{error}");
        assert!(pace.too_large(Checkpoints::Automatic).is_none());
    }

    #[test]
    fn a_large_state_with_bounded_memory_has_its_checkpoints() {
        let mut pace = pace(Duration::from_secs(1), Duration::ZERO);
        pace.state = CHECKPOINT_STATE_BYTES_MAX + 1;
        pace.cost = Cost::AllInFiles;
        let much = Behind { bytes: pace.state, ..MUCH };
        assert!(pace.is_due(Checkpoints::Automatic, || much));
        assert!(pace.too_large(Checkpoints::Automatic).is_none());
    }
}
