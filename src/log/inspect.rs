//! The data of `diptych log ls | check | stat`. Read only, without the lock.

use std::path::Path;
use std::sync::Arc;

use super::durable_mark::{Mark, read_slots};
use super::erase::Erasure;
use super::frame_file::{FILE_HEAD, FrameFile};
use super::layout::{Dir, Name, damaged, state_name};
use super::listed_file::{FileChecksum, check_len, read_listed};
use super::manifest::{Manifest, SegmentEntry};
use super::producer_table::ProducerTable;
use super::reader::{Reader, StreamSummary};
use super::recovery::{frame_files, missing_frames, no_log};
use super::row_chunk::Retraction;
use super::schemas::Schemas;
use super::segment::EpochTable;
use super::segment_rows_reader::RowsReader;
use super::silent_producers::SilentFile;
use diptych_base::error::{Error, Result};
use diptych_base::io::{Disk, Open};
use diptych_base::time::Epoch;

/// Bytes of a file that are read at once.
const PIECE: u64 = 4 << 20;

/// A file of a log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// The file's name.
    pub name: String,
    /// The kind of file: `manifest`, `mark`, `lock`, `frames`, `rows`, `epochs`, `state`, `silent`,
    /// `retractions`, `draft`, or `unknown`.
    pub kind: &'static str,
    /// The file's length.
    pub bytes: u64,
    /// Whether the file is part of the log; others are leftovers or foreign.
    pub listed: bool,
    /// The epochs `[lower, upper)` it holds, for sealed segments.
    pub epochs: Option<(Epoch, Epoch)>,
    /// The number of events in it, for sealed segments' rows.
    pub rows: Option<u64>,
}

/// The result of [`check`].
#[derive(Debug, Default)]
pub struct LogCheck {
    /// Files whose checksums were verified.
    pub files: usize,
    /// Bytes that were verified.
    pub bytes: u64,
    /// Epochs that were verified.
    pub epochs: u64,
    /// Events that were decoded.
    pub rows: u64,
    /// Damaged places; each error names its file and offset.
    pub damage: Vec<Error>,
    /// Bytes after the durable mark: appends in flight, or the torn end that the next writer cuts.
    /// They are not damage.
    pub tail_bytes: u64,
    /// Files that are not part of the log.
    pub unlisted: Vec<String>,
}

/// The result of [`stat`].
#[derive(Debug)]
pub struct Stat {
    /// The first epoch the log holds.
    pub lower: Epoch,
    /// The first epoch that is not durable.
    pub upper: Epoch,
    /// The clocks of the first and the last epoch, in microseconds since 1970 (UTC).
    pub clocks_us: Option<(i64, i64)>,
    /// Sealed segments.
    pub segments: usize,
    /// Bytes of their files.
    pub segment_bytes: u64,
    /// Frame files.
    pub frame_files: usize,
    /// Bytes of frames.
    pub frame_bytes: u64,
    /// Streams with schemas and row counts.
    pub streams: Vec<StreamSummary>,
    /// Erasures, oldest first.
    pub erasures: Vec<Erasure>,
    /// Retractions and their reasons.
    pub retractions: Vec<Retraction>,
}

pub(super) fn load(dir: &Dir) -> Result<Manifest> {
    Manifest::load(dir).map_err(|error| if error.is_missing() { no_log(dir) } else { error })
}

/// Lists the files in the log's directory, sorted by name.
///
/// # Errors
/// Missing if there is no log; a damaged manifest; the disk's error.
pub fn ls(disk: Arc<dyn Disk>, dir: impl AsRef<Path>) -> Result<Vec<FileInfo>> {
    let dir = Dir::new(disk, dir.as_ref());
    let manifest = load(&dir)?;
    let schemas = manifest.schemas(&dir)?;
    let mut files = Vec::new();
    for name in dir.disk.list(&dir.path)? {
        let bytes = dir.disk.open(&dir.file(&name), Open::Read)?.len()?;
        files.push(describe(name, bytes, &manifest, &schemas));
    }
    Ok(files)
}

