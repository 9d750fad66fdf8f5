//! Erasing events from history, as the law may demand it.
//!
//! Events are never changed, but they can be made never to have been: the segments that hold them
//! are written once more without them, and one rename of the manifest makes that the history.
//! Epochs, clocks, producers and offsets stay as they are, so nothing that was ingested comes back
//! when it is sent again. The new history has a new identity: whatever was derived from the old
//! one is refused by name.
//!
//! ```text
//! lock, recover ─► find ─► seal the open frames ─► write new files ─► rename MANIFEST
//!                                                                          │ the new history
//!             directory synced ◄─ remove the old files ◄─ write MARK again ◄┘
//! ```
//!
//! A crash before the rename leaves the old history, one behind it the new one; what is left over
//! of the other is removed by the next recovery.
//!
//! | module | concept |
//! |---|---|
//! | places | which events, by place; where the others move |
//! | rewrite | a segment without them |
//! | record | what stands in the manifest |
//! | noticed | how readers of the old history learn of it |

mod noticed;
mod places;
mod record;
mod rewrite;

pub(super) use noticed::{explained, other_history, same_history};
pub use places::{Chooser, Places};
pub use record::Erasure;
pub(super) use record::{PART, from_bytes, to_bytes};

use std::path::Path;
use std::sync::Arc;

use arrow_schema::SchemaRef;

use super::durable_mark::{Mark, MarkWriter};
use super::frame_file::{FILE_HEAD, FrameFile};
use super::layout::Dir;
use super::manifest::Manifest;
use super::reader::Reader;
use super::recovery::{Purpose, Recovered, no_log, recover, remove_leftovers};
use super::sealer::Sealer;
use super::small_file::FORMAT_FINGERPRINTS;
use diptych_base::error::Result;
use diptych_base::io::{Clock, Disk, Random};
use diptych_base::time::Branch;

/// What an erasure did.
#[derive(Clone, Debug)]
pub struct Erased {
    /// The record of it in the manifest.
    pub erasure: Erasure,
    /// Where the events were.
    pub places: Places,
    /// How many segments were rewritten, of how many.
    pub segments: (usize, usize),
}

/// Which events [`erase`] erases, and why.
pub struct EraseRequest<'a> {
    /// The stream that has the events.
    pub stream: &'a str,
    /// Why they are erased; the manifest keeps it.
    pub reason: &'a str,
    /// Chooses the events: see [`Reader::places`].
    pub choose: &'a dyn Fn(&SchemaRef) -> Result<Option<Chooser>>,
    /// Called when some are found, before anything is changed; nobody appends from then on.
    pub ready: &'a mut dyn FnMut() -> Result<()>,
}

/// Erases the events of `request` from the log in `dir`; nothing when there are none. When this
/// returns the old files are gone, durably.
///
/// Not done: overwriting the blocks that the files had on the disk, and whatever is outside this
/// directory.
///
/// # Errors
/// A conflict when another process writes the log; missing if there is none; damage; a full disk,
/// which leaves the old history; what `choose` or the disk reports. Once the manifest is renamed,
/// errors say that the new history is in force.
pub fn erase(
    disk: Arc<dyn Disk>,
    dir: impl AsRef<Path>,
    clock: &dyn Clock,
    random: &dyn Random,
    request: EraseRequest<'_>,
) -> Result<Option<Erased>> {
    let EraseRequest { stream, reason, choose, ready } = request;
    let dir = Dir::new(disk, dir.as_ref());
    let missing =
        |error: diptych_base::error::Error| if error.is_missing() { no_log(&dir) } else { error };
    Manifest::load(&dir).map_err(missing)?;
    let dir = dir.clone().locked().map_err(|error| {
        error.within("nothing is erased").remedy("stop the server, erase, and start it again")
    })?;
    let recovered = recover(&dir, random, Purpose::Erase)?;
    let found = Reader::open(Arc::clone(&dir.disk), &dir.path)?.places(stream, choose)?;
    let Some((first, last)) = found.epochs() else { return Ok(None) };
    ready()?;
    let upper = recovered.upper;
    let Sealer { mut manifest, schemas, .. } = seal(&dir, recovered, random)?;
    let rewritten = rewrite::without(&dir, &mut manifest, &schemas, &found)?;
    let erasure = Erasure {
        former: manifest.identity,
        stream: stream.to_owned(),
        events: found.events(),
        first,
        last,
        upper,
        clock_us: clock.now_us(),
        reason: reason.to_owned(),
    };
    manifest.erasures.push(erasure.clone());
    manifest.identity = random.next();
    // Nothing that names a branch of the history before is of this one.
    manifest.branches = vec![(0, Branch(manifest.identity))];
    manifest.store(&dir)?;
    let mark = Mark { upper, file: upper, offset: FILE_HEAD };
    // Readers that follow learn of it by the mark.
    let removed = MarkWriter::create(&dir, mark).and_then(|_| remove_leftovers(&dir, &manifest));
    removed.map_err(|error| {
        error.within("the events are erased from history, but not yet from the disk").remedy(
            "see to the disk, then run this again: whoever writes next removes the old files",
        )
    })?;
    Ok(Some(Erased { erasure, places: found, segments: (rewritten, manifest.segments.len()) }))
}

/// Seals all frames, so that all events are in segments.
fn seal(dir: &Dir, recovered: Recovered, random: &dyn Random) -> Result<Sealer> {
    let Recovered { open, end, upper, mut mark, .. } = recovered;
    let mut sealer = Sealer {
        dir: dir.clone(),
        manifest: recovered.manifest,
        schemas: recovered.sealed_schemas,
        state: recovered.sealed_state,
        live: None,
        waiting: recovered.rotated.into(),
    };
    if end > FILE_HEAD {
        let next = FrameFile::create(dir, upper, FORMAT_FINGERPRINTS, random.next());
        let next = next.map_err(|error| error.unwrap_or_else(|error| error))?;
        mark.advance(Mark { upper, file: next.first, offset: FILE_HEAD })?;
        mark.sync()?;
        sealer.waiting.push_back(open);
    }
    sealer.run()?;
    Ok(sealer)
}
