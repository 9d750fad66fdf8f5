//! Recovery after a retraction that an accumulation cannot undo: the dataflow is recomputed.
//!
//! An accumulation without an inverse cannot restore the value that a retracted event has replaced.
//! A batch view before such a retraction cannot be continued over it ([`System::fitting`]), and a
//! running dataflow is held at the epoch before it: its answers stay right, for that epoch. It is
//! then recomputed from the log beside the running one, without the retracted events, in workers of
//! its own, and replaces the held dataflow, whole, at a frontier after the retraction.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::deploy::{Candidate, DeployOptions};
use super::system::System;
use super::version_registry::Current;
use super::{BatchOptions, Boundary};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::beside;
use diptych_base::time::Epoch;
use diptych_batch_view::{BatchView, FileCheck};
use diptych_dataflow::{Definition, Description};
use diptych_engine::{Cluster, reach};
use diptych_log::{Reader, Writer};
use diptych_speed::HaltReason;

/// The outcome of a recovery: the held dataflow goes on.
#[derive(Debug)]
pub(super) struct RetractionRecovery {
    /// The first frontier that readers see.
    pub(super) frontier: Epoch,
    pub(super) took: Duration,
}

impl System {
    /// The newest whole batch view of a dataflow at or below `at_most` that can be continued to the
    /// frontier `end`, and errors for those passed over.
    ///
    /// # Errors
    /// As [`System::newest`]; when the log cannot be read.
    pub fn fitting(
        &self,
        definition: &Definition,
        at_most: Epoch,
        end: Epoch,
    ) -> Result<(Option<BatchView>, Vec<Error>)> {
        self.fitting_with(definition, at_most, end, FileCheck::Whole)
    }

    /// As [`System::fitting`], with files checked as `check` says.
    pub(super) fn fitting_with(
        &self,
        definition: &Definition,
        at_most: Epoch,
        end: Epoch,
        check: FileCheck,
    ) -> Result<(Option<BatchView>, Vec<Error>)> {
        let description = definition.describe()?;
        let reader = self.reader()?;
        let (found, mut passed_over) = self.newest_of(&description, &reader, at_most, check)?;
        let Some(view) = found else { return Ok((None, passed_over)) };
        let from = view.boundary();
        let all = Epoch::MAX;
        let Some(held) = overtaken(definition, &description, &reader, from..end, all)? else {
            return Ok((Some(view), passed_over));
        };
        let message = format!("the batch view at F = {from} cannot be continued: {held}");
        passed_over.push(
            Error::new(Kind::Conflict, message)
                .remedy("all is recomputed from the events; `batch` leaves a newer one"),
        );
        Ok((None, passed_over))
    }
}

/// The first retraction in `epochs` of events below `before` that the dataflow cannot apply.
pub(super) fn overtaken(
    definition: &Definition,
    description: &Description,
    reader: &Reader,
    epochs: Range<Epoch>,
    before: Epoch,
) -> Result<Option<HaltReason>> {
    if epochs.is_empty() {
        return Ok(None);
    }
    let read = |name: &str| description.streams.iter().any(|stream| stream.name == name);
    let mut taken = reader.retractions(epochs.start.max(reader.lower()), epochs.end)?;
    taken.retain(|retraction| read(&retraction.events.stream));
    let mut chunks = Vec::new();
    let mut of = Vec::new();
    for (number, retraction) in taken.iter().enumerate() {
        if let Some(events) = retraction.events.clone().between(0, before) {
            chunks.push(events);
            of.push(number);
        }
    }
    let Some((at, accumulation)) = reach(definition, &chunks)? else { return Ok(None) };
    let retraction = &taken[of[at]];
    let events = chunks[at].len();
    let epoch = retraction.epoch;
    let because = retraction.reason.to_string();
    Ok(Some(HaltReason { epoch, accumulation, because, events }))
}

/// The epoch up to which `epochs` are fed as one, if later ones of them retract events of earlier
/// ones: such events do not count at the end, and a panic of the function on them must not end
/// every restart.
pub(super) fn taken_back(
    description: &Description,
    reader: &Reader,
    epochs: Range<Epoch>,
) -> Result<Option<Epoch>> {
    let Range { start: from, end } = epochs;
    if from >= end {
        return Ok(None);
    }
    let read = |name: &str| description.streams.iter().any(|stream| stream.name == name);
    let mut upto = None;
    for retraction in reader.retractions(from.max(reader.lower()), end)? {
        if read(&retraction.events.stream) && retraction.events.between(from, end).is_some() {
            upto = upto.max(Some(retraction.epoch + 1));
        }
    }
    Ok(upto)
}

/// Refuses to tell epochs apart over a retraction that the dataflow cannot apply.
pub(super) fn check_apart(
    system: &System,
    definition: &Definition,
    epochs: Range<Epoch>,
) -> Result<()> {
    let description = definition.describe()?;
    let reader = system.reader()?;
    match overtaken(definition, &description, &reader, epochs, Epoch::MAX)? {
        None => Ok(()),
        Some(held) => {
            let message = format!("the changes of epoch {} cannot be told: {held}", held.epoch);
            let remedy = format!("ask for a snapshot, and for changes from {} on", held.epoch + 1);
            Err(Error::new(Kind::Missing, message).remedy(remedy))
        }
    }
}

/// Recomputes a held dataflow up to the log's end, and cuts over to the result. None when the
/// dataflow is not held, or another deployment is under way.
pub(super) fn recover(
    system: &System,
    current: &Current,
    dataflow: &str,
    writer: Option<Arc<Writer>>,
    stop: &Arc<AtomicBool>,
) -> Result<Option<RetractionRecovery>> {
    let begun = Instant::now();
    let before = current.get(dataflow)?;
    let Some(held) = before.status.held() else { return Ok(None) };
    let end = system.reader()?.upper()?;
    let (found, _) = system.fitting(&before.definition, end, end)?;
    let boundary = match found.map(|view| view.boundary()) {
        Some(boundary) if boundary > held.epoch => boundary,
        _ => {
            let options = BatchOptions {
                cluster: Cluster::local(before.shards),
                upto: Some(end),
                memory: current.memory(),
                stop: Arc::clone(stop),
                ..BatchOptions::default()
            };
            beside(|| system.batch(&before.definition, &options))?;
            end
        }
    };
    let turn = match current.turn() {
        Err(error) if error.is_conflict() => return Ok(None),
        turn => turn?,
    };
    let options = DeployOptions {
        cluster: Cluster::local(before.shards),
        writer,
        stop: Arc::clone(stop),
        index: current.index_options(),
        memory: current.memory(),
        profiled: before.profile.is_some(),
        ..DeployOptions::default()
    };
    let start = Boundary::Restore(boundary);
    let candidate = Candidate::restore(system, &before.definition, start, &options)?;
    // Both have no epoch in common: nothing can be compared.
    let cut = candidate.compare_and_cut(system, current, Some(&before), None, &options);
    let deployed = cut.map_err(|(candidate, error)| {
        candidate.give_up();
        error
    })?;
    drop(turn);
    let frontier = deployed.frontier.unwrap_or(boundary);
    Ok(Some(RetractionRecovery { frontier, took: begun.elapsed() }))
}
