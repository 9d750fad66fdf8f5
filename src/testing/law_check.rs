//! Checks the law and determinism on one history.

use std::sync::Arc;

use super::live_test_run::Live;
use super::test_history::Story;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Clock as _, Random as _, RealClock, SimClock, SimRandom};
use diptych_base::time::Epoch;
use diptych_dataflow::Definition;
use diptych_engine::Cluster;
use diptych_event::Timestamp;
use diptych_log::{Append, WriterOptions};
use diptych_serving::{Index, Read, Snapshot};
use diptych_system::{BatchOptions, Boundary, ServeOptions, System};

/// Differing rows that a failure shows.
const SHOWN: usize = 5;

/// Checks that all ways to compute a dataflow agree on a history, at every epoch of it:
///
/// - epoch by epoch from the start, with one worker: the reference for all others;
/// - the same a second time (is it deterministic?);
/// - as a batch up to every epoch, with two workers;
/// - from a batch view at every epoch, restored by another number of workers;
/// - live, with every append repeated by its producer, and with a restart in the middle;
/// - with the events of each epoch in another order;
/// - with the events in other epochs, early and late: compared at the end.
///
/// `seed` decides all random choices. The view `errors` names epochs, and is left out of the last
/// comparison.
///
/// # Errors
/// When two of them differ: names the two and the first rows. When the dataflow cannot be run.
pub fn check_law(dataflow: impl Into<Definition>, story: &Story, seed: u64) -> Result<()> {
    let law = Law::new(dataflow.into(), story)?;
    let Some(upper) = law.upper else { return Ok(()) };
    let random = SimRandom::new(seed);
    let workers = 1 + random.below(3) as usize;
    law.same_again()?;
    for t in 1..=upper {
        let batch = law.system.recompute(&law.definition, t, Cluster::local(2), true)?;
        let hint = "does a closure in front of a barrier keep state?";
        law.compare(&batch, t - 1, &format!("batch up to epoch {}", t - 1), hint)?;
        let options = BatchOptions {
            cluster: Cluster::local(1 + (t % 2) as usize),
            upto: Some(t),
            ..BatchOptions::default()
        };
        law.system.batch(&law.definition, &options)?;
        let index = law.serve(&law.system, Boundary::Restore(t), workers)?;
        let hint = "does an operator read times, or keep state that no accumulation holds?";
        for epoch in t - 1..upper {
            let what = format!("{workers} workers, restored at F = {t}");
            law.compare(&index, epoch, &what, hint)?;
        }
    }
    law.live_and_restarted(story, &random, workers)?;
    law.other_orders(story, &random, workers)
}

/// Runs a history twice and compares: finds functions that read a clock, random numbers or a
/// counter.
///
/// # Errors
/// When the runs differ: names the place and the first rows. When the dataflow cannot be run.
pub fn check_deterministic(dataflow: impl Into<Definition>, story: &Story) -> Result<()> {
    Law::new(dataflow.into(), story)?.same_again()
}

struct Law {
    definition: Definition,
    system: System,
    /// None when the history is empty.
    upper: Option<Epoch>,
    /// The reference: epoch by epoch, with one worker.
    known: Index,
    now_us: i64,
}

impl Law {
    fn new(definition: Definition, story: &Story) -> Result<Law> {
        let now_us = RealClock.now_us();
        let system = written(story, now_us)?;
        let upper = story.epochs() as Epoch;
        let known = run(&system, &definition, upper, Boundary::InPlace(0), 1)?;
        Ok(Law { definition, system, upper: (upper > 0).then_some(upper), known, now_us })
    }

    fn serve(&self, system: &System, boundary: Boundary, workers: usize) -> Result<Index> {
        run(system, &self.definition, self.upper.unwrap_or(0), boundary, workers)
    }

    fn same_again(&self) -> Result<()> {
        let again = self.serve(&self.system, Boundary::InPlace(0), 1)?;
        let hint = "the function is not deterministic: does it read a clock, chance or a counter?";
        (0..self.upper.unwrap_or(0))
            .try_for_each(|epoch| self.compare(&again, epoch, "the same once more", hint))
    }

