//! The start of the speed layer: where each dataflow begins, and who answers from then on.

use std::sync::{Arc, Mutex};

use super::check_batch_view_fits::{check_log, check_types};
use super::restore_batch_view::{Expected, blocks, install_base, nothing_to_load, stored_state};
use super::retraction_recovery::taken_back;
use super::run_options::EpochSource;
use super::served_dataflows::StartedDataflow;
use super::system::System;
use super::version_registry::Running;
use super::warm_start::serving;
use super::warm_start_cutover::FirstCutover;
use super::{Boundary, ServeOptions, Served, erase, identity, rows};
use diptych_base::error::{Error, Result};
use diptych_base::time::Epoch;
use diptych_batch_view::{BatchView, FileCheck, lineage_in_force};
use diptych_dataflow::{Definition, Description};
use diptych_engine::{Gather, Profile, Progress, StatePlace};
use diptych_log::Reader;
use diptych_serving::{Index, IndexOptions, Publish};
use diptych_speed::{LaneStatus, LiveDataflow, SpeedLayer, Start, Tail};

/// Dataflows that run, and share their workers.
struct Started {
    entries: Vec<StartedDataflow>,
    running: Vec<Running>,
    live: SpeedLayer,
    first_cutover: FirstCutover,
}

/// Does `work` with each, at the same time; one alone on this thread.
fn in_parallel<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if let [one] = all {
        return vec![work(one)];
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = all.iter().map(|one| scope.spawn(|| work(one))).collect();
        let results = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        results.collect()
    })
}

impl System {
    /// Keeps dataflows live: restores or feeds history, then continues epoch by epoch. When very
    /// many epochs are behind the newest batch view of a dataflow, it leaves a newer one first.
    ///
    /// In a process alone each dataflow starts by itself: one whose state is large, or whose
    /// history is fed in place, keeps no other from its readers.
    ///
    /// Process 0 serves; the others only work, and get handles without an index. Returns when the
    /// workers run and what is restored answers, as of its batch view; [`Served::wait_beyond`]
    /// tells when the log's end has been reached.
    ///
    /// # Errors
    /// When a dataflow does not compile, a batch view does not fit it, the log is damaged, or the
    /// start was [stopped](ServeOptions::stop). No dataflow is kept live then.
    pub fn serve(&self, definitions: &[Definition], options: ServeOptions<'_>) -> Result<Served> {
        let reader = self.reader()?;
        let profile = options.profiled.then(Arc::<Profile>::default);
        let turn = Mutex::new(());
        let start =
            |group: &&[Definition]| self.start(group, &options, &reader, profile.clone(), &turn);
        let groups: Vec<_> = match options.cluster.processes() {
            1 => definitions.chunks(1).collect(),
            _ => vec![definitions],
        };
        let started = in_parallel(&groups, start).into_iter().collect::<Result<Vec<_>>>()?;
        let late = match &options.source {
            EpochSource::Join(late) => Some(late.clone()),
            _ => None,
        };
        let mut served = Served {
            entries: Vec::new(),
            live: SpeedLayer::none(profile),
            reader,
            cluster: options.cluster,
            late,
            current: Arc::default(),
            queue: Arc::default(),
            first_cutovers: Vec::new(),
        };
        if let Some(first) = options.relieves {
            (served.current, served.queue) = first.all_begun();
        }
        served.current.bound_memory(options.memory);
        for Started { entries, running, live, first_cutover } in started {
            served.entries.extend(entries);
            served.live.join(live);
            served.first_cutovers.push(first_cutover);
            // What answered first has them already, and from here on a newer version may serve.
            if options.relieves.is_none() {
                running.into_iter().for_each(|one| served.current.begin(one));
            }
        }
        Ok(served)
    }

