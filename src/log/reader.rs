//! Reading the log while it grows: no lock, never past the durable mark.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use arrow_schema::SchemaRef;

use super::epoch_at_time::LeastClocks;
use super::erase::{Erasure, rewritten_history};
use super::event_position::Retracted;
use super::layout::{Dir, damaged};
use super::manifest::SegmentEntry;
use super::reader_index::ReaderIndex;
use super::replay::Replay;
use super::retraction::Corrections;
use super::row_chunk::Retraction;
use super::scan_part::{AppliedRetractions, Part};
use super::segment::EpochTable;
use super::segment_rows_reader::RowsReader;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::Disk;
use diptych_base::lock_mutex::lock;
use diptych_base::time::{Branches, Epoch};

/// Reads a log, from the process that writes it or from any other one.
///
/// It sees only durable epochs, which a power failure cannot take back. Its methods may be called
/// from many threads; what they return stays readable while the log goes on and seals its segments.
#[derive(Debug)]
pub struct Reader {
    dir: Dir,
    view: Mutex<ReaderIndex>,
    /// A handle to the branches of the view, which is locked during reads of the disk.
    branches: Branches,
    least_clocks: Mutex<LeastClocks>,
}

/// A stream's schemas and counts.
#[derive(Clone, Debug)]
pub struct StreamSummary {
    /// The stream's name.
    pub name: Arc<str>,
    /// The schemas its events have had, oldest first.
    pub schemas: Vec<SchemaRef>,
    /// The number of events below the reader's upper.
    pub rows: u64,
    /// The number of retracted ones among them.
    pub retracted: u64,
}

impl Reader {
    /// Opens the log in `dir` for reading.
    ///
    /// # Errors
    /// Missing if there is none; damage; a newer format; the disk's error.
    pub fn open(disk: Arc<dyn Disk>, dir: impl AsRef<Path>) -> Result<Reader> {
        let dir = Dir::new(disk, dir.as_ref());
        let view = ReaderIndex::load(&dir)?;
        let branches = view.branches.clone();
        Ok(Reader { dir, view: Mutex::new(view), branches, least_clocks: Mutex::default() })
    }

