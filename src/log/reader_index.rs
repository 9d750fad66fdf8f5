//! A reader's index of the durable log: the manifest, and the durable frames after it.

use std::sync::Arc;

use super::durable_mark::{FoundMark, Mark, read_mark};
use super::erase::rewritten_history;
use super::event_position::Retracted;
use super::frame::Payload;
use super::frame_file::{FILE_HEAD, FrameFile};
use super::layout::{Dir, MANIFEST, MARK, damaged};
use super::manifest::Manifest;
use super::recovery::{frame_files, missing_frames, no_log};
use super::retraction::Corrections;
use super::schemas::Schemas;
use super::writer_branches;
use diptych_base::error::{Error, Result};
use diptych_base::io::Open;
use diptych_base::time::{Branches, Epoch};

/// Tries of a load while the writer changes the files.
const TRIES: usize = 100;

/// The durable log at some moment.
#[derive(Clone, Debug)]
pub(super) struct ReaderIndex {
    pub(super) manifest: Manifest,
    pub(super) schemas: Schemas,
    /// The frame files after the manifest, without gaps. The open handles keep their content
    /// readable when they are sealed and removed.
    pub(super) frames: Vec<FrameIndex>,
    /// The retractions of its epochs, in order.
    pub(super) corrections: Vec<Arc<Corrections>>,
    /// The same retractions by event.
    pub(super) retracted: Arc<Retracted>,
    /// The first epoch that is not durable.
    pub(super) upper: Epoch,
    /// The branches, shared with holders of tokens, also while the view is refreshed.
    pub(super) branches: Branches,
    /// The mark as it was last read. It is written once per epoch; any other change is a new frame
    /// file, a new writer, or a new history.
    marked: FoundMark,
}

/// The durable frames of one file.
#[derive(Clone, Debug)]
pub(super) struct FrameIndex {
    pub(super) file: FrameFile,
    /// One entry for each epoch from `file.first` on.
    pub(super) frames: Vec<Indexed>,
    end: u64,
}

/// The position of an epoch's rows in a frame file.
#[derive(Clone, Debug)]
pub(super) struct Indexed {
    pub(super) epoch: Epoch,
    pub(super) clock_us: i64,
    pub(super) payload_base: u64,
    pub(super) payloads: Vec<Payload>,
}

impl FrameIndex {
    /// The end of its last durable frame.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The epoch after the last frame.
    pub(super) fn upper(&self) -> Epoch {
        self.file.first + self.frames.len() as Epoch
    }

    /// Indexes the frames up to `end`, which must be the end of one; returns their retractions.
    fn extend(&mut self, end: u64, schemas: &mut Schemas) -> Result<Vec<Arc<Corrections>>> {
        let mut corrections = Vec::new();
        while self.end < end {
            let frame = self.file.frame(self.end, end, self.upper())?;
            let loaded = schemas.load(&frame.header.schemas);
            loaded.map_err(|e| self.file.damage(frame.offset, e))?;
            corrections.extend(self.file.corrections(&frame)?.map(Arc::new));
            self.end = frame.end();
            self.frames.push(Indexed {
                epoch: frame.epoch,
                clock_us: frame.header.clock_us,
                payload_base: frame.payload_base,
                payloads: frame.header.payloads,
            });
        }
        Ok(corrections)
    }
}

impl ReaderIndex {
    /// Loads the whole index. A writer may seal and remove files at the same time, so apparent
    /// damage is reported only if nothing has changed since the last try.
    pub(super) fn load(dir: &Dir) -> Result<ReaderIndex> {
        let mut before = None;
        for _ in 0..TRIES {
            match Self::try_load(dir) {
                Err(error) if error.is_damaged() || error.is_missing() => {
                    let mark = read_mark(dir).ok().map(|found| found.mark);
                    let now = (dir.disk.list(&dir.path).ok(), mark);
                    if before.as_ref() == Some(&now) {
                        return Err(error);
                    }
                    before = Some(now);
                }
                other => return other,
            }
        }
        Self::try_load(dir)
    }

    fn try_load(dir: &Dir) -> Result<ReaderIndex> {
        // The mark is read first: the other files may then be newer, never older.
        let mark = read_mark(dir);
        let absent = |error: Error| if error.is_missing() { no_log(dir) } else { error };
        let manifest = Manifest::load(dir).map_err(absent)?;
        let marked = mark.map_err(|error| missing_mark(dir, error))?;
        let mark = marked.mark;
        let schemas = manifest.schemas(dir)?;
        let upper = manifest.upper;
        let mut retracted = Retracted::default();
        let corrections = super::retraction_files::load_all(dir, &manifest, &mut retracted)?;
        let frames = Vec::new();
        let retracted = Arc::new(retracted);
        let branches = Branches::default();
        branches.set(writer_branches::known(&manifest));
        let mut view = ReaderIndex {
            manifest,
            schemas,
            frames,
            corrections,
            retracted,
            upper,
            branches,
            marked,
        };
        if mark.upper > view.upper {
            view.load_frames(dir, mark)?;
        }
        Ok(view)
    }

