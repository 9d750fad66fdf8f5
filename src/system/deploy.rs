//! Deployments: another version of a served dataflow takes over, whole, at one frontier.
//!
//! The new version is recomputed beside the one that serves, in workers of its own: a batch view of
//! it is made, or continued, then it follows the same log until it has caught up. The differences
//! for readers are reported row by row; then all its views are cut over in one swap
//! ([`Serving::cutover_within`]). Readers of the old version go on until their leases end; its
//! workers leave. A new dataflow over old streams is deployed in the same way without a
//! predecessor, and a rollback with the older function.
//!
//! Until the swap readers see no change: a version that panics, differs from its own batch view or
//! does not catch up is dropped, and the error says why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::checkpoint::remove_old;
use super::deploy_compatibility::check;
use super::system::System;
use super::version_registry::{Current, Running};
use super::{BatchOptions, Boundary, ServeOptions, Served, WriterSlot};
use crate::control::{Deployed, Stream, Turn};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::beside;
use diptych_base::limits::{CUTOVER_BEHIND, CUTOVER_HOLD, CUTOVER_PATIENCE, DEPLOY_CATCH_UP};
use diptych_base::time::Epoch;
use diptych_batch_view::{BatchViewDir, lineage_in_force, set_lineage};
use diptych_dataflow::{Definition, Description};
use diptych_engine::Cluster;
use diptych_log::Writer;
use diptych_serving::{Index, IndexOptions, Read, ViewDiff, view_diffs};
use diptych_speed::HaltReason;

/// The options of a deployment.
#[derive(Clone)]
pub struct DeployOptions {
    /// The workers of the new version, in this process only.
    pub cluster: Cluster,
    /// The writer of this process: once the new version has caught up, it gets epochs from the
    /// writer as soon as they are durable. Without a writer it follows the directory.
    pub writer: Option<Arc<Writer>>,
    /// The number of keys of each view whose rows are given where the versions differ.
    pub samples: usize,
    /// Compare, and leave the old version serving.
    pub diff_only: bool,
    /// Allows views with other columns than before, for which their readers must be prepared.
    pub other_columns: bool,
    /// The longest time for catching up with the version that serves, once there is a batch view.
    pub catch_up: Duration,
    /// The options of the new version's index.
    pub index: IndexOptions,
    /// The memory that views and accumulations may take, in bytes; see [`BatchOptions::memory`].
    pub memory: Option<u64>,
    /// Records figures of each operator; see [`ServeOptions::profiled`].
    pub profiled: bool,
    /// Cancels the deployment when it becomes true before the cutover.
    pub stop: Arc<AtomicBool>,
}

impl Default for DeployOptions {
    fn default() -> Self {
        DeployOptions {
            cluster: Cluster::default(),
            writer: None,
            samples: 10,
            diff_only: false,
            other_columns: false,
            catch_up: DEPLOY_CATCH_UP,
            index: IndexOptions::default(),
            memory: None,
            profiled: false,
            stop: Arc::default(),
        }
    }
}

impl System {
    /// Deploys `definition` in the place of the version of the same dataflow that is `served`, or
    /// beside all others when there is none: recomputes it, catches up, compares, and cuts over at
    /// one frontier. Readers of [`Served::serving`] go on meanwhile.
    ///
    /// ```
    /// use dataflows::{Line, word_count};
    /// use diptych::serving::Read;
    /// use diptych::prelude::*;
    /// use diptych::System;
    /// use diptych::dataflow::Definition;
    /// use diptych::sources::append;
    /// use diptych::system::{DeployOptions, ServeOptions};
    ///
    /// fn folded(df: &mut Dataflow) {
    ///     let lines = df.events::<Line>("lines").flat_map(|line, out| {
    ///         out.extend(line.text.split_whitespace().map(str::to_lowercase));
    ///     });
    ///     df.view("counts", lines.count("words")).columns(&["word", "n"]);
    ///     df.version("folded");
    /// }
    ///
    /// # fn main() -> diptych::Result<()> {
    /// let system = System::in_memory();
    /// let writer = system.writer()?;
    /// append(&writer, "lines", &[Line { text: "To be or not to be".into() }])?;
    /// let options = ServeOptions::default().writer(&writer);
    /// let served = system.serve(&[Definition::new("word_count", word_count)], options)?;
    /// served.wait_beyond("word_count", 0)?;
    /// let readers = served.serving("word_count")?;
    ///
    /// let new = Definition::new("word_count", folded);
    /// let deployed = system.deploy(&served, &new, &DeployOptions::default())?;
    /// // "To" is gone, "to" has one more.
    /// assert_eq!((deployed.views[0].removed, deployed.views[0].changed), (1, 1));
    /// let counts = readers.snapshot(Read::Latest)?.rows::<String, i64>("counts")?;
    /// assert!(counts.contains(&(("to".to_owned(), 2), 1)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When this version serves already, reads a stream with other columns than are served, has a
    /// view with other columns than before ([`DeployOptions::other_columns`]), cannot be computed
    /// (user code panics, the disk refuses) or does not catch up in time; or when another
    /// deployment is under way. The served version then stays.
    pub fn deploy(
        &self,
        served: &Served,
        definition: &Definition,
        options: &DeployOptions,
    ) -> Result<Deployed> {
        let turn = served.current.turn()?;
        deploy(self, &served.current, definition, options, &turn)
    }
}