    pub(super) fn view(&self) -> MutexGuard<'_, ReaderIndex> {
        lock(&self.view)
    }

    /// The log's directory.
    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(super) fn least_clocks(&self) -> MutexGuard<'_, LeastClocks> {
        lock(&self.least_clocks)
    }

    pub(super) fn table(&self, identity: u64, segment: &SegmentEntry) -> Result<EpochTable> {
        rewritten_history::explained(&self.dir, identity, EpochTable::load(&self.dir, segment))
    }

    /// Locks the view, refreshed if it must be to answer for `[lower, upper)`.
    fn view_of(&self, lower: Epoch, upper: Epoch) -> Result<MutexGuard<'_, ReaderIndex>> {
        let mut view = self.view();
        if upper > view.upper {
            view.refresh(&self.dir)?;
        }
        if lower > upper {
            let message = format!("the epochs [{lower}, {upper}) end before they begin");
            return Err(Error::new(Kind::Input, message));
        }
        let first = view.manifest.lower;
        let last = view.upper;
        if lower < first || upper > last {
            let message =
                format!("the log has the epochs [{first}, {last}), not [{lower}, {upper})");
            return Err(Error::new(Kind::Missing, message).remedy("ask for sealed epochs"));
        }
        Ok(view)
    }

    /// The first epoch that is not durable yet, as the writer's mark is now. It never goes back.
    /// (After a power failure the mark may lag behind acknowledged epochs until a writer has opened
    /// the log.)
    ///
    /// # Errors
    /// Damage, or the disk's error.
    pub fn upper(&self) -> Result<Epoch> {
        let mut view = self.view();
        view.refresh(&self.dir)?;
        Ok(view.upper)
    }

    /// The first epoch that the log holds.
    pub fn lower(&self) -> Epoch {
        self.view().manifest.lower
    }

    /// Identifies this log and its history: 16 hexadecimal digits, drawn when the log was created,
    /// and anew by every erasure.
    pub fn identity(&self) -> String {
        format!("{:016x}", self.view().manifest.identity)
    }

    /// The branches of the log, kept up to date whenever this reader refreshes.
    pub fn branches(&self) -> Branches {
        self.branches.clone()
    }

    /// Identifies the history below the frontier `upper`: the frontier, the log, and the branch of
    /// the last epoch.
    pub fn end_at(&self, upper: Epoch) -> String {
        // A writer may have begun since, the first that records branches at all.
        let _ = self.upper();
        let identity = self.identity();
        let branch = self.branches().before(upper);
        let branch = branch.map_or_else(String::new, |branch| format!(", branch {branch}"));
        format!("epoch {upper} of log {identity}{branch}")
    }

    /// The erasures of history, oldest first.
    pub fn erasures(&self) -> Vec<Erasure> {
        self.view().manifest.erasures.clone()
    }

    /// Checks that this reader's history is still the log's: data derived from it may be kept only
    /// then.
    ///
    /// # Errors
    /// A conflict that names the erasure since; damage; the disk's error.
    pub fn check_history(&self) -> Result<()> {
        let identity = self.view().manifest.identity;
        rewritten_history::same_history(&self.dir, identity)
    }

    /// The streams, sorted by name, as of the last [`upper`](Reader::upper).
    pub fn streams(&self) -> Vec<StreamSummary> {
        let view = self.view();
        let mut rows = vec![0; view.schemas.len()];
        let mut count = |schema: u32, more: u64| {
            if let Some(rows) = rows.get_mut(schema as usize) {
                *rows += more;
            }
        };
        let sealed = view.manifest.segments.iter().flat_map(|segment| &segment.rows);
        sealed.for_each(|entry| count(entry.schema, entry.rows));
        let frames = view.frames.iter().flat_map(|index| &index.frames);
        frames.flat_map(|f| &f.payloads).for_each(|p| count(p.schema, p.rows));
        let info = |(name, ids): (Arc<str>, Vec<u32>)| StreamSummary {
            name,
            rows: ids.iter().map(|id| rows[*id as usize]).sum(),
            retracted: ids.iter().map(|id| view.retracted.of_schema(*id) as u64).sum(),
            schemas: ids
                .iter()
                .filter_map(|id| Some(view.schemas.get(*id)?.schema.clone()))
                .collect(),
        };
        view.schemas.streams().into_iter().map(info).collect()
    }

    /// The stream called `name`, as of the last [`upper`](Reader::upper).
    ///
    /// # Errors
    /// Missing when there is none; lists the existing streams.
    pub fn stream(&self, name: &str) -> Result<StreamSummary> {
        let streams = self.streams();
        let names: Vec<_> = streams.iter().map(|stream| &*stream.name).collect();
        let missing = Error::new(Kind::Missing, format!("the log has no stream {name:?}")).remedy(
            match names.as_slice() {
                [] => "nothing was appended to it yet".to_owned(),
                names => format!("it has {}", names.join(", ")),
            },
        );
        streams.into_iter().find(|stream| *stream.name == *name).ok_or(missing)
    }

    /// Bytes of events on disk, as of the last [`upper`](Reader::upper). Sealing changes the number
    /// slightly, either way.
    pub fn bytes(&self) -> u64 {
        let view = self.view();
        let sealed = view.manifest.segments.iter();
        let sealed = sealed.map(|segment| {
            segment.epochs.len + segment.rows.iter().map(|r| r.sum.len).sum::<u64>()
        });
        let frames = view.frames.iter().flat_map(|index| &index.frames);
        let frames =
            frames.flat_map(|frame| &frame.payloads).map(|p| p.len + u64::from(p.meta_len));
        sealed.sum::<u64>() + frames.sum::<u64>()
    }

    /// Bytes of events on disk from `epoch` on, as of the last [`upper`](Reader::upper): without
    /// the segment in whose middle it lies.
    pub fn bytes_from(&self, epoch: Epoch) -> u64 {
        let view = self.view();
        let segments = view.manifest.segments.iter().filter(|segment| segment.lower >= epoch);
        let sealed = segments.flat_map(|segment| &segment.rows).map(|rows| rows.sum.len);
        let frames = view.frames.iter().flat_map(|index| &index.frames);
        let frames = frames.filter(|frame| frame.epoch >= epoch).flat_map(|frame| &frame.payloads);
        sealed.sum::<u64>() + frames.map(|payload| payload.len).sum::<u64>()
    }

    /// Bytes of events on disk in the epochs `[lower, upper)`, as of the last
    /// [`upper`](Reader::upper). An estimate: the epochs of one segment count alike.
    pub fn bytes_between(&self, lower: Epoch, upper: Epoch) -> u64 {
        let view = self.view();
        let sealed = view.manifest.segments.iter().map(|segment| {
            let inside = segment.upper.min(upper).saturating_sub(segment.lower.max(lower));
            let all = (segment.upper - segment.lower).max(1);
            let bytes: u64 = segment.rows.iter().map(|rows| rows.sum.len).sum();
            (u128::from(bytes) * u128::from(inside) / u128::from(all)) as u64
        });
        let sealed: u64 = sealed.sum();
        let frames = view.frames.iter().flat_map(|index| &index.frames);
        let frames = frames.filter(|frame| frame.epoch >= lower && frame.epoch < upper);
        sealed + frames.flat_map(|frame| &frame.payloads).map(|payload| payload.len).sum::<u64>()
    }

    /// The history `[lower, upper)` in independent parts of at most 65,536 rows, for parallel
    /// reading. The list depends only on the two epochs: every process gets the same one, so that
    /// worker `i` of `n` can take the parts `i, i + n, ...`.
    ///
    /// # Errors
    /// Missing if the epochs are not all sealed or no longer held; damage; the disk's.
    pub fn parts(&self, lower: Epoch, upper: Epoch) -> Result<Vec<Part>> {
        self.parts_less(lower, upper, None)
    }

    /// [`Reader::parts`] without the events that epochs below the frontier `at` have retracted: the
    /// content of `[lower, upper)` as of `at`.
    ///
    /// # Errors
    /// As [`Reader::parts`], also for `at`.
    pub fn standing(&self, lower: Epoch, upper: Epoch, at: Epoch) -> Result<Vec<Part>> {
        let view = self.view_of(upper, at.max(upper))?;
        let retracted = Arc::clone(&view.retracted);
        drop(view);
        self.parts_less(lower, upper, Some((retracted, at)))
    }

    fn parts_less(
        &self,
        lower: Epoch,
        upper: Epoch,
        less: Option<(Arc<Retracted>, Epoch)>,
    ) -> Result<Vec<Part>> {
        let view = self.view_of(lower, upper)?;
        let segments = view.manifest.segments.iter();
        let segments: Vec<_> =
            segments.filter(|s| s.lower < upper && s.upper > lower).cloned().collect();
        let schemas = Arc::new(view.schemas.clone());
        let frames = view.frames.iter();
        let frames = frames.filter(|f| f.file.first < upper && f.upper() > lower);
        let of_frames: Vec<_> =
            frames.flat_map(|index| Part::of_frames(index, &schemas, lower, upper)).collect();
        let identity = view.manifest.identity;
        drop(view);
        let mut parts = Vec::new();
        for segment in segments {
            let table = self.table(identity, &segment)?;
            for (entry, (_, blocks)) in segment.rows.iter().zip(&table.blocks) {
                let file = RowsReader::new(&self.dir, identity, &segment, entry, &schemas)?;
                for (number, block) in blocks.iter().enumerate() {
                    let Some(mut part) = Part::of_block(&file, *block, lower, upper) else {
                        continue;
                    };
                    if let Some((retracted, upper)) = &less {
                        let retracted = Arc::clone(retracted);
                        let upper = *upper;
                        let schema = entry.schema;
                        let mut place = 0;
                        if retracted.touches(schema, block.first) {
                            place = file.rows_of(block.first, &blocks[..number])?;
                        }
                        part =
                            part.standing(AppliedRetractions { retracted, upper, schema, place });
                    }
                    parts.push(part);
                }
            }
        }
        parts.extend(of_frames.into_iter().map(|part| match (&less, part.schema_of_frames()) {
            (Some((retracted, upper)), Some(schema)) => {
                let retracted = Arc::clone(retracted);
                let upper = *upper;
                part.standing(AppliedRetractions { retracted, upper, schema, place: 0 })
            }
            _ => part,
        }));
        Ok(parts)
    }

    /// The retractions by the epochs `[lower, upper)`, in order.
    ///
    /// # Errors
    /// Missing if the epochs are not all sealed or no longer held; damage; the disk's.
    pub fn retractions(&self, lower: Epoch, upper: Epoch) -> Result<Vec<Retraction>> {
        let view = self.view_of(lower, upper)?;
        let wanted = view.corrections.iter().filter(|c| (lower..upper).contains(&c.epoch));
        let decode = |corrections: &Arc<Corrections>| corrections.decode(&view.schemas);
        let decoded = wanted.map(decode).collect::<Result<Vec<_>, _>>();
        let decoded = decoded.map_err(|e| damaged(&self.dir.path, 0, e))?;
        Ok(decoded.into_iter().flatten().collect())
    }

    /// The epochs `[lower, upper)` one by one, empty ones too.
    ///
    /// # Errors
    /// Missing if the epochs are not all sealed or no longer held; the disk's. Items are errors
    /// where the log is damaged; nothing comes after one.
    pub fn epochs(&self, lower: Epoch, upper: Epoch) -> Result<Replay> {
        let view = self.view_of(lower, upper)?;
        Ok(Replay::new(&self.dir, &view, lower, upper))
    }

    /// The wall clock when `epoch` was sealed, in microseconds since 1970 (UTC).
    ///
    /// # Errors
    /// Missing if the epoch is not sealed or no longer held; damage; the disk's.
    pub fn clock(&self, epoch: Epoch) -> Result<i64> {
        let view = self.view_of(epoch, epoch.saturating_add(1))?;
        if let Some(index) =
            view.frames.iter().find(|index| epoch < index.upper() && epoch >= index.file.first)
        {
            return Ok(index.frames[(epoch - index.file.first) as usize].clock_us);
        }
        let segments = &view.manifest.segments;
        let at = segments.partition_point(|segment| segment.upper <= epoch);
        let segment = segments[at].clone();
        let identity = view.manifest.identity;
        drop(view);
        let table = self.table(identity, &segment)?;
        Ok(table.epochs[(epoch - segment.lower) as usize].clock_us)
    }

    /// The clocks of at least the epochs `[lower, upper)`, and the epoch of the first: those of all
    /// segments, and of all unsealed frames, that contain these epochs.
    pub(super) fn clocks(&self, lower: Epoch, upper: Epoch) -> Result<(Epoch, Vec<i64>)> {
        let view = self.view_of(lower, upper)?;
        let segments = view.manifest.segments.iter();
        let segments: Vec<_> =
            segments.filter(|s| s.lower < upper && s.upper > lower).cloned().collect();
        let frames = view.frames.iter().filter(|f| f.file.first < upper && f.upper() > lower);
        let frames: Vec<_> = frames.flat_map(|index| &index.frames).collect();
        let first = frames.first().map_or(lower, |frame| frame.epoch);
        let first = segments.first().map_or(first, |segment| segment.lower);
        let of_frames: Vec<_> = frames.into_iter().map(|frame| frame.clock_us).collect();
        drop(view);
        let mut clocks = Vec::new();
        for segment in segments {
            let table = EpochTable::load(&self.dir, &segment)?;
            clocks.extend(table.epochs.iter().map(|record| record.clock_us));
        }
        clocks.extend(of_frames);
        Ok((first, clocks))
    }
}
