//! Recovery: opens a log for writing. Acknowledged epochs are kept, a torn tail is cut, all other
//! damage is refused.
//!
//! The rules, in the order they are applied (README.md derives them):
//! 1. Every file that the manifest lists must be there, with its listed length.
//! 2. The frame files must continue the segments epoch by epoch. All but the newest were complete
//!    and durable when their successor was created, so any damage in them is refused.
//! 3. In the newest, damage below the durable mark is refused; so is damage that frames follow.
//!    Damage in the rest is the torn end of an append that was never acknowledged, and is cut.
//! 4. Frames kept above the mark are written again before they are synced: after a failed sync the
//!    page cache may hold bytes that the disk never got, and only dirty pages reach it.

use std::collections::HashSet;

use super::checksummed_file::FORMAT_FINGERPRINTS;
use super::durable_mark::{Mark, MarkWriter, read_slots};
use super::event_position::Retracted;
use super::frame_file::{FILE_HEAD, Frame, FrameFile};
use super::layout::{Dir, MANIFEST, MARK, Name, damaged, frames_name, state_name};
use super::listed_file::{check_len, read_listed};
use super::manifest::Manifest;
use super::producer_table::ProducerTable;
use super::schemas::Schemas;
use super::silent_producers::SilentFiles;
use super::writer_branches;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Open, Random};
use diptych_base::time::{Branch, Epoch};

/// Bytes that are rewritten at once.
const REWRITE_BYTES: u64 = 4 << 20;

/// The log, ready to be appended to.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) manifest: Manifest,
    /// The schemas as of the manifest's upper, for the sealer.
    pub(super) sealed_schemas: Schemas,
    pub(super) sealed_state: ProducerTable,
    /// The schemas as of `upper`.
    pub(super) schemas: Schemas,
    pub(super) state: ProducerTable,
    /// The retracted events.
    pub(super) retracted: Retracted,
    /// Complete frame files that wait to be sealed, oldest first.
    pub(super) rotated: Vec<FrameFile>,
    /// The newest frame file, which continues at `end`.
    pub(super) open: FrameFile,
    pub(super) end: u64,
    pub(super) upper: Epoch,
    pub(super) mark: MarkWriter,
}

/// The purpose of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Epochs will follow, in a branch of their own.
    Append,
    /// No epoch will follow, and where nothing is erased no file but the mark changes.
    Erase,
}

/// Recovers the log in `dir`, or creates it. The caller holds the lock.
pub(super) fn recover(dir: &Dir, random: &dyn Random, purpose: Purpose) -> Result<Recovered> {
    let names = dir.disk.list(&dir.path)?;
    if !names.iter().any(|name| name == MANIFEST) {
        create(dir, &names, random)?;
    }
    // A rename may have been done and not be durable yet; the files it replaced are removed below.
    dir.sync()?;
    let mut manifest = Manifest::load(dir)?;
    let sealed_schemas = manifest.schemas(dir)?;
    for (name, sum) in manifest.files(&sealed_schemas) {
        check_len(dir, &name, sum)?;
    }
    let sealed_state = sealed_state(dir, &manifest)?;
    let mut retracted = Retracted::default();
    super::retraction_files::load_all(dir, &manifest, &mut retracted)?;
    let mark = read_slots(dir).map_err(|error| missing_mark(dir, error))?.mark;
    let firsts = frame_files(dir, &manifest)?;
    let Some(newest) = firsts.last().copied() else {
        return Err(missing_frames(dir, manifest.upper));
    };
    let stale = mark.upper <= manifest.upper && !firsts.contains(&mark.file);
    if !stale && !firsts.contains(&mark.file) {
        return Err(missing_frames(dir, mark.file));
    }
    let mut scan = Scan {
        schemas: sealed_schemas.clone(),
        state: sealed_state.clone(),
        retracted,
        due: manifest.upper,
        mark,
    };
    let mut files = Vec::new();
    let mut end = FILE_HEAD;
    for first in firsts {
        if first != scan.due {
            return Err(missing_frames(dir, scan.due));
        }
        let how = if first == newest { Open::Write } else { Open::Read };
        let file = FrameFile::open(dir, first, how)?;
        end = scan.file(&file, first == newest)?;
        files.push(file);
    }
    let Some(open) = files.pop() else { unreachable!("epoch {newest} names a file") };
    let Scan { schemas, state, retracted, due: upper, .. } = scan;
    remove_leftovers(dir, &manifest)?;
    if purpose == Purpose::Append {
        // Before the mark: a reader that sees another writer then finds its branch.
        writer_branches::begin(&mut manifest.branches, upper, Branch(random.next()));
        manifest.store(dir)?;
    }
    let mark = MarkWriter::create(dir, Mark { upper, file: open.first, offset: end })?;
    let rotated = files;
    Ok(Recovered {
        manifest,
        sealed_schemas,
        sealed_state,
        schemas,
        state,
        retracted,
        rotated,
        open,
        end,
        upper,
        mark,
    })
}

