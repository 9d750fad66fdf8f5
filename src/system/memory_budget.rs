//! The memory that the dataflows of a process may take, where their state can stay in files.
//!
//! Each dataflow tells what its index and its accumulations have in memory. When all together have
//! more than the budget, a checkpoint is due of each that has more than its share: what the files
//! have then leaves memory. NOT bounded is what comes while a checkpoint is written, and state that
//! cannot be left in files, which counts all the same.

use std::collections::HashMap;
use std::sync::Mutex;

use diptych_base::lock_mutex::lock;

/// The budget of a process, and what its dataflows have of it.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    /// None: any number.
    bytes: Option<u64>,
    taken: Mutex<HashMap<String, Taken>>,
}

#[derive(Clone, Copy, Debug)]
struct Taken {
    bytes: u64,
    /// Can the state leave memory?
    movable: bool,
}

impl MemoryBudget {
    pub(super) fn new(bytes: Option<u64>) -> MemoryBudget {
        MemoryBudget { bytes, taken: Mutex::default() }
    }

    /// Records what `dataflow` has in memory, if that is bounded; gives whether some has to leave.
    pub(super) fn tell(&self, dataflow: &str, movable: bool, bytes: impl FnOnce() -> u64) -> bool {
        let Some(budget) = self.bytes else { return false };
        let bytes = bytes();
        let mut taken = lock(&self.taken);
        taken.insert(dataflow.to_owned(), Taken { bytes, movable });
        let all = taken.values().fold(0_u64, |sum, one| sum.saturating_add(one.bytes));
        let sharing = taken.values().filter(|one| one.movable).count() as u64;
        movable && all > budget && bytes > budget / sharing.max(1)
    }

    /// Forgets a dataflow that is served no more.
    pub(super) fn forget(&self, dataflow: &str) {
        lock(&self.taken).remove(dataflow);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_with_more_than_their_share_leave_memory() {
        let budget = MemoryBudget::new(Some(100));
        let tell = |name, bytes, movable| budget.tell(name, movable, || bytes);
        assert!(!tell("a", 100, true), "all of it");
        assert!(tell("a", 101, true));
        assert!(!tell("b", 40, true), "less than its half");
        assert!(tell("a", 61, true));
        assert!(!tell("a", 60, true), "together just the budget");
        assert!(!tell("c", 90, false), "it cannot");
        assert!(tell("a", 60, true), "because of another");
        budget.forget("c");
        assert!(!tell("a", 60, true));
    }

    #[test]
    fn without_a_budget_nothing_has_to_leave() {
        assert!(!MemoryBudget::new(None).tell("a", true, || panic!("nobody looks")));
    }
}