    fn load_frames(&mut self, dir: &Dir, mark: Mark) -> Result<()> {
        for first in frame_files(dir, &self.manifest)? {
            if first > mark.file {
                break;
            }
            if first != self.upper {
                return Err(missing_frames(dir, self.upper));
            }
            let file = FrameFile::open(dir, first, Open::Read)?;
            let len = file.file.len()?;
            let end = if first == mark.file { mark.offset } else { len };
            if end > len {
                let message = format!("the file has {len} bytes, {end} of them were durable");
                return Err(file.damage(len, message));
            }
            let mut index = FrameIndex { file, frames: Vec::new(), end: FILE_HEAD };
            let more = index.extend(end, &mut self.schemas)?;
            self.correct(&index.file, more)?;
            self.upper = index.upper();
            self.frames.push(index);
        }
        self.check(dir, mark)
    }

    /// Adds the retractions of the frames of `file`.
    fn correct(&mut self, file: &FrameFile, more: Vec<Arc<Corrections>>) -> Result<()> {
        for corrections in more {
            let retracted = Arc::make_mut(&mut self.retracted);
            corrections.apply(retracted).map_err(|e| file.damage(FILE_HEAD, e))?;
            self.corrections.push(corrections);
        }
        Ok(())
    }

    /// Checks that the frames end at the mark.
    fn check(&self, dir: &Dir, mark: Mark) -> Result<()> {
        match self.frames.last() {
            Some(last) if last.file.first == mark.file && self.upper == mark.upper => Ok(()),
            Some(last) if last.file.first == mark.file => {
                let is = self.upper;
                let says = mark.upper;
                Err(last.file.damage(mark.offset, format!("epoch {is} is due, MARK says {says}")))
            }
            _ => Err(missing_frames(dir, mark.file)),
        }
    }

    /// Refreshes the view up to the current durable mark.
    pub(super) fn refresh(&mut self, dir: &Dir) -> Result<()> {
        let found = read_mark(dir).map_err(|error| missing_mark(dir, error))?;
        let mark = found.mark;
        let before = self.marked;
        let epochs = mark.upper.wrapping_sub(before.mark.upper);
        if found.counter.wrapping_sub(before.counter) != epochs {
            self.branch_off(dir)?;
        }
        self.marked = found;
        if mark.upper <= self.upper {
            return Ok(());
        }
        if let Some(last) = self.frames.last_mut().filter(|last| last.file.first == mark.file) {
            let more = last.extend(mark.offset, &mut self.schemas)?;
            self.upper = last.upper();
            let file = last.file.clone();
            self.correct(&file, more)?;
            return self.check(dir, mark);
        }
        let fresh = ReaderIndex::load(dir)?;
        self.check_same(&fresh.manifest)?;
        if fresh.upper < self.upper {
            let now = fresh.upper;
            let before = self.upper;
            let message = format!("the log ends at epoch {now}, it ended at {before} before");
            return Err(damaged(&dir.file(MANIFEST), 0, message));
        }
        let branches = std::mem::take(&mut self.branches);
        branches.set(writer_branches::known(&fresh.manifest));
        *self = ReaderIndex { branches, ..fresh };
        Ok(())
    }

    /// Reloads the branches, since another writer may have begun one.
    fn branch_off(&mut self, dir: &Dir) -> Result<()> {
        let fresh = Manifest::load(dir)?;
        self.check_same(&fresh)?;
        self.branches.set(writer_branches::known(&fresh));
        self.manifest.branches = fresh.branches;
        Ok(())
    }

    /// Refuses a manifest whose history differs from the one read before.
    fn check_same(&self, fresh: &Manifest) -> Result<()> {
        if fresh.identity != self.manifest.identity {
            return Err(rewritten_history::other_history(fresh, self.manifest.identity));
        }
        writer_branches::check(&self.manifest, fresh, self.upper)
    }
}

fn missing_mark(dir: &Dir, error: Error) -> Error {
    if error.is_missing() { damaged(&dir.file(MARK), 0, "the file is missing") } else { error }
}
