//! `batch`: runs the batch layer from the command line.

use std::process::ExitCode;
use std::sync::Arc;

use super::args::{BatchArgs, DataArgs};
use super::dataflow_catalog::Dataflows;
use super::launch_processes;
use super::progress_bar::Watching;
use super::row_printer::grouped;
use diptych_base::error::Result;
use diptych_base::time::Epoch;
use diptych_batch::BatchReport;
use diptych_batch_view::BatchView;
use diptych_dataflow::{Definition, Description};
use diptych_engine::{Cluster, Progress};
use diptych_log::Reader;
use diptych_system::{BatchOptions, System};

/// Runs every dataflow over `[0, upto)`, one after another.
pub(super) fn run(args: &BatchArgs, catalog: &Dataflows) -> Result<ExitCode> {
    let definitions = catalog.select(&args.dataflows)?;
    if args.cluster.is_launcher() {
        // All processes must agree on where history ends, even while another process appends.
        let upto = args.upto.map_or_else(|| end(&args.data), Ok)?;
        let extra = if args.upto.is_none() { upto_option(upto) } else { Vec::new() };
        return launch_processes::run(&args.cluster, &extra);
    }
    launch_processes::attach(&args.cluster)?;
    let system = args.data.system();
    let cluster = args.cluster.cluster()?;
    for definition in &definitions {
        one(&system, definition, &cluster, args)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn end(data: &DataArgs) -> Result<Epoch> {
    data.system().reader()?.upper()
}

fn upto_option(upto: Epoch) -> Vec<String> {
    vec!["--upto".to_owned(), upto.to_string()]
}

fn one(
    system: &System,
    definition: &Definition,
    cluster: &Cluster,
    args: &BatchArgs,
) -> Result<()> {
    let name = definition.name();
    let end = args.upto.map_or_else(|| system.reader()?.upper(), Ok)?;
    let description = definition.describe()?;
    let (found, damaged) = system.newest(&description, end)?;
    for error in &damaged {
        eprintln!("warning: {error}");
    }
    let reader = system.reader()?;
    reader.upper()?;
    if cluster.is_first() {
        lacking(&description, &reader).iter().for_each(|line| eprintln!("{line}"));
    }
    let is_there = |view: BatchView| view.boundary() == end && System::is_of(&view, &reader);
    if found.is_some_and(is_there) && end > 0 {
        if cluster.is_first() {
            eprintln!("{name}: there is a batch view at F = {end} already, of this version");
        }
        return Ok(());
    }
    if args.memory.is_some() && !description.state_in_files && cluster.is_first() {
        eprintln!("warning: {}", unbounded(name));
    }
    let progress = Arc::<Progress>::default();
    let options = BatchOptions {
        cluster: cluster.clone(),
        upto: Some(end),
        incremental: args.incremental,
        memory: args.memory,
        progress: Arc::clone(&progress),
        ..BatchOptions::default()
    };
    let bar = cluster.is_first().then(|| Watching::start(name, &progress));
    let report = system.batch(definition, &options);
    drop(bar);
    let report = report?;
    if args.incremental && report.from == 0 && cluster.is_first() && end > 0 {
        // The reason why no batch view was continued, if there was one.
        let (_, passed_over) = system.fitting(definition, end - 1, end)?;
        passed_over.iter().for_each(|error| eprintln!("warning: {error}"));
    }
    if cluster.is_first() {
        eprintln!("{}", describe(&report, cluster));
    }
    Ok(())
}

/// Warns of each stream that the dataflow reads and that has no events: a stream with another name,
/// or another data directory, may have been meant.
fn lacking(description: &Description, reader: &Reader) -> Vec<String> {
    let there = reader.streams();
    let has = |name: &str| there.iter().any(|stream| *stream.name == *name && stream.rows > 0);
    let others: Vec<_> = there.iter().map(|stream| &*stream.name).collect();
    let others = match others.as_slice() {
        [] => "which has none yet".to_owned(),
        some => format!("which has {}", some.join(", ")),
    };
    let lacking = description.streams.iter().filter(|stream| !has(&stream.name));
    let line = |name: &str| {
        format!("note: {} reads stream {name}, which is not in the log, {others}", description.name)
    };
    lacking.map(|stream| line(&stream.name)).collect()
}

/// Warns that the memory of a dataflow is not bounded.
pub(super) fn unbounded(dataflow: &str) -> String {
    format!(
        "{dataflow} keeps all of its state in memory, whatever --memory says: it has operators \
         whose state is not left in files (joins, `keyed`, `top_k`, `retain` and others)"
    )
}

/// Describes a batch run in one line: frontier, rows, rate, time and the share of decoding.
pub(super) fn describe(report: &BatchReport, cluster: &Cluster) -> String {
    let seconds = report.elapsed.as_secs_f64().max(1e-9);
    let rate = grouped((report.rows as f64 / seconds) as u64);
    let busy = seconds * cluster.workers as f64;
    let decoding = 100.0 * report.decoding.as_secs_f64() / busy;
    let own = if cluster.processes() > 1 { " by this process" } else { "" };
    let since = if report.from > 0 { format!(" since F = {}", report.from) } else { String::new() };
    format!(
        "{}: batch view at F = {}, {} events{since}{own} in {seconds:.2} s, {rate} events/s, \
         {decoding:.0} % of the time decoding",
        report.dataflow,
        report.boundary,
        grouped(report.rows)
    )
}
