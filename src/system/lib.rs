//! The composition root: a data directory, and both layers over it.
//!
//! This is the only file that knows log, batch, speed and serving together. A [`System`] is a
//! directory with the log in `log/` and batch views in `views/`. [`System::batch`] runs the batch
//! layer; [`System::serve`] starts the speed layer where a batch view ends (or at the log's present
//! end, with history fed in place); both meet in an [`Index`].

mod active_version;
mod backup;
mod batch_before_start;
mod batch_run;
mod checkpoint;
mod checkpoint_pace;
mod compatibility;
mod control;
mod deploy;
mod deploy_compatibility;
mod diff;
mod erase;
mod options;
mod rebuild;
mod rebuild_queue;
mod rebuilt;
#[cfg(test)]
mod recompute_tests;
mod registry;
mod restore_source;
mod retraction_recovery;
mod served;
mod time_travel;
mod verify;
mod warm_start;

pub use backup::Backup;
pub use checkpoint::Checkpoint;
pub use checkpoint_pace::Checkpoints;
pub use control::{
    Control, Controlled, ControlledDataflow, Deployed, Rebuild, Stream, Turn, Turns, Wanted,
};
pub use deploy::DeployOptions;
pub use diff::diff;
pub use diptych_serving::{KeyDiff, ViewDiff};
pub use erase::{EraseOptions, ErasedData, ErasedDataflow, ErasedView};
pub use options::LateWriter;
pub use options::{BatchOptions, Boundary, ServeOptions};
pub use rebuild::{RebuildOptions, Rebuilds};
pub use rebuilt::Rebuilt;
pub use served::Served;
pub use time_travel::{How, Past};
pub use verify::{Verification, Verifications};
pub use warm_start::FirstAnswers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use batch_run::BatchSpan;
use compatibility::{beyond_log, check_log, check_types};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Clock, Disk, RealClock, RealDisk, SimDisk};
use diptych_base::time::Epoch;
use diptych_batch::BatchReport;
use diptych_batch_view::{Barrier, BatchView, Identity, Meta, lineage_in_force};
use diptych_dataflow::{Definition, Description};
use diptych_engine::{Cluster, Gather, Profile, Progress};
use diptych_log::{Reader, Writer, WriterOptions};
use diptych_serving::{Index, IndexOptions, Publish};
use diptych_speed::{LaneStatus, Live, LiveDataflow, Start, Tail};
use options::Source;
use registry::{Current, Running};
use restore_source::{Expected, blocks, install_base};
use retraction_recovery::{check_apart, taken_back};
use served::Entry;
use warm_start::{Relief, serving};

/// A data directory, and the layers over it.
#[derive(Clone, Debug)]
pub struct System {
    disk: Arc<dyn Disk>,
    root: PathBuf,
}

impl System {
    /// The data directory at `root`; created when something is first written.
    pub fn open(root: impl Into<PathBuf>) -> System {
        System::with_disk(Arc::new(RealDisk), root)
    }

    /// A data directory in memory, gone with its last handle: for tests and examples.
    pub fn in_memory() -> System {
        System::with_disk(Arc::new(SimDisk::new()), "memory")
    }