/// Deploys as [`System::deploy`], for a caller that holds the turn.
pub(super) fn deploy(
    system: &System,
    current: &Current,
    definition: &Definition,
    options: &DeployOptions,
    _turn: &Turn,
) -> Result<Deployed> {
    let description = definition.describe()?;
    let dataflow = description.name.clone();
    let version = description.version.clone();
    let place = |error: Error| error.within(format!("deploying {dataflow} version {version}"));
    let before = current.find(&dataflow);
    check(&description, before.as_ref(), &current.all(), options).map_err(place)?;
    let old = before.as_ref().map(Running::index);
    let candidate = Candidate::start(system, definition, &description, old.as_deref(), options);
    let candidate = candidate.map_err(place)?;
    match candidate.compare_and_cut(system, current, before.as_ref(), old.as_deref(), options) {
        Ok(deployed) => Ok(deployed),
        Err((candidate, error)) => {
            candidate.give_up();
            Err(place(error))
        }
    }
}

/// Accepts a batch view that differs: has the batch view at `boundary` serve in the place of the
/// running dataflow of the same version. It is restored and caught up in workers of its own,
/// because the running accumulations are of another history, and cut over at one frontier, which is
/// given back.
pub(super) fn accept(
    system: &System,
    current: &Current,
    definition: &Definition,
    boundary: Epoch,
    writer: Option<Arc<Writer>>,
    stop: Arc<AtomicBool>,
    _turn: Turn,
) -> Result<Epoch> {
    let before = current.get(definition.name())?;
    if before.processes > 1 {
        let message = "a batch view cannot be accepted while several processes serve";
        return Err(Error::new(Kind::Conflict, message).remedy("stop them, and start again"));
    }
    let old = before.index();
    let shards = before.shards;
    let options = DeployOptions {
        cluster: Cluster::local(shards),
        writer,
        stop,
        index: current.index_options(),
        memory: current.memory(),
        profiled: before.profile.is_some(),
        ..DeployOptions::default()
    };
    let disk = &*system.disk;
    let identity = super::batch_view_metadata::identity(&before.description);
    // Before readers see a row of it: a restart finds its batch view, too.
    let (known, _) = lineage_in_force(disk, &system.root, &identity);
    set_lineage(disk, &system.root, &identity, Some(boundary))?;
    let start = Boundary::Restore(boundary);
    let outcome = Candidate::restore(system, definition, start, &options).and_then(|candidate| {
        let cut = candidate.compare_and_cut(system, current, Some(&before), Some(&old), &options);
        cut.map_err(|(candidate, error)| {
            candidate.give_up();
            error
        })
    });
    if outcome.is_err() {
        set_lineage(disk, &system.root, &identity, known)?;
    }
    Ok(outcome?.frontier.unwrap_or(boundary))
}

/// A version that is computed beside the served ones, without readers.
pub(super) struct Candidate {
    served: Served,
    index: Index,
    late: Option<WriterSlot>,
}

/// A failed candidate and its error.
type Failed = (Box<Candidate>, Error);

