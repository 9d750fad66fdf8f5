//! `verify`: checks the law on the user's own data.
//!
//! Restored views are compared with a recomputation from the events alone. When they differ, a
//! second recomputation by yet another number of workers finds the cause: if the two recomputations
//! differ, the function is not deterministic; if they agree, the stored batch view is wrong. The
//! check shares the user's function and the engine with what it verifies, so it does not find a bug
//! that gives the same result every time.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use super::args::{DataArgs, FormatArgs, WorkerArgs};
use super::bisect_difference::{self, Sides};
use super::dataflow_catalog::Dataflows;
use super::exit_code::DISAGREE;
use super::row_printer::{Sheet, counted};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::Epoch;
use diptych_dataflow::Definition;
use diptych_engine::Cluster;
use diptych_row::Datum;
use diptych_serving::{Compared, Index, Read, compare};
use diptych_system::{System, Verification};

#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    /// The dataflow
    pub(super) dataflow: String,
    #[command(flatten)]
    pub(super) data: DataArgs,
    /// Worker threads of the restored side; the recomputing side has one more
    #[command(flatten)]
    pub(super) workers: WorkerArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
    /// When something differs, do not look for the first epoch at which it does
    #[arg(long)]
    pub(super) no_search: bool,
}

/// Reports the result of a verification in the background.
pub(super) fn tell(Verification { dataflow, outcome }: Verification) {
    let verdict = match outcome {
        Ok(verdict) => verdict,
        Err(error) => return tracing::warn!("{dataflow}: it could not be verified: {error}"),
    };
    let epoch = verdict.epoch;
    let took = verdict.took;
    if verdict.agrees() {
        let views = counted(verdict.views.len() as u64, "view");
        return tracing::info!("{dataflow}: {views} verified at epoch {epoch} ({took:.1?})");
    }
    for view in verdict.views.iter().filter(|view| !view.agrees()) {
        let name = &view.view.name;
        let served = view.left;
        let recomputed = view.right;
        let rows = view.texts().unwrap_or_else(|error| vec![error.to_string()]);
        tracing::warn!(
            "{dataflow}: view {name} at epoch {epoch} is NOT what the events say: digest {served} \
             served, {recomputed} recomputed; run `verify {dataflow}` to see why; the first rows \
             (served, recomputed):\n  {}",
            rows.join("\n  ")
        );
    }
}

/// Compares the views restored from the newest batch view with a recomputation from the events
/// alone, by one more worker.
pub(super) fn run(args: &VerifyArgs, catalog: &Dataflows) -> Result<ExitCode> {
    let definition = catalog.get(&args.dataflow)?;
    let system = args.data.system();
    let description = definition.describe()?;
    let upper = system.reader()?.upper()?;
    if upper == 0 {
        return Err(Error::new(Kind::Missing, "the log is empty: there is nothing to verify")
            .remedy("append events first, for example with `ingest`"));
    }
    let damaged = system.check_files(&description)?;
    for error in &damaged {
        eprintln!("warning: {error}");
    }
    let boundary = system.fitting(definition, upper, upper)?.0.map(|view| view.boundary());
    let case = Case { args, system, definition, boundary, upper };
    let code = case.run()?;
    if damaged.is_empty() {
        return Ok(code);
    }
    let count = counted(damaged.len() as u64, "file");
    Err(Error::new(Kind::Damaged, format!("{count} damaged, named above")).remedy(
        "restore the log from a copy; batch views can be removed, and are made again by `batch`",
    ))
}

/// The subject of a verification.
struct Case<'a> {
    args: &'a VerifyArgs,
    system: System,
    definition: &'a Definition,
    /// The boundary of the batch view that is restored.
    boundary: Option<Epoch>,
    upper: Epoch,
}

