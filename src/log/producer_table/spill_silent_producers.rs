//! Silent producers of the table: kept in files, or to be moved there when a segment is sealed.

use super::super::layout::Dir;
use super::super::silent_producers::{RecentlySilent, SilentFiles};
use super::ProducerTable;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits;
use diptych_base::time::Epoch;

impl ProducerTable {
    /// Combines the table of a state file with its files of silent producers.
    pub(crate) fn with_files(mut self, files: SilentFiles) -> ProducerTable {
        self.silent = self.silent.with_files(files);
        self
    }

    pub(crate) fn silent_files(&self) -> &SilentFiles {
        self.silent.files()
    }

    /// Moves the producers silenced since the last segment into a file of the segment that starts
    /// at `lower`; returns them. The file is durable when this returns, the directory is not.
    ///
    /// # Errors
    /// Damage of a file that is merged with it; the disk's error.
    pub(crate) fn seal_silent(&mut self, dir: &Dir, lower: Epoch) -> Result<RecentlySilent> {
        self.silent.seal(dir, lower)
    }

    /// Takes over `files`, which hold `written` and are listed durably.
    pub(crate) fn silent_sealed(&mut self, files: SilentFiles, written: &RecentlySilent) {
        self.silent.sealed(files, written);
    }

    /// Looks up a producer in the files if it is not known by its name.
    pub(super) fn recall(&mut self, id: &str) -> Result<()> {
        if self.producers.contains_key(id) { Ok(()) } else { self.silent.recall(id) }
    }

    /// Drops the results of look-ups in files.
    pub(crate) fn forget_recalled(&mut self) {
        self.silent.forget_recalled();
    }

    /// Whether no further producer is accepted until a segment is sealed.
    pub(crate) fn waits_for_seal(&self) -> bool {
        self.silent.recent().len() >= limits::SILENCED_MAX
    }

    /// Refuses a new named producer when the silent producers that would make room for it do not
    /// fit. `gathered` is the number already in the group.
    pub(super) fn admit(&self, is_new: bool, gathered: usize) -> Result<()> {
        if self.waits_for_seal() {
            let most = limits::SILENCED_MAX;
            let message = format!("{most} silent producers wait for a segment to be sealed");
            return Err(Error::new(Kind::Full, message)
                .remedy("try again soon; if that does not help, free space on the log's disk"));
        }
        let in_memory = self.producers.len() + self.silent.recent().len() + gathered;
        let known = in_memory as u64 + self.silent.files().count();
        if is_new && known >= limits::PRODUCERS_KNOWN_MAX {
            let message = format!("the log knows {} producers", limits::PRODUCERS_KNOWN_MAX);
            return Err(Error::new(Kind::Conflict, message)
                .remedy("use the producers that exist, or append without one"));
        }
        Ok(())
    }
}