    /// The directory `root` of any disk.
    pub fn with_disk(disk: Arc<dyn Disk>, root: impl Into<PathBuf>) -> System {
        System { disk, root: root.into() }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens the log for appending; takes its lock.
    ///
    /// # Errors
    /// When another process holds the lock, or the log is damaged beyond its torn tail.
    pub fn writer(&self) -> Result<Writer> {
        self.writer_with(Arc::new(RealClock), WriterOptions::default())
    }

    /// [`System::writer`] with a clock and options of one's own.
    ///
    /// # Errors
    /// As there.
    pub fn writer_with(&self, clock: Arc<dyn Clock>, options: WriterOptions) -> Result<Writer> {
        let writer = Writer::open(Arc::clone(&self.disk), clock, self.root.join("log"), options)?;
        self.remove_former(&*self.reader()?)?;
        Ok(writer)
    }

    /// Opens the log for reading, without a lock, up to what is durable.
    ///
    /// # Errors
    /// When there is no log, or it is damaged.
    pub fn reader(&self) -> Result<Arc<Reader>> {
        Reader::open(Arc::clone(&self.disk), self.root.join("log")).map(Arc::new)
    }

    /// Runs the batch layer over `[0, upto)` and leaves a batch view on disk. With several
    /// processes every one of them calls this with the same arguments but its own number.
    ///
    /// # Errors
    /// When the log is empty or damaged, there is a batch view at that epoch already, user
    /// code panics, or the disk refuses; there is no new batch view then.
    pub fn batch(&self, definition: &Definition, options: &BatchOptions) -> Result<BatchReport> {
        let description = definition.describe()?;
        let reader = self.reader()?;
        let boundary = history_end(&reader, options.upto)?;
        if boundary == 0 {
            let place = self.root.display();
            return Err(Error::new(Kind::Input, format!("the log in {place} is empty"))
                .remedy("append events first, for example with `ingest`"));
        }
        self.remove_former(&reader)?;
        self.remove_unfit(&description, &reader, boundary)?;
        let earlier = self.earlier(definition, &description, &reader, boundary, options)?;
        let span = BatchSpan { boundary, earlier };
        self.run_batch(definition, description, reader, span, &self.root, options)
    }

    /// Batch views of epochs that the log does not have.
    fn beyond(&self, description: &Description, reader: &Reader) -> Result<Vec<Error>> {
        let identity = identity(description);
        let boundaries = BatchView::boundaries(&*self.disk, &self.root, &identity)?;
        // Later than the list: a batch view may be finished at any moment, and is of the log.
        let upper = reader.upper()?;
        let beyond = boundaries.into_iter().filter(|boundary| *boundary > upper);
        Ok(beyond.map(|boundary| beyond_log(&identity.dir(&self.root), boundary, upper)).collect())
    }

    /// Keeps dataflows live: restores or feeds history, then continues epoch by epoch. When very
    /// many epochs are behind the newest batch view of a dataflow, it leaves a newer one first.
    ///
    /// Process 0 serves; the others only work, and get handles without an index. Returns when the
    /// workers run and what is restored answers, as of its batch view; [`Served::wait_beyond`]
    /// tells when the log's end has been reached.
    ///
    /// # Errors
    /// When a dataflow does not compile, a batch view does not fit it, or the log is damaged.
    pub fn serve(&self, definitions: &[Definition], options: ServeOptions<'_>) -> Result<Served> {
        let reader = self.reader()?;
        for definition in definitions {
            self.catch_up(definition, &options, reader.upper()?)?;
        }
        let end = match options.source {
            Source::Directory | Source::Join(_) => reader.upper()?,
            Source::Until(upper) => upper,
            Source::Writer(writer) => writer.upper(),
        };
        let tail = || match &options.source {
            Source::Directory => Tail::Follow,
            Source::Until(upper) => Tail::Until(*upper),
            Source::Writer(writer) => Tail::Writer(writer.follow()),
            Source::Join(late) => Tail::Join(Arc::clone(&late.join)),
        };
        let late = match &options.source {
            Source::Join(late) => Some(late.clone()),
            _ => None,
        };
        let mut entries = Vec::new();
        let mut live = Vec::new();
        let mut bases = Vec::new();
        for definition in definitions {
            let (entry, dataflow, base) = self.prepare(definition, &options, &reader, end)?;
            entries.push(entry);
            live.push(dataflow);
            bases.push(base);
        }
        let profile = options.profiled.then(Arc::<Profile>::default);
        let live = Live::start(&options.cluster, live, &reader, tail, profile)?;
        // The workers restore the accumulations meanwhile; one may wait for its base.
        let expected = Expected::by(&entries);
        for (entry, base) in entries.iter().zip(bases) {
            base.map_or(Ok(()), |view| install_base(entry, &view))?;
        }
        expected.there();
        let running = entries.iter().zip(definitions);
        let running = running.map(|(entry, definition)| Running {
            definition: definition.clone(),
            description: entry.description.clone(),
            serving: serving(options.relieves, entry),
            status: Arc::clone(&entry.status),
            shards: options.cluster.workers,
            processes: options.cluster.processes(),
            profile: live.profile().cloned(),
        });
        let running: Vec<_> = running.collect();
        let (current, desk) = match options.relieves {
            Some(first) => first.begin(running.clone()),
            None => (Current::new(running.clone()), Arc::default()),
        };
        // From here on readers may see what is in the index, and no epoch before what they saw.
        let relief = Relief::of(running.iter().zip(entries.iter().map(|entry| &entry.index)))?;
        Ok(Served { entries, live, reader, cluster: options.cluster, late, current, desk, relief })
    }

    fn prepare(
        &self,
        definition: &Definition,
        options: &ServeOptions<'_>,
        reader: &Reader,
        end: Epoch,
    ) -> Result<(Entry, LiveDataflow, Option<BatchView>)> {
        let description = definition.describe()?;
        let shards = options.cluster.workers;
        let views = description.views.clone();
        let of = identity(&description);
        let (lineage, unreadable) = lineage_in_force(&*self.disk, &self.root, &of);
        let history = erase::rewritten(reader);
        let branches = reader.branches();
        let index = IndexOptions { lineage, history, branches, ..options.index.clone() };
        let index = Index::new(&description.version, views, shards, index)?;
        index.fresh_from(end);
        let restored = self.restored(definition, &description, options, reader, end)?;
        let (view, mut passed_over) = restored;
        passed_over.extend(unreadable);
        let skips = match (&view, options.boundary) {
            (Some(view), Boundary::Newest) => {
                taken_back(&description, reader, view.boundary()..end)?
            }
            _ => None,
        };
        let digest = view.as_ref().map_or_else(String::new, |view| view.digest().to_string());
        let base = view.clone().filter(|_| options.cluster.is_first() && skips.is_none());
        view.as_ref().map_or(Ok(()), |view| check_log(view, reader))?;
        let (publisher, start): (Arc<dyn Publish>, Start) = match (view, skips, options.boundary) {
            (Some(view), Some(upto), _) => {
                let range = (view.boundary(), upto);
                let start = Start::Continue(range, blocks(view, &description));
                (Arc::new(Gather::new(index.clone(), upto)), start)
            }
            (Some(view), None, _) => {
                if base.is_some() {
                    index.expect_base(view.boundary());
                }
                let start = Start::Restore(view.boundary(), blocks(view, &description));
                (Arc::new(index.clone()), start)
            }
            (None, _, Boundary::InPlace(boundary)) => {
                (Arc::new(Gather::new(index.clone(), boundary)), Start::History(boundary))
            }
            (None, ..) => (Arc::new(Gather::new(index.clone(), end)), Start::History(end)),
        };
        let status = Arc::<LaneStatus>::default();
        let progress = Arc::<Progress>::default();
        if let Start::History(_) = start {
            progress.expect(rows(reader, &description));
        }
        let dataflow = LiveDataflow {
            definition: definition.clone(),
            plan: description.plan(),
            streams: description.streams.clone(),
            publisher,
            start,
            base: digest,
            status: Arc::clone(&status),
            progress: Arc::clone(&progress),
        };
        let boundary = dataflow.start.boundary();
        let entry = Entry { description, index, boundary, status, progress, passed_over };
        Ok((entry, dataflow, base))
    }

    /// The batch view that a dataflow starts at, and what was passed over.
    fn restored(
        &self,
        definition: &Definition,
        description: &Description,
        options: &ServeOptions<'_>,
        reader: &Reader,
        end: Epoch,
    ) -> Result<(Option<BatchView>, Vec<Error>)> {
        match options.boundary {
            Boundary::InPlace(_) => Ok((None, Vec::new())),
            Boundary::Newest => {
                // Of several processes each would have to find the same: who starts them decides.
                let (found, mut passed_over) = match options.cluster.processes() {
                    1 => self.fitting(definition, end, end)?,
                    _ => self.newest(description, end)?,
                };
                if !matches!(options.source, Source::Until(_)) {
                    passed_over.extend(self.beyond(description, reader)?);
                }
                Ok((found, passed_over))
            }
            Boundary::Restore(boundary) => {
                let identity = identity(description);
                let view =
                    BatchView::open(Arc::clone(&self.disk), &self.root, &identity, boundary)?;
                check_types(description, &view)?;
                Ok((Some(view), Vec::new()))
            }
        }
    }

    /// The views of a dataflow at the frontier `upper`, recomputed into memory: from the newest
    /// batch view at or below `upper`, or, when `from_scratch`, from the events alone, which makes
    /// it an independent check of what is served.
    ///
    /// # Errors
    /// As [`System::serve`], and when the dataflow fails on the way.
    pub fn recompute(
        &self,
        definition: &Definition,
        upper: Epoch,
        cluster: Cluster,
        from_scratch: bool,
    ) -> Result<Index> {
        let boundary = if from_scratch { Boundary::InPlace(upper) } else { Boundary::Newest };
        let options = ServeOptions::default().cluster(cluster).boundary(boundary).until(upper);
        self.run_until(definition, upper, options, &AtomicBool::new(false))
    }

    /// [`System::recompute`] from the events alone, given up when `stop` becomes true.
    ///
    /// # Errors
    /// As there, and when it was given up.
    pub fn recompute_unless(
        &self,
        definition: &Definition,
        upper: Epoch,
        cluster: Cluster,
        stop: &AtomicBool,
    ) -> Result<Index> {
        let options = ServeOptions::default().cluster(cluster).boundary(Boundary::InPlace(upper));
        self.run_until(definition, upper, options.until(upper), stop)
    }

    /// As [`System::recompute`], with the changes of every epoch in `[boundary, upper)` kept apart:
    /// [`Index::changes`] gives them all, or, when they take more than `bytes`, the last of them.
    ///
    /// # Errors
    /// As [`System::recompute`].
    pub fn recompute_changes(
        &self,
        definition: &Definition,
        boundary: Boundary,
        upper: Epoch,
        cluster: Cluster,
        bytes: usize,
    ) -> Result<Index> {
        let from = match boundary {
            Boundary::InPlace(from) | Boundary::Restore(from) => from,
            Boundary::Newest => 0,
        };
        check_apart(self, definition, from..upper)?;
        // Kept as published, they are read in the order of epochs without a search.
        let index = IndexOptions {
            history_epochs: upper + 1,
            history_bytes: bytes,
            recent_updates: usize::MAX,
            recent_bytes: bytes,
            ..IndexOptions::default()
        };
        let options = ServeOptions::default().cluster(cluster).boundary(boundary);
        let options = options.until(upper).index(index);
        self.run_until(definition, upper, options, &AtomicBool::new(false))
    }

    fn run_until(
        &self,
        definition: &Definition,
        upper: Epoch,
        options: ServeOptions<'_>,
        stop: &AtomicBool,
    ) -> Result<Index> {
        let served = self.serve(std::slice::from_ref(definition), options)?;
        let index = served.index(definition.name())?;
        if let Some(last) = upper.checked_sub(1) {
            served.wait_beyond_unless(definition.name(), last, stop)?;
        }
        served.stop()?;
        Ok(index)
    }
}

fn identity(description: &Description) -> Identity {
    Identity::new(&description.name, &description.version)
}

/// What a batch view of the dataflow at `boundary` states beside its contents.
fn meta(description: &Description, reader: &Reader, boundary: Epoch) -> Result<Meta> {
    let barriers = description.accumulations.iter();
    let last = boundary.checked_sub(1);
    Ok(Meta {
        sealed_us: last.map(|last| reader.clock(last)).transpose()?,
        branch: reader.branches().before(boundary),
        log_identity: reader.identity(),
        barriers: barriers
            .map(|(name, types)| Barrier { name: name.clone(), types: types.clone() })
            .collect(),
        views: description.views.clone(),
    })
}

/// How many rows of the dataflow's streams the log has: what a batch run has to feed, or somewhat
/// more when it ends before the log does.
fn rows(reader: &Reader, description: &Description) -> u64 {
    let read = |name: &str| description.streams.iter().any(|stream| stream.name == name);
    reader.streams().iter().filter(|stream| read(&stream.name)).map(|stream| stream.rows).sum()
}

/// Where history ends: at `upto`, which must be sealed, or at the log's end.
fn history_end(reader: &Reader, upto: Option<Epoch>) -> Result<Epoch> {
    let upper = reader.upper()?;
    match upto {
        Some(upto) if upto > upper => {
            let message = format!("epoch {upto} is beyond the log's end, {upper}");
            Err(Error::new(Kind::Input, message).remedy("name a sealed epoch"))
        }
        upto => Ok(upto.unwrap_or(upper)),
    }
}
