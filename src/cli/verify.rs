//! `verify`: the law, on the user's own data.

use std::process::ExitCode;

use super::DISAGREE;
use super::args::VerifyArgs;
use super::catalog::Catalog;
use super::compare::{Comparison, compare};
use super::sheet::{Sheet, counted};
use crate::engine::Cluster;
use crate::error::{Error, Kind, Result};
use crate::row::Datum;
use crate::serving::Read;

/// Compares what is restored from the newest batch view with a recomputation from the events
/// alone, by one more worker.
pub(super) fn run(args: &VerifyArgs, catalog: &Catalog) -> Result<ExitCode> {
    let definition = catalog.get(&args.dataflow)?;
    let (system, cluster) = (args.data.system(), args.workers.cluster());
    let upper = system.reader()?.upper()?;
    if upper == 0 {
        return Err(Error::new(Kind::Missing, "the log is empty: there is nothing to verify")
            .remedy("append events first, for example with `ingest`"));
    }
    let (found, damaged) = system.newest(&definition.describe()?, upper)?;
    for error in &damaged {
        eprintln!("warning: {error}");
    }
    let from = match found.map(|view| view.boundary()) {
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
    let restored = system.recompute(definition, upper, cluster, false)?;
    let fresh = system.recompute(definition, upper, others, true)?;
    let (left, right) = (restored.snapshot(Read::Latest)?, fresh.snapshot(Read::Latest)?);
    report(&compare(&left, &right)?, args)
}

fn report(comparisons: &[Comparison], args: &VerifyArgs) -> Result<ExitCode> {
    let mut sheet = Sheet::new(args.format.format, &["view", "rows", "digest", "verdict"])?;
    for view in comparisons {
        let verdict = if view.agrees() { "agrees" } else { "DIFFERS" };
        sheet.row(vec![
            Datum::String(view.view.clone()),
            Datum::UInt(view.rows),
            Datum::String(view.left.to_string()),
            Datum::String(verdict.to_owned()),
        ])?;
    }
    sheet.finish()?;
    Ok(verdict(comparisons))
}

/// Says whether the layers agree, and shows the first rows that differ.
pub(super) fn verdict(comparisons: &[Comparison]) -> ExitCode {
    if comparisons.iter().all(Comparison::agrees) {
        println!("layers agree");
        return ExitCode::SUCCESS;
    }
    println!("layers DISAGREE; the first differing rows (restored or live, recomputed):");
    for row in comparisons.iter().flat_map(|view| &view.differing) {
        println!("  {row}");
    }
    ExitCode::from(DISAGREE)
}
