//! Runs: a batch view that continues an earlier one takes over its files, and adds what changed.
//!
//! Run 0 of an accumulation or a view has everything, each later run what has changed since the one
//! before: of an accumulation the entries that are others now, whole, and the places that have none
//! any more; of a view the rows whose multiplicities are others, with the differences. A batch view
//! keeps earlier runs under names of its own (hard links), so it costs what has changed, and each
//! batch view can be removed without the others.
//!
//! The runs above the first small one are merged with what changed into the new run, so that a run
//! is at least [`RUN_RATIO`] times as large as all above it together: there are few runs, and a
//! row is written again a bounded number of times (an LSM tree with lazy levels: O'Neil et al.,
//! "The log-structured merge-tree", 1996). Where that reaches run 0, everything is written anew.
//!
//! NOT taken over is anything where the file system has one name for each file.

use std::collections::BTreeMap;
use std::path::Path;

use super::manifest::{Meta, PartFile};
use super::paths::{self, PartKind};
use super::reader::BatchView;
use diptych_base::error::Result;
use diptych_base::io::Disk;
use diptych_base::limits::{RUN_RATIO, RUNS_MAX};
use diptych_base::time::Epoch;
use diptych_row::Digest;

/// What a new batch view takes over from the one that it continues.
#[derive(Debug)]
pub(super) struct Continued {
    pub(super) earlier: BatchView,
    runs: BTreeMap<(PartKind, String), NewRun>,
    kept: Vec<PartFile>,
}

/// The run of an accumulation or a view that a new batch view writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewRun {
    /// Its number; the runs of the earlier batch view from this on are merged into it.
    pub(super) number: u64,
    /// The digest of the merged runs: how they change that of the contents below.
    pub(super) digest: Digest,
    /// The rows, counted with multiplicity, or entries that the merged runs add.
    pub(super) added: i64,
}

impl Continued {
    /// Decides what the batch view at `boundary`, in the directory `dir`, takes over from
    /// `earlier`, and takes it; none where the file system cannot, or where the files of `earlier`
    /// are gone.
    ///
    /// # Errors
    /// What the disk reports. Names that were made are left to the caller, who removes the
    /// unfinished batch view.
    pub(super) fn take(
        disk: &dyn Disk,
        dir: &Path,
        boundary: Epoch,
        earlier: &BatchView,
    ) -> Result<Option<Continued>> {
        let mut continued =
            Continued { earlier: earlier.clone(), runs: BTreeMap::new(), kept: Vec::new() };
        match continued.take_all(disk, dir, boundary) {
            Ok(true) if !continued.runs.is_empty() => return Ok(Some(continued)),
            Err(error) if !error.is_missing() => return Err(error),
            Ok(_) | Err(_) => {}
        }
        continued.kept.iter().try_for_each(|part| disk.remove(&dir.join(&part.file)))?;
        Ok(None)
    }

    /// Takes over what is to be kept; false when the file system cannot.
    fn take_all(&mut self, disk: &dyn Disk, dir: &Path, boundary: Epoch) -> Result<bool> {
        let earlier = self.earlier.clone();
        // Where accumulations of older formats cannot be searched, all are in memory.
        if !earlier.can_be_searched()? {
            return Ok(false);
        }
        let mut all: BTreeMap<(PartKind, String), Vec<&PartFile>> = BTreeMap::new();
        for part in earlier.all_parts() {
            all.entry((part.kind, part.name.clone())).or_default().push(part);
        }
        for (contents, parts) in all {
            let number = first_merged(&sizes(&parts));
            // Older formats count the rows of a view otherwise: it is written whole once.
            let is_counted = contents.0 == PartKind::Accumulation || earlier.counts_multiplicity();
            if number == 0 || !is_counted {
                continue;
            }
            let (merged, kept): (Vec<_>, Vec<_>) =
                parts.into_iter().partition(|part| part.run >= number);
            let digest =
                merged.iter().fold(Digest::default(), |digest, part| digest.plus(part.digest));
            let added = merged.iter().fold(0_i64, |added, part| added.saturating_add(part.added));
            for part in kept {
                let file = paths::part(boundary, (part.kind, &part.name), part.worker, part.run);
                if !disk.link(&earlier.dir().join(&part.file), &dir.join(&file))? {
                    return Ok(false);
                }
                self.kept.push(PartFile { file, ..part.clone() });
            }
            self.runs.insert(contents, NewRun { number, digest, added });
        }
        Ok(true)
    }

    /// The run of changes of an accumulation or a view; none when it is written whole.
    pub(super) fn run(&self, kind: PartKind, name: &str) -> Option<NewRun> {
        self.runs.get(&(kind, name.to_owned())).copied()
    }

    /// The parts that are taken over, under their new names: those of contents that the new batch
    /// view has, too, and those of others.
    pub(super) fn into_kept(self, meta: &Meta) -> (Vec<PartFile>, Vec<PartFile>) {
        self.kept.into_iter().partition(|part| match part.kind {
            PartKind::Accumulation => meta.barriers.iter().any(|one| one.name == part.name),
            PartKind::View => meta.views.iter().any(|one| one.name == part.name),
        })
    }
}

/// The bytes of each run, oldest first.
fn sizes(parts: &[&PartFile]) -> Vec<u64> {
    let mut sizes: BTreeMap<u64, u64> = BTreeMap::new();
    for part in parts {
        let size = sizes.entry(part.run).or_default();
        *size = size.saturating_add(part.bytes);
    }
    // Runs are numbered without gaps; where they are not, everything is written anew.
    let gapless = sizes.keys().copied().eq(0..sizes.len() as u64);
    if gapless { sizes.into_values().collect() } else { Vec::new() }
}

/// The first run to be merged with all after it, of runs of these sizes, oldest first.
fn first_merged(sizes: &[u64]) -> u64 {
    let mut first = sizes.len().min(RUNS_MAX - 1);
    let mut above = 0_u64;
    for (run, size) in sizes.iter().enumerate().rev() {
        if above.saturating_mul(RUN_RATIO) >= *size {
            first = first.min(run);
        }
        above = above.saturating_add(*size);
    }
    first as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn large_runs_stay() {
        assert_eq!(first_merged(&[]), 0);
        assert_eq!(first_merged(&[1_000]), 1);
        assert_eq!(first_merged(&[1_000, 400]), 2);
        assert_eq!(first_merged(&[1_000, 400, 10]), 3);
        assert_eq!(first_merged(&[1_000, 10, 10]), 1);
        assert_eq!(first_merged(&[1_000, 400, 100]), 0);
        assert_eq!(first_merged(&[1_000, 0]), 1);
    }

    proptest! {
        /// Whatever changes, there are few runs, and what is written is bounded.
        #[test]
        fn there_are_few_runs(changes in prop::collection::vec(1_u64..1_000, 1..200)) {
            let mut runs = vec![1_000_000_u64];
            for change in changes {
                let first = first_merged(&runs) as usize;
                let new = runs.drain(first..).sum::<u64>() + change;
                runs.push(new);
                prop_assert!(runs.len() <= RUNS_MAX);
                // All but the newest, which is merged the next time.
                for (at, size) in runs[..runs.len() - 1].iter().enumerate() {
                    let above: u64 = runs[at + 1..runs.len() - 1].iter().sum();
                    prop_assert!(above * RUN_RATIO < *size || runs.len() == RUNS_MAX, "{runs:?}");
                }
            }
        }
    }
}
