//! The two files that a writer keeps open, and the check that their names still lead to them.
//!
//! A file that is removed, renamed or replaced below its writer can still be written and synced: no
//! reader sees the appended frames, and all of them are gone when the writer ends. So the names are
//! checked before each mark is written, hence before anything is acknowledged, and several times a
//! second while nothing is appended. A writer that finds another file there, or none, or a shorter
//! one, stops. Before that it restores files that other processes do not find any more: no
//! acknowledged event is lost with it.

use std::path::{Path, PathBuf};

use super::durable_mark::{MARK_BYTES, Mark, MarkWriter};
use super::frame_file::FrameFile;
use super::layout::{Dir, MARK, damaged};
use diptych_base::error::{Error, Result};
use diptych_base::io::{File, Open};
use diptych_base::limits;

/// The newest frame file and the mark, as the writer has them open.
#[derive(Debug)]
pub(super) struct OpenFiles {
    dir: Dir,
    frames: FrameFile,
    /// The end of the durable and marked frames.
    end: u64,
    mark: MarkWriter,
    /// The reason why the writer must stop, once it was found.
    lost: Option<Lost>,
}

/// A file that is not at its path as the writer has it open.
#[derive(Clone, Debug)]
struct Lost {
    path: PathBuf,
    what: String,
}

impl Lost {
    fn error(&self) -> Error {
        damaged(&self.path, 0, &self.what)
            .remedy("find out who changes files there, then restart the process")
    }
}

impl OpenFiles {
    /// The files of a recovered log; the frames end at `end`.
    pub(super) fn new(dir: Dir, frames: FrameFile, end: u64, mark: MarkWriter) -> Self {
        OpenFiles { dir, frames, end, mark, lost: None }
    }

    /// Checks that the files at their paths are those that the writer has open; restores those that
    /// are not.
    ///
    /// # Errors
    /// A conflict when the directory is not the one that was locked, damage when one of the files
    /// is not: the log must not be written any more. The system's error when it cannot tell.
    pub(super) fn check(&mut self) -> Result<()> {
        if self.lost.is_none() {
            self.dir.check_lock()?;
            if let Some(mut lost) = self.look()? {
                let (file, len) = self.held(&lost.path);
                lost.what += &restore(&self.dir, &lost.path, file, len);
                self.lost = Some(lost);
            }
        }
        self.lost.as_ref().map_or(Ok(()), |lost| Err(lost.error()))
    }

    /// Whether [`check`](OpenFiles::check) would find something now. An error of the system counts
    /// as no: the next append meets it, too.
    pub(super) fn seem_lost(&self) -> bool {
        match self.dir.check_lock() {
            Err(error) => error.is_conflict(),
            Ok(()) => self.lost.is_some() || self.look().is_ok_and(|lost| lost.is_some()),
        }
    }

    fn look(&self) -> Result<Option<Lost>> {
        let mark = self.dir.file(MARK);
        for path in [&self.frames.path, &mark] {
            let (file, len) = self.held(path);
            let what = if !file.is_at(path)? {
                "this is not the file that the writer has open: it was removed, renamed or \
                 replaced"
                    .to_owned()
            } else if file.len()? < len {
                format!("the file has {} bytes, {len} of them were durable", file.len()?)
            } else {
                continue;
            };
            return Ok(Some(Lost { path: path.clone(), what }));
        }
        Ok(None)
    }

    /// The open file of that name, and the bytes of it that count.
    fn held(&self, path: &Path) -> (&dyn File, u64) {
        if path == self.frames.path {
            (self.frames.file.as_ref(), self.end)
        } else {
            (self.mark.file(), MARK_BYTES)
        }
    }

    /// Advances the mark to these durable frames, if the files are still at their paths.
    ///
    /// # Errors
    /// As [`check`](OpenFiles::check); and when the mark cannot be written after several tries.
    /// Frames beyond the mark must not be acknowledged.
    pub(super) fn advance(&mut self, mark: Mark) -> Result<()> {
        self.check()?;
        self.mark.advance(mark)?;
        self.end = mark.offset;
        Ok(())
    }

    /// Continues in the frame file `next`, which begins at `mark`.
    ///
    /// # Errors
    /// As [`advance`](OpenFiles::advance).
    pub(super) fn rotate(&mut self, next: FrameFile, mark: Mark) -> Result<()> {
        (self.frames, self.end) = (next, mark.offset);
        self.advance(mark)
    }

    /// Makes the mark durable.
    ///
    /// # Errors
    /// The disk's error.
    pub(super) fn sync_mark(&self) -> Result<()> {
        self.mark.sync()
    }
}

/// Writes the content of `file` under its old name, or beside it when that is taken; returns a
/// sentence on the outcome.
fn restore(dir: &Dir, path: &Path, file: &dyn File, len: u64) -> String {
    let taken = dir.disk.open(path, Open::Read).map_or_else(|e| !e.is_missing(), |_| true);
    let with = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let to = if taken { with(".rescued") } else { path.to_owned() };
    let write = || {
        let draft = with(".tmp");
        let copy = dir.disk.open(&draft, Open::Create)?;
        let mut at = 0;
        while at < len.min(file.len()?) {
            let piece = (len - at).min(limits::COPY_BYTES).min(file.len()? - at);
            copy.write_at(at, &file.read(at, piece as usize)?)?;
            at += piece;
        }
        copy.sync_data()?;
        dir.disk.rename(&draft, &to)?;
        dir.sync()
    };
    match write() {
        Ok(()) => format!("; what it held was written to {}", to.display()),
        Err(error) => format!("; what it held ends with this process, a copy failed: {error}"),
    }
}
