//! The producers of the table that are in files, or will be when a segment is sealed.

use super::super::layout::Dir;
use super::super::silent_producers::{Files, Recent};
use super::State;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits;
use diptych_base::time::Epoch;

impl State {
    /// The table of a state file, with the files that go with it.
    pub(crate) fn with_files(mut self, files: Files) -> State {
        self.silent = self.silent.with_files(files);
        self
    }

    pub(crate) fn silent_files(&self) -> &Files {
        self.silent.files()
    }

    /// Moves the producers that were silenced since the last segment into a file of the segment
    /// that starts at `lower`; gives them back. The file is durable when this returns, the
    /// directory is not.
    ///
    /// # Errors
    /// Damage of a file that is merged with it; what the disk reports.
    pub(crate) fn seal_silent(&mut self, dir: &Dir, lower: Epoch) -> Result<Recent> {
        self.silent.seal(dir, lower)
    }

    /// `written` are in `files` now, and those are listed durably.
    pub(crate) fn silent_sealed(&mut self, files: Files, written: &Recent) {
        self.silent.sealed(files, written);
    }

    /// Looks into the files for a producer that is not known by its name.
    pub(super) fn recall(&mut self, id: &str) -> Result<()> {
        if self.producers.contains_key(id) { Ok(()) } else { self.silent.recall(id) }
    }

    /// Forgets what was looked for in files.
    pub(crate) fn forget_recalled(&mut self) {
        self.silent.forget_recalled();
    }

    /// Whether no further producer is named until a segment is sealed.
    pub(crate) fn waits_for_seal(&self) -> bool {
        self.silent.recent().len() >= limits::SILENCED_MAX
    }

    /// Refuses a producer that is not known by its name where there is no room for what makes room
    /// for it. Those that are gathered are `gathered`.
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