    /// Starts dataflows that share their workers. Returns when they run, and what is restored
    /// answers.
    fn start(
        &self,
        definitions: &[Definition],
        options: &ServeOptions<'_>,
        reader: &Arc<Reader>,
        profile: Option<Arc<Profile>>,
        turn: &Mutex<()>,
    ) -> Result<Started> {
        for definition in definitions {
            self.catch_up(definition, options, reader, turn)?;
        }
        let end = match options.source {
            EpochSource::Directory | EpochSource::Join(_) => reader.upper()?,
            EpochSource::Until(upper) => upper,
            EpochSource::Writer(writer) => writer.upper(),
        };
        let tail = || match &options.source {
            EpochSource::Directory => Tail::Follow,
            EpochSource::Until(upper) => Tail::Until(*upper),
            EpochSource::Writer(writer) => Tail::Writer(writer.follow()),
            EpochSource::Join(late) => Tail::Join(Arc::clone(&late.join)),
        };
        let mut entries = Vec::new();
        let mut dataflows = Vec::new();
        let mut bases = Vec::new();
        for definition in definitions {
            let (entry, dataflow, base) = self.prepare(definition, options, reader, end)?;
            entries.push(entry);
            dataflows.push(dataflow);
            bases.push(base);
        }
        let live = SpeedLayer::start(&options.cluster, dataflows, reader, tail, profile)?;
        // The workers restore the accumulations meanwhile; one may wait for its base.
        let expected = Expected::by(&entries);
        for (entry, base) in entries.iter().zip(bases) {
            base.map_or(Ok(()), |(view, repeated)| install_base(entry, &view, repeated))?;
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
        if let Some(first) = options.relieves {
            running.iter().for_each(|one| first.begun(one.clone()));
        }
        // From here on readers may see what is in the index, and no epoch before what they saw.
        let first_cutover =
            FirstCutover::of(running.iter().zip(entries.iter().map(|entry| &entry.index)))?;
        Ok(Started { entries, running, live, first_cutover })
    }

    fn prepare(
        &self,
        definition: &Definition,
        options: &ServeOptions<'_>,
        reader: &Reader,
        end: Epoch,
    ) -> Result<(StartedDataflow, LiveDataflow, Option<(BatchView, bool)>)> {
        let description = definition.describe()?;
        let (index, unreadable) = self.empty_index(&description, options, reader)?;
        index.fresh_from(end);
        let (view, mut passed_over) =
            self.restored(definition, &description, options, reader, end)?;
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
        let alone = options.cluster.processes() == 1;
        let in_files = alone && index.keeps_views_in_files() && description.state_in_files;
        let stored = match &base {
            Some(view) if in_files => stored_state(&description, view)?.map(Arc::new),
            _ => None,
        };
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
                let blocks = match &stored {
                    Some(_) => nothing_to_load(),
                    None => blocks(view.clone(), &description),
                };
                (Arc::new(index.clone()), Start::Restore(view.boundary(), blocks))
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
            place: if in_files { StatePlace::Files(stored.clone()) } else { StatePlace::Memory },
            base: digest,
            status: Arc::clone(&status),
            progress: Arc::clone(&progress),
        };
        let boundary = dataflow.start.boundary();
        let entry = StartedDataflow { description, index, boundary, status, progress, passed_over };
        Ok((entry, dataflow, base.map(|view| (view, stored.is_none()))))
    }

    /// The index of a dataflow, and the error of a record of accepted batch views that cannot be
    /// read.
    fn empty_index(
        &self,
        description: &Description,
        options: &ServeOptions<'_>,
        reader: &Reader,
    ) -> Result<(Index, Option<Error>)> {
        let of = identity(description);
        let (lineage, unreadable) = lineage_in_force(&*self.disk, &self.root, &of);
        let history = erase::rewritten(reader);
        let branches = reader.branches();
        let index = IndexOptions { lineage, history, branches, ..options.index.clone() };
        let views = description.views.clone();
        let index = Index::new(&description.version, views, options.cluster.workers, index)?;
        Ok((index, unreadable))
    }

    /// The batch view that a dataflow starts at, and errors for those passed over.
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
                // Several processes must all find the same one: its fit is left to the user who
                // starts them.
                let (found, mut passed_over) = match options.cluster.processes() {
                    1 => {
                        let in_files = options.index.views_in_files && description.state_in_files;
                        let check = if in_files { FileCheck::AsRead } else { FileCheck::Whole };
                        self.fitting_with(definition, end, end, check)?
                    }
                    _ => self.newest(description, end)?,
                };
                if !matches!(options.source, EpochSource::Until(_)) {
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
}
