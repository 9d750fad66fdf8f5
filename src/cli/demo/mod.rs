//! `demo`: shows the whole system in half a minute.
//!
//! A history of made-up tweets goes into a real log, through the batch layer and into a batch view
//! on disk; the speed layer is restored from it and continues with live events; a screen reads the
//! index meanwhile. At the end the law is checked: the rows that readers see must equal, byte for
//! byte, those of a recomputation of the whole log from its first event.

mod live_phase;
mod screen;
mod timed_disk;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use super::args::DemoArgs;
use super::progress_bar::{self, Watching};
use super::row_printer::grouped;
use super::{batch, signal, verify};
use crate::made_up_events::{EventSource, MadeUp, made_up};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::ScratchDir;
use diptych_dataflow::Definition;
use diptych_engine::{Cluster, Progress};
use diptych_log::{Append, Writer};
use diptych_serving::{Index, Read, compare};
use diptych_system::{BatchOptions, System};
use timed_disk::TimedDisk;

/// The seed: the demonstration has the same events on every machine.
const SEED: u64 = 0x00D1_97C4;
/// The stream of the dataflow `tweets`.
const STREAM: &str = "tweets";
/// Events that are appended at once while history is written.
const CHUNK: u64 = 20_000;

/// Runs the demonstration.
pub(super) fn run(args: &DemoArgs, given: Option<&MadeUp>) -> Result<ExitCode> {
    let made_up = made_up(given)?;
    signal::watch()?;
    let begun = Instant::now();
    let scratch = if args.data.is_none() { Some(ScratchDir::new("demo")?) } else { None };
    let root = match (&args.data, &scratch) {
        (Some(dir), _) => dir.clone(),
        (None, Some(scratch)) => scratch.path().to_owned(),
        (None, None) => unreachable!("without a directory there is a scratch one"),
    };
    let disk = Arc::new(TimedDisk::default());
    let system = System::with_disk(Arc::clone(&disk) as Arc<_>, root);
    let writer = system.writer()?;
    if writer.upper() > 0 {
        let place = system.root().display();
        let message = format!("{place} has a log already, up to epoch {}", writer.upper());
        return Err(Error::new(Kind::Conflict, message)
            .remedy("give --data another directory, or leave it out"));
    }
    let mut source = (made_up.source)(SEED, args.history);
    write_history(&writer, &mut *source, args.history)?;
    let flow = (made_up.demo)();
    if args.history > 0 {
        run_batch(&system, &flow, &args.workers.cluster())?;
    }
    disk.forget();
    let index = live_phase::run(&system, &writer, &flow, source, args, &disk)?;
    let code = check_law(&system, &flow, &index, args.workers.cluster().workers)?;
    writer.close()?;
    eprintln!("{:.0} s in all", begun.elapsed().as_secs_f64());
    Ok(code)
}

/// Appends the history in chunks, a few of them under way at a time.
fn write_history(writer: &Writer, source: &mut dyn EventSource, events: u64) -> Result<()> {
    let begun = Instant::now();
    let bar = progress_bar::rows("log");
    bar.set_length(events);
    let mut waiting = std::collections::VecDeque::new();
    let mut left = events;
    while left > 0 {
        if signal::stopped() {
            return Err(Error::new(Kind::Cancelled, "stopped before there was anything to show"));
        }
        let count = left.min(CHUNK);
        waiting.push_back(writer.append(Append::rows(STREAM, source.rows(count)))?);
        while waiting.len() > 2 {
            let Some(pending) = waiting.pop_front() else { break };
            pending.wait()?;
        }
        left -= count;
        bar.inc(count);
    }
    for pending in waiting {
        pending.wait()?;
    }
    bar.finish_and_clear();
    let seconds = begun.elapsed().as_secs_f64().max(1e-9);
    eprintln!(
        "log: {} events in {} epochs, durable after {seconds:.2} s, {} events/s",
        grouped(events),
        writer.upper(),
        grouped((events as f64 / seconds) as u64)
    );
    Ok(())
}

fn run_batch(system: &System, flow: &Definition, cluster: &Cluster) -> Result<()> {
    let progress = Arc::<Progress>::default();
    let options = BatchOptions {
        cluster: cluster.clone(),
        progress: Arc::clone(&progress),
        ..BatchOptions::default()
    };
    let bar = Watching::start("batch", &progress);
    let report = system.batch(flow, &options);
    drop(bar);
    eprintln!("batch: {}", batch::describe(&report?, cluster));
    Ok(())
}

/// Compares the rows that readers see with a recomputation of the whole log, with another number of
/// workers.
fn check_law(
    system: &System,
    flow: &Definition,
    index: &Index,
    workers: usize,
) -> Result<ExitCode> {
    let live = index.snapshot(Read::Latest)?;
    let others = if workers > 1 { workers - 1 } else { 2 };
    let begun = Instant::now();
    eprintln!(
        "law: epoch {}, recomputing it from the first event on with {others} workers …",
        live.upper().saturating_sub(1)
    );
    let fresh = system.recompute(flow, live.upper(), Cluster::local(others), true)?;
    live.renew()?;
    let comparisons = compare(&live, &fresh.snapshot(Read::Latest)?)?;
    let rows: u64 = comparisons.iter().map(|view| view.rows).sum();
    eprintln!(
        "law: {} rows of {} views compared byte for byte after {:.2} s",
        grouped(rows),
        comparisons.len(),
        begun.elapsed().as_secs_f64()
    );
    verify::verdict(&comparisons)
}

/// Whether the screen can be redrawn in place.
fn on_terminal() -> bool {
    std::io::stderr().is_terminal()
}
