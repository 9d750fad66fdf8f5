//! Lists the producers of a log for inspection. Read only, without the lock.

use std::path::Path;
use std::sync::Arc;

use super::durable_mark::read_slots;
use super::frame_file::{FILE_HEAD, FrameFile};
use super::inspect::load;
use super::layout::Dir;
use super::producer_table::Producers;
use super::recovery::{frame_files, missing_frames, sealed_state};
use diptych_base::error::Result;
use diptych_base::io::{Disk, Open};

/// Lists the producers of a log, as of its last durable epoch: those known by their ids, sorted;
/// then those that have been silent for long, which are read as the iterator advances. Safe while a
/// writer appends; if the writer seals a segment meanwhile, files may seem missing: try again then.
///
/// # Errors
/// Missing if there is no log; a newer format; damage; the disk's error.
pub fn producers(disk: Arc<dyn Disk>, dir: impl AsRef<Path>) -> Result<Producers> {
    let dir = Dir::new(disk, dir.as_ref());
    // The mark is read before the manifest: otherwise a segment sealed meanwhile would be in
    // neither, and reported missing.
    let mark = read_slots(&dir)?.mark;
    let manifest = load(&dir)?;
    let mut state = sealed_state(&dir, &manifest)?;
    let mut due = manifest.upper;
    for first in frame_files(&dir, &manifest)? {
        if first > mark.file {
            break;
        }
        if first != due {
            return Err(missing_frames(&dir, due));
        }
        let file = FrameFile::open(&dir, first, Open::Read)?;
        let end = if first == mark.file { mark.offset } else { file.file.len()? };
        let mut offset = FILE_HEAD;
        while offset < end {
            let frame = file.frame(offset, end, due)?;
            state.replay(due, &frame.header, |e| file.damage(offset, e))?;
            (offset, due) = (frame.end(), due + 1);
        }
    }
    Ok(state.list())
}