/// Producers and offsets as they were when the last segment was sealed.
pub(super) fn sealed_state(dir: &Dir, manifest: &Manifest) -> Result<ProducerTable> {
    let Some((lower, sum)) = manifest.state else { return Ok(ProducerTable::default()) };
    let name = state_name(lower);
    let state = ProducerTable::unwrap(&dir.file(&name), &read_listed(dir, &name, sum)?)?;
    Ok(state.with_files(SilentFiles::open(dir, &manifest.silent)?))
}

/// Creates an empty log; the manifest is written last and makes it a log.
fn create(dir: &Dir, names: &[String], random: &dyn Random) -> Result<()> {
    check_unbegun(dir, names)?;
    MarkWriter::create(dir, Mark { upper: 0, file: 0, offset: FILE_HEAD })?;
    FrameFile::create(dir, 0, FORMAT_FINGERPRINTS, random.next())
        .map_err(|error| error.unwrap_or_else(|e| e))?;
    Manifest::empty(random.next()).store(dir)
}

/// Checks that a directory without a manifest has no log yet: it may hold the files of an
/// interrupted creation, but no appended frame.
fn check_unbegun(dir: &Dir, names: &[String]) -> Result<()> {
    for name in names {
        let unbegun = match Name::parse(name) {
            Name::Frames(0) => dir.disk.open(&dir.file(name), Open::Read)?.len()? <= FILE_HEAD,
            Name::Mark => read_slots(dir)?.mark.upper == 0,
            Name::Lock | Name::Draft | Name::Other => true,
            _ => false,
        };
        if !unbegun {
            let message = format!("the file is missing, but {name} is there");
            return Err(damaged(&dir.file(MANIFEST), 0, message));
        }
    }
    Ok(())
}

