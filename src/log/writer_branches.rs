//! Branches: which writer wrote which epochs. They distinguish logs that were copied and both
//! written to.
//!
//! Each writer that opens a log draws a branch, and the manifest lists it with the log's end,
//! durably, before the writer's first epoch can be ([`diptych_base::time`] explains the use). The
//! alternative, a digest over all frames up to an epoch, needs no rule for writers, but eight bytes
//! for every epoch, in memory or behind a read for each token; a list of openings is 16 bytes each.
//! An opening that wrote nothing is replaced, and beyond [`BRANCHES_MAX`] the oldest are forgotten.
//! Tokens of a forgotten branch are refused, never accepted.
//!
//! Every way in which logs diverge makes a branch: a backup or a copied directory is opened by a
//! writer, which draws another branch than the original's next writer does, and an original that
//! goes on under its branch ends, in the copy, where the copy's writer begins. A torn tail that is
//! cut was seen by no reader. An erasure draws another identity, and its history begins with it.
//!
//! The list is the part `branches` of the manifest: bincode of pairs, the first epoch and the
//! branch, ascending. A log of an older release has none; its first writer draws one for all
//! existing epochs, because two copies of it may have diverged before.

use super::checksummed_file::{decode, encode};
use super::manifest::Manifest;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::BRANCHES_MAX;
use diptych_base::time::{Branch, Branches, Epoch, another};

/// The name of the part.
pub(super) const PART: &str = "branches";

/// Adds the branch of a writer that continues at `upper`.
pub(super) fn begin(list: &mut Vec<(Epoch, Branch)>, upper: Epoch, branch: Branch) {
    let known = !list.is_empty();
    // A branch without an epoch below the log's end was never written to.
    list.retain(|(first, _)| *first < upper);
    list.push((if known { upper } else { 0 }, branch));
    let over = list.len().saturating_sub(BRANCHES_MAX);
    list.drain(..over);
}

/// The branches as readers use them.
pub(super) fn known(manifest: &Manifest) -> Vec<(Epoch, Branch)> {
    if manifest.branches.is_empty() {
        return vec![(0, Branch(manifest.identity))];
    }
    manifest.branches.clone()
}

/// Refuses a manifest whose epochs below the frontier `upper` are not those of `before`: the files
/// were replaced by those of a diverged log.
pub(super) fn check(before: &Manifest, fresh: &Manifest, upper: Epoch) -> Result<()> {
    let ours = Branches::default();
    let theirs = Branches::default();
    ours.set(before.branches.clone());
    theirs.set(fresh.branches.clone());
    let (Some(ours), Some(theirs)) = (ours.before(upper), theirs.before(upper)) else {
        return Ok(());
    };
    if ours == theirs {
        return Ok(());
    }
    let last = upper.saturating_sub(1);
    let message = format!("epoch {last} {}", another(ours, Some(theirs)));
    Err(Error::new(Kind::Conflict, message).remedy("the log was replaced: start again"))
}

/// Encodes the part.
pub(super) fn to_bytes(list: &[(Epoch, Branch)]) -> Result<Vec<u8>> {
    encode(&list.iter().map(|(first, branch)| (*first, branch.0)).collect::<Vec<_>>())
}

/// Decodes the part; on failure, says what is wrong.
pub(super) fn from_bytes(bytes: &[u8]) -> std::result::Result<Vec<(Epoch, Branch)>, String> {
    let list: Vec<(Epoch, u64)> = decode(bytes).map_err(|error| error.to_string())?;
    if list.is_empty() || !list.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(format!("{} branches that do not follow each other", list.len()));
    }
    Ok(list.into_iter().map(|(first, branch)| (first, Branch(branch))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(pairs: &[(Epoch, u64)]) -> Vec<(Epoch, Branch)> {
        pairs.iter().map(|(first, branch)| (*first, Branch(*branch))).collect()
    }

    #[test]
    fn every_writer_begins_a_branch_and_the_oldest_are_forgotten() {
        let mut branches = Vec::new();
        begin(&mut branches, 7, Branch(1));
        assert_eq!(branches, list(&[(0, 1)]), "a log of before there were branches");
        begin(&mut branches, 7, Branch(2));
        begin(&mut branches, 7, Branch(3));
        assert_eq!(branches, list(&[(0, 1), (7, 3)]), "the second wrote nothing");
        begin(&mut branches, 5, Branch(4));
        assert_eq!(branches, list(&[(0, 1), (5, 4)]), "a backup of before");
        let mut branches = Vec::new();
        begin(&mut branches, 0, Branch(1));
        begin(&mut branches, 0, Branch(2));
        assert_eq!(branches, list(&[(0, 2)]));
        for upper in 1..2 * BRANCHES_MAX as u64 {
            begin(&mut branches, upper, Branch(upper));
        }
        let first = BRANCHES_MAX as u64;
        assert_eq!((branches.len(), branches[0]), (BRANCHES_MAX, (first, Branch(first))));
        assert_eq!(from_bytes(&to_bytes(&branches).expect("bytes")), Ok(branches));
    }

    #[test]
    fn a_list_that_none_would_write_is_refused() {
        for wrong in [&[][..], &[(1, 1), (1, 2)], &[(2, 1), (1, 2)]] {
            let bytes = to_bytes(&list(wrong)).expect("bytes");
            assert!(from_bytes(&bytes).is_err(), "{wrong:?}");
        }
        assert!(from_bytes(&[1, 2, 3]).is_err());
    }
}
