//! Branches: which history an epoch belongs to.
//!
//! A log may be copied and both copies written to: a backup is restored, a directory is copied, a
//! disk is rolled back. From then on the same number is another epoch in each copy. So every
//! process that opens a log for writing draws a *branch*, and the log keeps from which epoch on
//! each branch holds. Two logs agree on all epochs up to and including `e` exactly when the same
//! branch wrote `e` in both: a branch has one writer, which begins where all before it end.
//!
//! An epoch that leaves the process (in a token, a cursor, the position of an append) names its
//! branch, and is accepted only where the log has the same branch for it. An epoch without a branch
//! means the epoch of that number in the log that answers, never a position to continue from.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Epoch;
use crate::error::{Error, Kind, Result};

/// The number of digits of a branch as text.
const DIGITS: usize = 16;

/// Identifies the epochs that one writer appended, from opening the log to closing it.
///
/// ```
/// use diptych::time::Branch;
/// let branch: Branch = "00000000000000ff".parse()?;
/// assert_eq!((branch, branch.to_string().len()), (Branch(255), 16));
/// # Ok::<(), diptych::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Branch(pub u64);

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Branch {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u64::from_str_radix(text, 16).ok().filter(|_| plain && text.len() == DIGITS);
        number.map(Branch).ok_or_else(|| {
            let shown: String = text.chars().take(100).collect();
            let message = format!("{shown:?} names no branch of a log");
            Error::new(Kind::Input, message).remedy("give it as an earlier answer did")
        })
    }
}

/// An epoch and, where known, its branch: `EPOCH` or `EPOCH~BRANCH`.
///
/// ```
/// use diptych::time::{At, Branch};
/// let at: At = "17~00000000000000ff".parse()?;
/// assert_eq!((at.epoch, at.branch), (17, Some(Branch(255))));
/// assert_eq!("17".parse::<At>()?, At::from(17));
/// # Ok::<(), diptych::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The epoch.
    pub epoch: Epoch,
    /// The branch that wrote it; without a branch, the epoch of this number in the log at hand.
    pub branch: Option<Branch>,
}

impl From<Epoch> for At {
    fn from(epoch: Epoch) -> At {
        At { epoch, branch: None }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.branch {
            Some(branch) => write!(f, "{}~{branch}", self.epoch),
            None => write!(f, "{}", self.epoch),
        }
    }
}

impl FromStr for At {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let (epoch, branch) = match text.split_once('~') {
            Some((epoch, branch)) => (epoch, Some(branch.parse()?)),
            None => (text, None),
        };
        // A sign is no digit: each epoch has exactly one text.
        let digits = epoch.bytes().all(|byte| byte.is_ascii_digit());
        let epoch = epoch.parse().ok().filter(|_| digits).ok_or_else(|| {
            let shown: String = text.chars().take(100).collect();
            Error::new(Kind::Input, format!("{shown:?} is no epoch"))
                .remedy("give its number, or EPOCH~BRANCH as an earlier answer did")
        })?;
        Ok(At { epoch, branch })
    }
}

/// The branches of a log, each with its first epoch. Clones are handles to one list, which grows
/// when another writer opens the log. Without a log the list is empty.
#[derive(Clone, Debug, Default)]
pub struct Branches(Arc<ArcSwap<Vec<(Epoch, Branch)>>>);

impl Branches {
    /// The branch of `epoch`, sealed or to come; none below what the log remembers.
    pub fn of(&self, epoch: Epoch) -> Option<Branch> {
        let list = self.0.load();
        let behind = list.partition_point(|(first, _)| *first <= epoch);
        behind.checked_sub(1).map(|at| list[at].1)
    }

    /// The branch of the last epoch below the frontier `upper`; none when there is no epoch below.
    pub fn before(&self, upper: Epoch) -> Option<Branch> {
        upper.checked_sub(1).and_then(|last| self.of(last))
    }

    /// `epoch` with its branch in this log.
    pub fn at(&self, epoch: Epoch) -> At {
        At { epoch, branch: self.of(epoch) }
    }

    /// Why an epoch does not belong to this log, if so: a sentence that names both branches.
    pub fn objection(&self, at: At) -> Option<String> {
        let asked = at.branch?;
        let ours = self.of(at.epoch);
        (ours != Some(asked)).then(|| format!("epoch {} {}", at.epoch, another(asked, ours)))
    }

    /// Refuses an epoch that does not belong to this log.
    ///
    /// # Errors
    /// A conflict that names both branches.
    pub fn check(&self, at: At) -> Result<()> {
        let Some(message) = self.objection(at) else { return Ok(()) };
        Err(Error::new(Kind::Conflict, message).remedy(
            "read the latest epoch, and append again what is missing there, as new requests",
        ))
    }

    /// Replaces the list, whose epochs must ascend.
    pub fn set(&self, list: Vec<(Epoch, Branch)>) {
        debug_assert!(list.is_sorted_by(|a, b| a.0 < b.0), "{list:?}");
        if **self.0.load() != list {
            self.0.store(Arc::new(list));
        }
    }
}

/// The objection to an epoch of another history, in words that follow its name.
pub fn another(asked: Branch, ours: Option<Branch>) -> String {
    match ours {
        Some(ours) => format!(
            "is of another history of the log: branch {asked} wrote it, and {ours} wrote the one \
             here (the log was restored, rolled back or copied in between)"
        ),
        None => format!(
            "names branch {asked} of the log, and the log does not remember so far back who wrote"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_of_the_last_branch_that_began_at_or_below_it() {
        let branches = Branches::default();
        assert_eq!((branches.of(0), branches.before(5)), (None, None));
        let other = branches.clone();
        other.set(vec![(3, Branch(7)), (5, Branch(8))]);
        let of = [2, 3, 4, 5, Epoch::MAX].map(|epoch| branches.of(epoch).map(|branch| branch.0));
        assert_eq!(of, [None, Some(7), Some(7), Some(8), Some(8)]);
        assert_eq!(branches.before(5), Some(Branch(7)));
        assert_eq!(branches.before(0), None);
        for (epoch, branch, good) in
            [(4, Some(7), true), (4, Some(8), false), (2, Some(7), false), (2, None, true)]
        {
            let at = At { epoch, branch: branch.map(Branch) };
            let checked = branches.check(at);
            assert!(checked.is_ok() == good, "{at}: {checked:?}");
            assert!(good || checked.is_err_and(|error| error.is_conflict()), "{at}");
        }
    }

    #[test]
    fn text_is_an_epoch_and_a_branch_or_neither() {
        let most = format!("{}~{}", Epoch::MAX, Branch(u64::MAX));
        assert_eq!(most.parse::<At>().expect("a place").to_string(), most);
        let wrong = [
            "",
            "~",
            "1~",
            "~0000000000000001",
            "+1",
            "-1",
            "1~1",
            "1~000000000000000G",
            "1~+000000000000001",
            "1~00000000000000FF",
            "18446744073709551616",
            "1~0000000000000001~0000000000000001",
            "1 ",
        ];
        for text in wrong {
            assert!(text.parse::<At>().is_err_and(|error| error.kind() == Kind::Input), "{text}");
        }
    }
}
