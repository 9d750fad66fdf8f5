//! Seals rotated frame files into segments, off the hot path.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::frame_file::FrameFile;
use super::layout::{Dir, frames_name, state_name};
use super::manifest::{Manifest, RetractionsEntry};
use super::producer_table::ProducerTable;
use super::schemas::Schemas;
use super::segment::{Written, write_segment};
use diptych_base::error::Result;
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;

/// Writes segments and owns the manifest.
#[derive(Debug)]
pub(super) struct Sealer {
    pub(super) dir: Dir,
    pub(super) manifest: Manifest,
    /// The schemas as of the manifest's upper.
    pub(super) schemas: Schemas,
    pub(super) state: ProducerTable,
    /// The table as of the log's end, which holds the producers not yet in files; none without a
    /// writer.
    pub(super) live: Option<Arc<Mutex<ProducerTable>>>,
    /// Complete frame files, oldest first.
    pub(super) waiting: VecDeque<FrameFile>,
}

impl Sealer {
    /// Seals all waiting files; returns the upper of the sealed epochs.
    ///
    /// # Errors
    /// A full disk leaves the rest waiting for the next call without loss. After any other error
    /// the log must not be written any more.
    pub(super) fn run(&mut self) -> Result<Epoch> {
        while let Some(frames) = self.waiting.front().cloned() {
            self.seal(&frames)?;
            self.waiting.pop_front();
        }
        Ok(self.manifest.upper)
    }

    fn seal(&mut self, frames: &FrameFile) -> Result<()> {
        self.dir.check_lock()?;
        // Copies, because a full disk may interrupt: the next try starts afresh.
        let mut schemas = self.schemas.clone();
        let mut state = self.state.clone();
        let written = write_segment(&self.dir, frames, &mut schemas, &mut state)?;
        let Written { entry, state: sum, retractions, silenced } = written;
        self.dir.sync()?;
        let mut manifest = self.manifest.clone();
        let old_state = manifest.state.replace((entry.lower, sum));
        manifest.retractions.extend(retractions.map(|sum| RetractionsEntry {
            lower: entry.lower,
            sum,
            rewritten: 0,
        }));
        let old_silent = std::mem::replace(&mut manifest.silent, state.silent_files().listed());
        manifest.upper = entry.upper;
        manifest.schemas.extend(schemas.stored(manifest.schemas.len()));
        manifest.segments.push(entry);
        manifest.store(&self.dir)?;
        if let Some(live) = &self.live {
            let mut live = lock(live);
            live.silent_sealed(state.silent_files().clone(), &silenced);
        }
        (self.manifest, self.schemas, self.state) = (manifest, schemas, state);
        // The frames may be removed only now that the manifest is durable. A failure does not
        // matter: the next recovery removes the rest.
        let _ = self.dir.disk.remove(&self.dir.file(&frames_name(frames.first)));
        if let Some((lower, _)) = old_state {
            let _ = self.dir.disk.remove(&self.dir.file(&state_name(lower)));
        }
        for merged in old_silent.iter().filter(|old| !self.manifest.silent.contains(old)) {
            let _ = self.dir.disk.remove(&self.dir.file(&merged.name()));
        }
        Ok(())
    }
}
