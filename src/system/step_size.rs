//! The size of the steps of a batch run: as many events as the memory allowed bears.
//!
//! The memory that events take depends on the dataflow and on what they say, so it is measured. The
//! first step is small; each next one has as many events as would have taken half of the memory
//! allowed, by the figures of the last: at most twice as many, and at least a quarter, within
//! bounds.
//!
//! What is measured is the memory of the process beyond that at the start of the run and a slack,
//! so whatever grows beside it makes the steps smaller. NOT measured where the platform does not
//! tell: steps keep the size of the first there.

use diptych_base::limits::{
    BATCH_STEP_SHARE_FIRST, BATCH_STEP_SHARE_LEAST, BATCH_STEP_SHARE_MOST, BATCH_STEP_SLACK_BYTES,
};

/// The size of the next step, in bytes that its events have in the log.
#[derive(Debug)]
pub(super) struct StepSize {
    bytes: u64,
    /// The memory allowed.
    memory: u64,
    /// The memory that the process had at the start.
    at_start: Option<u64>,
}

impl StepSize {
    /// The size of the first step of a run that may take `memory` bytes, in a process that has
    /// `at_start`.
    pub(super) fn new(memory: u64, at_start: Option<u64>) -> StepSize {
        StepSize { bytes: memory / BATCH_STEP_SHARE_FIRST, memory, at_start }
    }

    /// The size of the next step.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes note of a step whose events have `events` bytes, and of the most memory that the
    /// process had meanwhile.
    pub(super) fn learn(&mut self, events: u64, most: Option<u64>) {
        let (Some(at_start), Some(most)) = (self.at_start, most) else { return };
        let used = most.saturating_sub(at_start).saturating_sub(BATCH_STEP_SLACK_BYTES);
        let fitting = u128::from(events) * u128::from(self.memory / 2) / u128::from(used.max(1));
        let fitting = u64::try_from(fitting).unwrap_or(u64::MAX);
        let next = fitting.clamp(self.bytes / 4, self.bytes.saturating_mul(2));
        let least = self.memory / BATCH_STEP_SHARE_LEAST;
        self.bytes = next.clamp(least, self.memory / BATCH_STEP_SHARE_MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// The sizes of ten steps whose events take `times` their bytes.
    fn steps(memory: u64, times: u64) -> Vec<u64> {
        let mut size = StepSize::new(memory, Some(50 * MIB));
        let mut steps = Vec::new();
        for _ in 0..10 {
            steps.push(size.bytes());
            size.learn(
                size.bytes(),
                Some(50 * MIB + BATCH_STEP_SLACK_BYTES + size.bytes() * times),
            );
        }
        steps
    }

    #[test]
    fn steps_grow_to_half_of_the_memory() {
        for times in [1, 5, 10, 25, 60, 200] {
            let steps = steps(256 * MIB, times);
            assert_eq!(steps[0], 4 * MIB);
            let last = steps[9] * times;
            let most = steps[9] == 32 * MIB;
            let least = steps[9] == 2 * MIB;
            let fits = (100 * MIB..=128 * MIB).contains(&last);
            assert!(fits || most && last <= 128 * MIB || least, "{times}: {steps:?}");
            assert!(steps.windows(2).all(|two| two[1] <= 2 * two[0]), "{steps:?}");
        }
    }

    #[test]
    fn steps_are_bounded_whatever_is_measured() {
        for times in [0, 1, u64::from(u32::MAX)] {
            for step in steps(256 * MIB, times) {
                assert!((2 * MIB..=32 * MIB).contains(&step), "{step}");
            }
        }
        let mut size = StepSize::new(0, Some(0));
        size.learn(u64::MAX, Some(u64::MAX));
        assert_eq!(size.bytes(), 0);
        // Nothing is known, or less than at the start is measured.
        let mut size = StepSize::new(64 * MIB, None);
        size.learn(MIB, Some(1 << 40));
        assert_eq!(size.bytes(), MIB);
        let mut size = StepSize::new(64 * MIB, Some(1 << 40));
        size.learn(MIB, Some(1));
        assert_eq!(size.bytes(), 2 * MIB);
    }
}