fn describe(name: String, bytes: u64, manifest: &Manifest, schemas: &Schemas) -> FileInfo {
    let parsed = Name::parse(&name);
    let segment = |lower: Epoch| manifest.segments.iter().find(|s| s.lower == lower);
    let (kind, of) = match parsed {
        Name::Manifest => ("manifest", None),
        Name::Mark => ("mark", None),
        Name::Lock => ("lock", None),
        Name::Frames(_) => ("frames", None),
        Name::Rows(lower, _) => ("rows", segment(lower)),
        Name::Epochs(lower, _) => ("epochs", segment(lower)),
        Name::State(lower) => ("state", segment(lower)),
        Name::Silent(lower) => ("silent", segment(lower)),
        Name::Retractions(lower, _) => ("retractions", segment(lower)),
        Name::Draft => ("draft", None),
        Name::Other => ("unknown", None),
    };
    let entry = of.and_then(|s| s.rows.iter().find(|e| s.rows_name(e, schemas) == name));
    let listed = match parsed {
        Name::Manifest | Name::Mark | Name::Lock => true,
        Name::Frames(first) => first >= manifest.upper,
        Name::Rows(..) => entry.is_some(),
        Name::Epochs(..) => of.is_some_and(|s| s.epochs_name() == name),
        Name::State(lower) => manifest.state.is_some_and(|(listed, _)| listed == lower),
        Name::Silent(..) => manifest.silent.iter().any(|entry| entry.name() == name),
        Name::Retractions(..) => manifest.retractions.iter().any(|entry| entry.name() == name),
        Name::Draft | Name::Other => false,
    };
    let epochs = of.filter(|_| listed).map(|s| (s.lower, s.upper));
    FileInfo { name, kind, bytes, listed, epochs, rows: entry.map(|entry| entry.rows) }
}

/// Collects sizes and counts; reads no events.
///
/// # Errors
/// As [`Reader::open`].
pub fn stat(disk: Arc<dyn Disk>, dir: impl AsRef<Path>) -> Result<Stat> {
    let reader = Reader::open(Arc::clone(&disk), dir.as_ref())?;
    let lower = reader.lower();
    let upper = reader.upper()?;
    let clocks_us =
        if lower < upper { Some((reader.clock(lower)?, reader.clock(upper - 1)?)) } else { None };
    let files = ls(Arc::clone(&disk), dir.as_ref())?;
    let of = |kinds: &'static [&str]| {
        files.iter().filter(move |file| file.listed && kinds.contains(&file.kind))
    };
    Ok(Stat {
        lower,
        upper,
        clocks_us,
        segments: of(&["epochs"]).count(),
        segment_bytes: of(&["epochs", "rows", "state", "retractions"]).map(|file| file.bytes).sum(),
        frame_files: of(&["frames"]).count(),
        frame_bytes: of(&["frames"]).map(|file| file.bytes.saturating_sub(FILE_HEAD)).sum(),
        streams: reader.streams(),
        erasures: reader.erasures(),
        retractions: reader.retractions(lower, upper)?,
    })
}

/// Verifies every checksum of the log and decodes every event. Safe while a writer appends; if the
/// writer seals a segment meanwhile, files may seem missing: check again then.
///
/// # Errors
/// Missing if there is no log; a newer format; the disk's error. Damage is not an error here but
/// part of the result.
pub fn check(disk: Arc<dyn Disk>, dir: impl AsRef<Path>) -> Result<LogCheck> {
    let dir = Dir::new(disk, dir.as_ref());
    let mut check = LogCheck::default();
    match check.run(&dir).and_then(|()| check.copies(&dir)) {
        Err(error) if error.is_damaged() => check.damage.push(error),
        other => other?,
    }
    Ok(check)
}

impl LogCheck {
    /// Errors end the check; damage is recorded if other parts can still be checked.
    fn run(&mut self, dir: &Dir) -> Result<()> {
        let mark = read_slots(dir);
        let manifest = load(dir)?;
        let schemas = manifest.schemas(dir)?;
        for name in dir.disk.list(&dir.path)? {
            let file = describe(name, 0, &manifest, &schemas);
            if !file.listed {
                self.unlisted.push(file.name);
            }
        }
        self.files += 1;
        for (name, sum) in manifest.files(&schemas) {
            let verified = verify(dir, &name, sum);
            if self.note(verified)?.is_some() {
                self.files += 1;
                self.bytes += sum.len;
            }
        }
        for segment in &manifest.segments {
            self.segment(dir, &manifest, segment, &schemas)?;
        }
        for entry in &manifest.retractions {
            let path = dir.file(&entry.name());
            if let Ok(found) = super::retraction_files::load(dir, *entry) {
                let decoded = found.iter().try_for_each(|c| c.decode(&schemas).map(drop));
                self.note(decoded.map_err(|e| damaged(&path, 24, e)))?;
            }
        }
        if let Some((lower, sum)) = manifest.state {
            let name = state_name(lower);
            // Damage of its bytes was recorded above.
            if let Ok(bytes) = read_listed(dir, &name, sum) {
                let state = ProducerTable::unwrap(&dir.file(&name), &bytes);
                self.note(state)?;
            }
        }
        for entry in &manifest.silent {
            // Also checks the blocks' numbers, which the checksum of a whole file does not cover.
            let file = SilentFile::open(dir, *entry);
            if let Some(file) = self.note(file)? {
                let entries = file.entries().try_for_each(|entry| entry.map(drop));
                self.note(entries)?;
            }
        }
        let mark = match mark {
            Err(error) if error.is_missing() => {
                Err(damaged(&dir.file(super::layout::MARK), 0, "the file is missing"))
            }
            other => other,
        };
        let Some(found) = self.note(mark)? else { return Ok(()) };
        self.files += 1;
        if let Some(offset) = found.broken {
            let path = dir.file(super::layout::MARK);
            self.damage.push(damaged(&path, offset, "the slot is not whole"));
        }
        self.frames(dir, &manifest, schemas, found.mark)
    }