impl Candidate {
    /// Computes history into a batch view, and follows the log from there.
    fn start(
        system: &System,
        definition: &Definition,
        description: &Description,
        old: Option<&Index>,
        options: &DeployOptions,
    ) -> Result<Candidate> {
        let boundary = match old.map(Index::frontier) {
            // Both can then be compared, however far apart they are, and also when the old version
            // is held.
            Some(frontier) if frontier > 0 => frontier,
            _ => system.reader()?.upper()?,
        };
        let start = match boundary {
            0 => Boundary::InPlace(0),
            at => {
                make_batch_view(system, definition, description, at, options)?;
                Boundary::Restore(at)
            }
        };
        Candidate::restore(system, definition, start, options)
    }

    /// Stops the candidate after a failure; errors of stopping are ignored.
    pub(super) fn give_up(self) {
        let _ = self.served.stop();
    }

    /// The epoch at which the candidate is held, and the reason, if it is.
    fn stands(&self) -> Option<HaltReason> {
        self.served.current.all().iter().find_map(|running| running.status.held())
    }

    /// Starts a candidate that follows the log from its start.
    pub(super) fn restore(
        system: &System,
        definition: &Definition,
        start: Boundary,
        options: &DeployOptions,
    ) -> Result<Candidate> {
        let late = options.writer.is_some().then(WriterSlot::new);
        let mut serve = ServeOptions::default()
            .cluster(options.cluster.clone())
            .boundary(start)
            .index(options.index.clone())
            .memory(options.memory)
            .profiled(options.profiled);
        if let Some(late) = &late {
            serve = serve.writer_slot(late);
        }
        let served = system.serve(std::slice::from_ref(definition), serve)?;
        let index = served.index(definition.name())?;
        Ok(Candidate { served, index, late })
    }

    /// Catches up, compares, and cuts over unless only a comparison is wanted.
    pub(super) fn compare_and_cut(
        self,
        system: &System,
        current: &Current,
        before: Option<&Running>,
        old: Option<&Index>,
        options: &DeployOptions,
    ) -> Result<Deployed, Failed> {
        let outcome = self.catch_up(old, options).and_then(|()| self.compare(old, options));
        let (epoch, views) = match outcome {
            Ok(compared) => compared,
            Err(error) => return Err((Box::new(self), error)),
        };
        let running = self.served.current.all().remove(0);
        let serving = before.map_or(&running.serving, |before| &before.serving);
        let streams = running.description.streams.iter().map(Stream::of);
        let mut deployed = Deployed {
            dataflow: running.description.name.clone(),
            from: old.map(|old| old.version().to_owned()),
            version: running.description.version.clone(),
            epoch,
            views,
            before: old.map_or_else(Vec::new, |old| old.views().to_vec()),
            frontier: None,
            serving: Arc::clone(serving),
            streams: streams.collect(),
        };
        if options.diff_only {
            // The outcome is known already.
            let _ = self.served.stop();
            return Ok(deployed);
        }
        let name = &deployed.dataflow;
        let version = &deployed.version;
        let cut = || self.cut_over(&deployed, before.is_some(), options);
        let outcome = if deployed.from.as_ref() == Some(version) {
            cut()
        } else {
            system.recorded_while(name, version, cut)
        };
        match outcome {
            Ok(frontier) => deployed.frontier = Some(frontier),
            Err(error) => return Err((Box::new(self), error)),
        }
        let running = Running { serving: Arc::clone(&deployed.serving), ..running };
        if let Some(predecessor) = current.succeed(running, self.served)
            && let Err(error) = predecessor.stop()
        {
            tracing::warn!("{}: the old version did not end well: {error}", deployed.dataflow);
        }
        Ok(deployed)
    }

    /// Checks that the candidate can still serve; errors when it cannot.
    fn check(&self) -> Result<bool> {
        for running in self.served.current.all() {
            running.status.error().map_or(Ok(()), Err)?;
        }
        self.served.check()?;
        self.index.base_checked()
    }