impl Case<'_> {
    fn run(&self) -> Result<ExitCode> {
        let upper = self.upper;
        let cluster = self.args.workers.cluster();
        let from = match self.boundary {
            Some(boundary) if boundary == upper => format!("the batch view at F = {boundary}"),
            Some(boundary) => format!("the batch view at F = {boundary} and the epochs since"),
            None => "the events (there is no batch view of this version)".to_owned(),
        };
        let others = Cluster::local(cluster.workers + 1);
        eprintln!(
            "epoch {}: {from} with {}, against the events alone with {}",
            upper - 1,
            counted(cluster.workers as u64, "worker"),
            others.workers
        );
        let restored = self.system.recompute(self.definition, upper, cluster.clone(), false);
        let begun = Instant::now();
        let fresh = match &restored {
            // The accumulations do not give the views that were written beside them.
            Err(error) if error.is_damaged() && self.boundary.is_some() => {
                eprintln!("warning: {error}");
                self.recompute(&others)?
            }
            Err(_) => return restored.map(|_| ExitCode::SUCCESS),
            Ok(_) => self.recompute(&others)?,
        };
        let took = begun.elapsed();
        if let Ok(restored) = &restored {
            let comparisons = compared(restored, &fresh)?;
            report(&comparisons, self.args)?;
            if self.boundary.is_none() && !comparisons.iter().all(Compared::agrees) {
                println!("layers DISAGREE");
                self.blame_function(&cluster, &others, comparisons, took)?;
                return Ok(ExitCode::from(DISAGREE));
            }
            let code = verdict(&comparisons)?;
            if code == ExitCode::SUCCESS {
                return Ok(code);
            }
        }
        self.explain(restored, &fresh, took)
    }

    /// Finds out why the restored views differ from `fresh`, or cannot be restored.
    fn explain(&self, restored: Result<Index>, fresh: &Index, took: Duration) -> Result<ExitCode> {
        let cluster = self.args.workers.cluster();
        let others = Cluster::local(cluster.workers + 1);
        let third = Cluster::local(cluster.workers + 2);
        eprintln!("recomputing once more, with {} workers, to see why", third.workers);
        let again = self.recompute(&third)?;
        let between = compared(fresh, &again)?;
        if !between.iter().all(Compared::agrees) {
            self.blame_function(&others, &third, between, took)?;
            return Ok(ExitCode::from(DISAGREE));
        }
        println!(
            "two recomputations from the events agree with each other: what was stored is wrong, \
             or the function depends on something else that has changed since (the date, a file, \
             its code under the same version)"
        );
        let comparisons = compared(&restored?, fresh)?;
        if let Some(boundary) = self.boundary.filter(|_| !self.args.no_search) {
            let sides = Sides::Stored { from: boundary, cluster, others };
            self.search(&sides, comparisons, took)?;
        }
        Ok(ExitCode::from(DISAGREE))
    }

    fn blame_function(
        &self,
        one: &Cluster,
        other: &Cluster,
        comparisons: Vec<Compared>,
        took: Duration,
    ) -> Result<()> {
        println!(
            "the function is not deterministic: two recomputations from the same events differ at \
             epoch {}; the first differing rows ({}, {}):",
            self.upper - 1,
            counted(one.workers as u64, "worker"),
            counted(other.workers as u64, "worker")
        );
        bisect_difference::print(&comparisons)?;
        if !self.args.no_search {
            let sides = Sides::Recomputed { one: one.clone(), other: other.clone() };
            self.search(&sides, comparisons, took)?;
        }
        Ok(())
    }

    fn search(&self, sides: &Sides, found: Vec<Compared>, took: Duration) -> Result<()> {
        bisect_difference::search(&self.system, self.definition, sides, self.upper - 1, found, took)
    }

    fn recompute(&self, cluster: &Cluster) -> Result<Index> {
        self.system.recompute(self.definition, self.upper, cluster.clone(), true)
    }
}

fn compared(left: &Index, right: &Index) -> Result<Vec<Compared>> {
    compare(&left.snapshot(Read::Latest)?, &right.snapshot(Read::Latest)?)
}

fn report(comparisons: &[Compared], args: &VerifyArgs) -> Result<()> {
    let mut sheet = Sheet::new(args.format.format, &["view", "rows", "digest", "verdict"])?;
    for view in comparisons {
        let verdict = if view.agrees() { "agrees" } else { "DIFFERS" };
        sheet.row(vec![
            Datum::String(view.view.name.clone()),
            Datum::UInt(view.rows),
            Datum::String(view.left.to_string()),
            Datum::String(verdict.to_owned()),
        ])?;
    }
    sheet.finish()
}

/// Reports whether the layers agree, and shows the first rows that differ.
pub(super) fn verdict(comparisons: &[Compared]) -> Result<ExitCode> {
    if comparisons.iter().all(Compared::agrees) {
        println!("layers agree");
        return Ok(ExitCode::SUCCESS);
    }
    println!("layers DISAGREE; the first differing rows (restored or live, recomputed):");
    bisect_difference::print(comparisons)?;
    Ok(ExitCode::from(DISAGREE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::every;

    #[test]
    fn how_often_is_said() {
        assert_eq!(every("every=1h"), Ok(Duration::from_hours(1)));
        assert_eq!(every("every=250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["1h", "every=", "every=soon", "every=0s"] {
            assert!(every(wrong).is_err(), "{wrong}");
        }
    }
}