/// The first epochs of the frame files from the manifest's upper on, in order.
pub(super) fn frame_files(dir: &Dir, manifest: &Manifest) -> Result<Vec<Epoch>> {
    let mut firsts = Vec::new();
    for name in dir.disk.list(&dir.path)? {
        let Name::Frames(first) = Name::parse(&name) else { continue };
        if first >= manifest.upper {
            firsts.push(first);
        } else if !manifest.segments.iter().any(|segment| segment.lower == first) {
            let message = "the file starts inside a segment, where no frame file ever started";
            return Err(damaged(&dir.file(&name), 0, message));
        }
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// The error that the frame file starting at `first` is missing.
pub(super) fn missing_frames(dir: &Dir, first: Epoch) -> Error {
    let path = dir.file(&frames_name(first));
    damaged(&path, 0, format!("the file with the epochs from {first} on is missing"))
}

fn missing_mark(dir: &Dir, error: Error) -> Error {
    if error.is_missing() { damaged(&dir.file(MARK), 0, "the file is missing") } else { error }
}

/// A walk over the frames.
struct Scan {
    schemas: Schemas,
    state: ProducerTable,
    retracted: Retracted,
    due: Epoch,
    mark: Mark,
}

impl Scan {
    /// Walks a file; returns where its frames end. Cuts the torn tail of the newest.
    fn file(&mut self, file: &FrameFile, newest: bool) -> Result<u64> {
        let len = file.file.len()?;
        let marked = self.mark.file == file.first;
        let floor = if marked { self.mark.offset } else { FILE_HEAD };
        if floor > len {
            let message = format!("the file has {len} bytes, {floor} of them were durable");
            return Err(file.damage(len, message));
        }
        let mut offset = FILE_HEAD;
        loop {
            if marked && offset == floor && self.due != self.mark.upper {
                let due = self.due;
                let upper = self.mark.upper;
                let message = format!("epoch {due} is due here, MARK says {upper}");
                return Err(file.damage(offset, message));
            }
            if offset == len {
                break;
            }
            match file.verified(offset, len, self.due) {
                Ok(frame) => {
                    self.take(file, &frame)?;
                    offset = frame.end();
                }
                Err(error) if !error.is_damaged() => return Err(error),
                Err(error) if !newest || offset < floor => return Err(error),
                Err(error) => {
                    if let Some(at) = file.later(offset, len, self.due)? {
                        return Err(error.within(format!("a hole: frames go on at byte {at}")));
                    }
                    file.file.truncate(offset)?;
                    file.file.sync_data()?;
                    break;
                }
            }
        }
        if offset < floor {
            return Err(file.damage(offset, format!("the durable frames end at byte {floor}")));
        }
        if newest {
            rewrite(file, floor, offset)?;
        }
        Ok(offset)
    }

    fn take(&mut self, file: &FrameFile, frame: &Frame) -> Result<()> {
        let Frame { epoch, offset, header, .. } = frame;
        self.schemas.load(&header.schemas).map_err(|e| file.damage(*offset, e))?;
        self.state.replay(*epoch, header, |e| file.damage(*offset, e))?;
        if header.payloads.iter().any(|p| self.schemas.get(p.schema).is_none()) {
            return Err(file.damage(*offset, "the frame uses a schema that is not defined"));
        }
        if let Some(corrections) = file.corrections(frame)? {
            let applied = corrections.apply(&mut self.retracted);
            applied
                .and_then(|()| corrections.decode(&self.schemas).map(drop))
                .map_err(|e| file.damage(*offset, e))?;
        }
        self.due += 1;
        Ok(())
    }
}

/// Writes `[from, to)` of the file again and syncs it.
fn rewrite(file: &FrameFile, from: u64, to: u64) -> Result<()> {
    let mut at = from;
    while at < to {
        let bytes = file.file.read(at, (to - at).min(REWRITE_BYTES) as usize)?;
        file.file.write_at(at, &bytes)?;
        at += bytes.len() as u64;
    }
    if from < to { file.file.sync_data() } else { Ok(()) }
}

/// Removes the leftovers of an interrupted writer: drafts, segment files that never got into the
/// manifest, frame files and state files that a newer manifest has replaced, and files that an
/// erasure has replaced or not finished.
pub(super) fn remove_leftovers(dir: &Dir, manifest: &Manifest) -> Result<()> {
    let listed = manifest.files(&manifest.schemas(dir)?);
    let listed: HashSet<_> = listed.into_iter().map(|(name, _)| name).collect();
    let rewritten = |lower| {
        let segment = manifest.segments.iter().find(|segment| segment.lower == lower);
        segment.is_some_and(|segment| segment.rewritten > 0)
    };
    let mut removed = false;
    for name in dir.disk.list(&dir.path)? {
        let left = match Name::parse(&name) {
            Name::Draft => true,
            Name::Rows(lower, times) | Name::Epochs(lower, times) => {
                let replaced = times > 0 || lower >= manifest.upper || rewritten(lower);
                replaced && !listed.contains(&name)
            }
            Name::Retractions(lower, times) => {
                let erased = !manifest.erasures.is_empty();
                let replaced = times > 0 || lower >= manifest.upper || erased;
                replaced && !listed.contains(&name)
            }
            Name::Frames(first) => first < manifest.upper,
            Name::State(lower) => manifest.state.is_none_or(|(listed, _)| listed != lower),
            Name::Silent(_) => !listed.contains(&name),
            Name::Manifest | Name::Mark | Name::Lock | Name::Other => false,
        };
        if left {
            dir.disk.remove(&dir.file(&name))?;
            removed = true;
        }
    }
    // Erased events must not come back after a power failure.
    if removed && !manifest.erasures.is_empty() { dir.sync() } else { Ok(()) }
}

/// The error of a missing manifest: either there is no log, or its manifest was lost.
pub(super) fn no_log(dir: &Dir) -> Error {
    let unbegun = dir.disk.list(&dir.path).and_then(|names| check_unbegun(dir, &names));
    match unbegun {
        Err(error) if !error.is_missing() => error,
        _ => Error::new(Kind::Missing, format!("there is no log in {}", dir.path.display()))
            .remedy("append something first, or name another directory"),
    }
}