    /// Waits until the candidate is near the old version's frontier, or at the log's end of before.
    fn catch_up(&self, old: Option<&Index>, options: &DeployOptions) -> Result<()> {
        let patience = options.catch_up;
        let end = self.served.reader.upper()?;
        let deadline = Instant::now() + patience;
        loop {
            let checked = self.check()?;
            let here = self.index.frontier();
            let there = old.map_or(end, Index::frontier);
            if checked && here.saturating_add(CUTOVER_BEHIND) >= there && here >= end.min(there) {
                return Ok(());
            }
            if options.stop.load(Ordering::Acquire) {
                return Err(Error::new(Kind::Cancelled, "it was given up"));
            }
            if let Some(held) = self.stands().filter(|held| checked && here >= held.epoch) {
                // A held candidate may replace a version that is held at an earlier epoch.
                return if old.is_none() || here >= there {
                    Ok(())
                } else {
                    Err(Error::new(Kind::Conflict, held.to_string())
                        .remedy("deploy it again: it is then recomputed without these events"))
                };
            }
            if Instant::now() >= deadline {
                let message = format!(
                    "it does not catch up within {patience:?}: it is complete up to {here}, what \
                     serves up to {there}"
                );
                return Err(Error::new(Kind::TimedOut, message)
                    .remedy("give it more workers or more time, or append less meanwhile"));
            }
            self.index.wait_beyond(here, Duration::from_millis(5));
        }
    }

    /// The differences for readers, at the last epoch that both versions have.
    fn compare(
        &self,
        old: Option<&Index>,
        options: &DeployOptions,
    ) -> Result<(Option<Epoch>, Vec<ViewDiff>)> {
        let Some(old) = old else { return Ok((None, Vec::new())) };
        let Some(last) = old.frontier().min(self.index.frontier()).checked_sub(1) else {
            return Ok((None, Vec::new()));
        };
        let left = old.snapshot(Read::AsOf(last))?;
        let right = self.index.snapshot(Read::AsOf(last))?;
        Ok((Some(last), view_diffs(&left, &right, options.samples)?))
    }

    /// Moves readers to the candidate. Gives the frontier that they see first.
    fn cut_over(
        &self,
        deployed: &Deployed,
        replaces: bool,
        options: &DeployOptions,
    ) -> Result<Epoch> {
        if let (Some(late), Some(writer)) = (&self.late, &options.writer) {
            late.give(writer);
        }
        let deadline = Instant::now() + CUTOVER_PATIENCE;
        let frontier = loop {
            self.check()?;
            if !replaces {
                break self.index.frontier();
            }
            match deployed.serving.cutover_within(self.index.clone(), CUTOVER_HOLD) {
                Ok(frontier) => break frontier,
                Err(error) if Instant::now() >= deadline => return Err(error),
                // The old version goes on for a moment, so that its readers do not wait long.
                Err(_) => std::thread::sleep(CUTOVER_HOLD / 4),
            }
        };
        Ok(frontier)
    }
}

/// Waits until no batch view of this version is being written: a checkpoint begun while it served
/// may still be under way when the version is deployed again.
fn await_writer(system: &System, description: &Description, options: &DeployOptions) -> Result<()> {
    let home = BatchViewDir::of(&system.root, &super::batch_view_metadata::identity(description));
    let deadline = Instant::now() + CUTOVER_PATIENCE;
    loop {
        match home.lock(&*system.disk) {
            Err(error) if error.is_conflict() => {
                if Instant::now() >= deadline || options.stop.load(Ordering::Relaxed) {
                    return Err(error);
                }
            }
            Err(error) if !error.is_missing() => return Err(error),
            _ => return Ok(()),
        }
        std::thread::sleep(CUTOVER_HOLD / 4);
    }
}

/// A batch view of the version at `boundary`, made if there is none.
fn make_batch_view(
    system: &System,
    definition: &Definition,
    description: &Description,
    boundary: Epoch,
    options: &DeployOptions,
) -> Result<()> {
    await_writer(system, description, options)?;
    let (found, _) = system.newest(description, boundary)?;
    if found.is_some_and(|view| view.boundary() == boundary) {
        return Ok(());
    }
    let batch = BatchOptions {
        cluster: options.cluster.clone(),
        upto: Some(boundary),
        incremental: true,
        memory: options.memory,
        stop: Arc::clone(&options.stop),
        ..BatchOptions::default()
    };
    beside(|| system.batch(definition, &batch))?;
    remove_old(system, description)
}
