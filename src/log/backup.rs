//! Copies the log while it is written to.
//!
//! A reader's view is one moment of the log: the manifest, and the durable frames after it, whose
//! open handles stay readable when a writer seals and removes the files. Exactly that is copied, so
//! the copy ends at one sealed epoch. The copy has the identity of the original log: batch views
//! that belong to one belong to the other.

use std::path::Path;
use std::sync::Arc;

use super::checksummed_file::FORMAT_FINGERPRINTS;
use super::durable_mark::{Mark, MarkWriter};
use super::frame_file::{FILE_HEAD, FrameFile};
use super::layout::{Dir, MANIFEST, frames_name};
use super::reader::Reader;
use super::reader_index::ReaderIndex;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Disk, File, Open, Random};
use diptych_base::limits::COPY_BYTES;
use diptych_base::time::Epoch;

/// Number of moments tried before a missing file counts as damage.
const TRIES: usize = 100;

/// The result of a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The first epoch that is not in the copy.
    pub upper: Epoch,
    /// The number of files.
    pub files: usize,
    /// The bytes of the files.
    pub bytes: u64,
}

impl Reader {
    /// Copies the log as it is now to `dir` of `disk`, which must not hold a log; durable when this
    /// returns. Not checked: that the copied data is undamaged (see [`super::inspect::check`]).
    ///
    /// # Errors
    /// A conflict when the directory already holds a log; the errors of the disks. An unfinished
    /// copy is not a log: the manifest is written last.
    pub fn copy_to(&self, disk: Arc<dyn Disk>, dir: &Path, random: &dyn Random) -> Result<Copied> {
        disk.create_dir(dir)?;
        if let Some(name) = disk.list(dir)?.first() {
            let message = format!("{} is not empty: it has {name}", dir.display());
            return Err(Error::new(Kind::Conflict, message).remedy("choose a new directory"));
        }
        let to = Dir::new(disk, dir);
        let (view, listed) = moment(self.dir())?;
        let mut copied = Copied { upper: view.upper, ..Copied::default() };
        for (name, len, file) in listed {
            copy(&*file, len, &to, &name)?;
            copied.add(len);
        }
        let mark = copy_frames(&view, &to, random, &mut copied)?;
        MarkWriter::create(&to, mark)?;
        to.sync()?;
        view.manifest.store(&to)?;
        copied.add(to.disk.open(&to.file(MANIFEST), Open::Read)?.len()?);
        Ok(copied)
    }
}

impl Copied {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// A file that the manifest lists: its name, its length, and the open file.
type Listed = (String, u64, Box<dyn File>);

/// One moment of the log, with all its files open. The next seal replaces the state file: when a
/// file is gone, a later moment is tried.
fn moment(from: &Dir) -> Result<(ReaderIndex, Vec<Listed>)> {
    let mut tries = 0;
    loop {
        let view = ReaderIndex::load(from)?;
        let files = view.manifest.files(&view.schemas).into_iter();
        let listed: Result<Vec<Listed>> = files
            .map(|(name, sum)| {
                let file = from.disk.open(&from.file(&name), Open::Read)?;
                Ok((name, sum.len, file))
            })
            .collect();
        match listed {
            Err(error) if error.is_missing() && tries < TRIES => tries += 1,
            listed => return Ok((view, listed?)),
        }
    }
}

/// Copies the durable frames; returns where they end.
fn copy_frames(
    view: &ReaderIndex,
    to: &Dir,
    random: &dyn Random,
    copied: &mut Copied,
) -> Result<Mark> {
    let mut mark = Mark { upper: view.upper, file: view.upper, offset: FILE_HEAD };
    for index in &view.frames {
        copy(&*index.file.file, index.end(), to, &frames_name(index.file.first))?;
        copied.add(index.end());
        mark = Mark { file: index.file.first, offset: index.end(), ..mark };
    }
    if view.frames.is_empty() {
        let created = FrameFile::create(to, view.upper, FORMAT_FINGERPRINTS, random.next());
        created.map_err(|error| error.unwrap_or_else(|error| error))?;
    }
    Ok(mark)
}

/// Copies the first `len` bytes, durably.
fn copy(from: &dyn File, len: u64, to: &Dir, name: &str) -> Result<()> {
    let file = to.disk.open(&to.file(name), Open::Create)?;
    let mut at = 0;
    while at < len {
        let bytes = from.read(at, (len - at).min(COPY_BYTES) as usize)?;
        file.write_at(at, &bytes)?;
        at += bytes.len() as u64;
    }
    file.sync_data()
}