    /// Checks that copies of retracted events equal the appended events; only where all else is
    /// undamaged.
    fn copies(&mut self, dir: &Dir) -> Result<()> {
        if self.damage.is_empty() {
            let reader = Reader::open(Arc::clone(&dir.disk), &dir.path)?;
            let wrong = reader.wrong_copies(reader.upper()?)?;
            self.damage.extend(wrong.into_iter().map(|what| damaged(&dir.path, 0, what)));
        }
        Ok(())
    }

    /// Records damage; passes other errors on.
    fn note<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_damaged() => {
                self.damage.push(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn segment(
        &mut self,
        dir: &Dir,
        manifest: &Manifest,
        segment: &SegmentEntry,
        schemas: &Schemas,
    ) -> Result<()> {
        // A damaged epoch file was recorded with the file checksums; its name says which.
        if verify(dir, &segment.epochs_name(), segment.epochs).is_err() {
            return Ok(());
        }
        let table = EpochTable::load(dir, segment);
        let Some(table) = self.note(table)? else { return Ok(()) };
        for (entry, (_, blocks)) in segment.rows.iter().zip(&table.blocks) {
            let file = RowsReader::new(dir, manifest.identity, segment, entry, schemas)?;
            for block in blocks {
                let chunk = file.chunk(block);
                if let Some(chunk) = self.note(chunk)? {
                    self.rows += chunk.len() as u64;
                }
            }
        }
        self.epochs += segment.upper - segment.lower;
        Ok(())
    }

    fn frames(
        &mut self,
        dir: &Dir,
        manifest: &Manifest,
        mut schemas: Schemas,
        mark: Mark,
    ) -> Result<()> {
        let mut due = manifest.upper;
        let mut seen = false;
        for first in frame_files(dir, manifest)? {
            if first != due && first <= mark.file {
                return Err(missing_frames(dir, due));
            }
            let file = FrameFile::open(dir, first, Open::Read)?;
            let len = file.file.len()?;
            seen |= first == mark.file;
            let end = match first.cmp(&mark.file) {
                std::cmp::Ordering::Less => len,
                std::cmp::Ordering::Equal => mark.offset,
                std::cmp::Ordering::Greater => FILE_HEAD,
            };
            if end > len {
                let message = format!("the file has {len} bytes, {end} of them were durable");
                return Err(file.damage(len, message));
            }
            let mut offset = FILE_HEAD;
            while offset < end {
                let frame = file.frame(offset, end, due)?;
                schemas.load(&frame.header.schemas).map_err(|e| file.damage(offset, e))?;
                for payload in &frame.header.payloads {
                    let rows = file.rows(frame.payload_base, payload, &schemas);
                    self.rows += self.note(rows)?.map_or(0, |rows| rows.num_rows() as u64);
                }
                let corrections = file.corrections(&frame)?;
                let decoded = corrections.map_or(Ok(()), |c| c.decode(&schemas).map(drop));
                self.note(decoded.map_err(|e| file.damage(offset, e)))?;
                offset = frame.end();
                due += 1;
            }
            self.files += 1;
            self.bytes += end;
            self.epochs += due - first;
            self.tail_bytes += len - end;
        }
        if !seen && mark.upper > manifest.upper {
            return Err(missing_frames(dir, mark.file));
        }
        Ok(())
    }
}

/// Verifies the length and the checksum of a whole file.
fn verify(dir: &Dir, name: &str, sum: FileChecksum) -> Result<()> {
    check_len(dir, name, sum)?;
    let path = dir.file(name);
    let file = dir.disk.open(&path, Open::Read)?;
    let mut crc = 0;
    let mut at = 0;
    while at < sum.len {
        let bytes = file.read(at, (sum.len - at).min(PIECE) as usize)?;
        crc = crc32c::crc32c_append(crc, &bytes);
        at += bytes.len() as u64;
    }
    if crc == sum.crc {
        return Ok(());
    }
    Err(damaged(&path, 0, "the file's checksum is not the one MANIFEST has"))
}