    fn live_and_restarted(&self, story: &Story, random: &SimRandom, workers: usize) -> Result<()> {
        let mut live = Live::start(self.definition.clone())?;
        live.set_clock(Timestamp::from_micros(self.now_us));
        let restart = random.below(story.epochs() as u64) as usize;
        for (epoch, batches) in story.parts().iter().enumerate() {
            live.feed_batches(batches)?;
            let known = self.known.snapshot(Read::AsOf(epoch as Epoch))?;
            let hint = "does the function see in which epoch, or how often, something is appended?";
            let found = live.snapshot(Read::Latest)?;
            self.same(&known, &found, "live, every append repeated", hint)?;
            if epoch == restart {
                live.restart(workers)?;
                let found = live.snapshot(Read::Latest)?;
                self.same(&known, &found, "live, restarted", hint)?;
            }
        }
        Ok(())
    }

    fn other_orders(&self, story: &Story, random: &SimRandom, workers: usize) -> Result<()> {
        let hint = "the order of events is not defined: is every monoid commutative, and does \
                    every `latest` have an order that says all it depends on?";
        // The reversed order as well: a history of two events is then enough to show a failure.
        for other in [story.reversed()?, story.shuffled(random)?] {
            let index =
                self.serve(&written(&other, self.now_us)?, Boundary::InPlace(0), workers)?;
            for epoch in 0..self.upper.unwrap_or(0) {
                self.compare(&index, epoch, "the events of each epoch in another order", hint)?;
            }
        }
        let recut = story.recut(random)?;
        let system = written(&recut, self.now_us)?;
        let upper = recut.epochs() as Epoch;
        let index = run(&system, &self.definition, upper, Boundary::InPlace(0), workers)?;
        let hint = "an answer may depend on what has happened, not on when it was appended";
        let known = self.known.snapshot(Read::Latest)?;
        let found = index.snapshot(Read::Latest)?;
        // The view `errors` names epochs.
        self.same_but("errors", &known, &found, "the events in other epochs", hint)
    }

    fn compare(&self, index: &Index, epoch: Epoch, what: &str, hint: &str) -> Result<()> {
        let known = self.known.snapshot(Read::AsOf(epoch))?;
        self.same(&known, &index.snapshot(Read::AsOf(epoch))?, what, hint)
    }

    fn same(&self, known: &Snapshot, found: &Snapshot, what: &str, hint: &str) -> Result<()> {
        self.same_but("", known, found, what, hint)
    }

    /// Checks that all views are equal, except the one called `but`.
    fn same_but(
        &self,
        but: &str,
        known: &Snapshot,
        found: &Snapshot,
        what: &str,
        hint: &str,
    ) -> Result<()> {
        for (id, view) in known.views().iter().enumerate().filter(|(_, view)| view.name != but) {
            let mut rows = Vec::new();
            for row in known.difference(id, found, id).take(SHOWN) {
                let row = row?;
                let cells = view.schema.decode(&row.key, &row.value)?;
                let cells: Vec<_> = cells.iter().map(ToString::to_string).collect();
                let times = row.multiplicity;
                rows.push(format!("  {times:+} ({})", cells.join(", ")));
            }
            if !rows.is_empty() {
                let name = self.definition.name();
                let at = known.upper().saturating_sub(1);
                let message = format!(
                    "the law is broken: dataflow {name:?}, view {:?} at epoch {at}: {what} differs \
                     from epoch by epoch with one worker; rows to add to the latter:\n{}\n",
                    view.name,
                    rows.join("\n")
                );
                return Err(Error::new(Kind::Damaged, message).remedy(hint));
            }
        }
        Ok(())
    }
}

/// Writes the story as a log; `now_us` is the clock of every epoch, so that two logs have equal
/// clocks.
fn written(story: &Story, now_us: i64) -> Result<System> {
    let system = System::in_memory();
    let clock = Arc::new(SimClock::at(now_us));
    let writer = system.writer_with(clock, WriterOptions::default())?;
    for batches in story.parts() {
        let append = Append { batches: batches.clone(), ..Append::default() };
        writer.append(append)?.wait()?;
    }
    writer.close()?;
    Ok(system)
}

fn run(
    system: &System,
    definition: &Definition,
    upper: Epoch,
    boundary: Boundary,
    workers: usize,
) -> Result<Index> {
    let options =
        ServeOptions::default().cluster(Cluster::local(workers)).boundary(boundary).until(upper);
    let served = system.serve(std::slice::from_ref(definition), options)?;
    if upper > 0 {
        served.wait_beyond(definition.name(), upper - 1)?;
    }
    let index = served.index(definition.name())?;
    served.stop()?;
    Ok(index)
}
