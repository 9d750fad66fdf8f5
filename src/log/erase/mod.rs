//! Erases events from history, where the law demands it.
//!
//! Events are never changed, but they can be erased: the segments that hold them are rewritten
//! without them, and one rename of the manifest makes the result the history. Epochs, clocks,
//! producers and offsets stay, so a repeated append does not bring erased events back. The new
//! history has a new identity: everything derived from the old one is refused by name.
//!
//! ```text
//! lock, recover ─► find ─► seal the open frames ─► write new files ─► rename MANIFEST
//!                                                                          │ the new history
//!             directory synced ◄─ remove the old files ◄─ write MARK again ◄┘
//! ```
//!
//! A crash before the rename leaves the old history, a crash after it the new one; the next
//! recovery removes the files of the other.
//!
//! | module | concept |
//! |---|---|
//! | `find_events_to_erase` | the events to erase, by position; where the others move |
//! | `rewrite` | rewrites a segment without them |
//! | `record` | the record in the manifest |
//! | `rewritten_history` | tells readers of an old history that the log was rewritten |

mod find_events_to_erase;
pub(super) mod record;
mod rewrite;
pub(super) mod rewritten_history;

pub use find_events_to_erase::{Chooser, EventPlaces};
pub use record::Erasure;

use std::path::Path;
use std::sync::Arc;

use arrow_schema::SchemaRef;

use super::checksummed_file::FORMAT_FINGERPRINTS;
use super::durable_mark::{Mark, MarkWriter};
use super::frame_file::{FILE_HEAD, FrameFile};
use super::layout::Dir;
use super::manifest::Manifest;
use super::reader::Reader;
use super::recovery::{Purpose, Recovered, no_log, recover, remove_leftovers};
use super::sealer::Sealer;
use diptych_base::error::Result;
use diptych_base::io::{Clock, Disk, Random};
use diptych_base::time::Branch;

/// The result of an erasure.
#[derive(Clone, Debug)]
pub struct Erased {
    /// The erasure's record in the manifest.
    pub erasure: Erasure,
    /// The positions of the erased events.
    pub places: EventPlaces,
    /// The number of rewritten segments, and of all segments.
    pub segments: (usize, usize),
}

/// The events that [`erase`] erases, and the reason.
pub struct EraseRequest<'a> {
    /// The stream that has the events.
    pub stream: &'a str,
    /// The reason; the manifest keeps it.
    pub reason: &'a str,
    /// Chooses the events: see [`Reader::places`].
    pub choose: &'a dyn Fn(&SchemaRef) -> Result<Option<Chooser>>,
    /// Called when some are found, before anything is changed; no process appends from then on.
    pub ready: &'a mut dyn FnMut() -> Result<()>,
}

/// Erases the events of `request` from the log in `dir`; nothing when there are none. When this
/// returns the old files are gone, durably.
///
/// Not done: overwriting the blocks that the files had on the disk, and erasing copies outside this
/// directory.
///
/// # Errors
/// A conflict when another process writes the log; missing if there is none; damage; a full disk,
/// which leaves the old history; errors of `choose` or of the disk. Once the manifest is renamed,
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
    // Branches of the old history do not name epochs of the new one.
    manifest.branches = vec![(0, Branch(manifest.identity))];
    manifest.store(&dir)?;
    let mark = Mark { upper, file: upper, offset: FILE_HEAD };
    // Readers that follow the log learn of the erasure by the mark.
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
