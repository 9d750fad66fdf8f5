//! `serve`: keeps dataflows live until told to stop.

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::args::ServeArgs;
use super::batch::unbounded;
use super::dataflow_catalog::Dataflows;
use super::query::{self, RowPrinter};
use super::row_printer::{counted, grouped};
use super::serve_loop::{Hosting, OpenServers};
use super::starting_dataflows::Starting;
use super::stdin_appender::Input;
use super::{launch_processes, logging, signal, stopped_log, verify};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Link, small_pages_only};
use diptych_base::limits::WORKERS_GRACE;
use diptych_base::time::Epoch;
use diptych_dataflow::Definition;
use diptych_log::Writer;
use diptych_row::ByteRange;
use diptych_servers::Listeners;
use diptych_serving::IndexOptions;
use diptych_site::Site;
use diptych_system::{
    Boundary, FirstAnswers, RebuildOptions, Rebuilds, Rebuilt, ServeOptions, Served, System,
    Verifications, WriterSlot,
};

/// How often the status line is printed.
const STATUS: Duration = Duration::from_secs(1);
/// How often signals, the deadline and failures are checked.
const LOOK: Duration = Duration::from_millis(20);

/// Restores dataflows or feeds history, then follows the log.
pub(super) fn run(args: &ServeArgs, catalog: &Dataflows) -> Result<ExitCode> {
    logging::start(args.logs);
    small_pages_only();
    let system = args.data.system();
    let definitions = current(args, catalog, &system)?;
    let target = args.stdin.as_deref().map(|name| catalog.target(name, None)).transpose()?;
    let printed = printed(args, &definitions)?;
    if args.servers.any() && !args.cluster.is_member() {
        // Options that would be refused after a long restore are refused before it.
        args.servers.options().check()?;
    }
    if args.cluster.is_launcher() {
        if target.is_some() || args.servers.appends() {
            // The log must be there before the other processes open it.
            system.writer()?.close()?;
        }
        let end = system.reader()?.upper()?;
        return launch_processes::run(&args.cluster, &["--start".to_owned(), end.to_string()]);
    }
    launch_processes::attach(&args.cluster)?;
    let cluster = args.cluster.cluster()?;
    if !cluster.is_first() {
        signal::ignore()?;
        let options = ServeOptions::default().cluster(cluster);
        let options = options.boundary(common_start(args, &system, &definitions)?);
        return system.serve(&definitions, options)?.wait().map(|()| ExitCode::SUCCESS);
    }
    signal::watch()?;
    let appends = target.is_some() || args.servers.appends();
    let log =
        appends.then(|| stopped_log::writer_or_refusal(&system, target.is_none())).transpose()?;
    let (writer, refused) = log.unwrap_or_default();
    let mut options = ServeOptions::default().cluster(cluster);
    // Only HTTP can ask for the figures of operators.
    options = options.profiled(args.servers.listen.is_some());
    options = options.index(index_options(args)).memory(args.memory).stop(signal::flag());
    warn_of_unbounded(args, &definitions)?;
    if args.cluster.is_member() {
        options = options.boundary(common_start(args, &system, &definitions)?);
    }
    let late = WriterSlot::new();
    if let Some(writer) = &writer {
        late.give(writer);
        options = options.writer_slot(&late);
    }
    // Older answers from files, before anything is loaded.
    let answers = args.servers.any() && !args.cluster.is_member();
    let first = answers.then(|| system.first_answers(&definitions, &options)).transpose()?;
    let log = writer.as_ref().filter(|_| args.servers.appends());
    let open = |first| open_first(args, catalog, &system, first, log, refused.as_ref());
    let opened = first.as_ref().map(open).transpose()?;
    if let Some(first) = &first {
        options = options.relieving(first);
    }
    let Some(served) = start(&system, &definitions, options)? else {
        drop((first, late));
        return end_early(opened, writer);
    };
    drop(late);
    let alone = !args.cluster.is_member() && args.servers.appends();
    let may_hand_over = alone && target.is_none() && printed.is_none();
    let skipped = opened.as_ref().map(OpenServers::skipped_lines).unwrap_or_default();
    let input = target.zip(writer.clone());
    let input = input.map(|(target, log)| Input::start(target, log, args.on_error, skipped));
    let (system, definitions) = (&system, &definitions[..]);
    let mut hosting =
        Hosting { args, catalog, system, definitions, served, writer, refused, may_hand_over };
    let outcome = hosting.run(input, opened, Listeners::default(), || Ok(()));
    conclude(hosting, outcome, printed)
}

/// Opens the servers over the first answers.
fn open_first(
    args: &ServeArgs,
    catalog: &Dataflows,
    system: &System,
    first: &FirstAnswers,
    log: Option<&Arc<Writer>>,
    refused: Option<&Error>,
) -> Result<OpenServers> {
    let site = Site::of_first(system, first, catalog.all(), log.cloned())?;
    refused.into_iter().for_each(|error| site.refuse_appends(error));
    OpenServers::start(site, args, Listeners::default())
}

/// Serves; none when a signal asks to stop while history is read.
fn start(
    system: &System,
    definitions: &[Definition],
    options: ServeOptions<'_>,
) -> Result<Option<Served>> {
    match system.serve(definitions, options) {
        // No batch view is half done: the next start reads history again.
        Err(error) if error.is_cancelled() && signal::stopped() => {
            tracing::info!("stopped while history was read");
            Ok(None)
        }
        served => served.map(Some),
    }
}

/// Ends before anything is live: requests get their answers, and the log is closed.
fn end_early(opened: Option<OpenServers>, writer: Option<Arc<Writer>>) -> Result<ExitCode> {
    if let Some(open) = opened {
        open.stop();
    }
    let (log_stopped, closed) = close_log(writer);
    log_stopped.map_or(closed.map(|()| ExitCode::SUCCESS), Ok)
}

/// Closes the log. Gives the exit code too, where the log has stopped before.
fn close_log(writer: Option<Arc<Writer>>) -> (Option<ExitCode>, Result<()>) {
    let log_stopped = writer.as_ref().and_then(|writer| writer.failure());
    let closed = writer.and_then(Arc::into_inner).map_or(Ok(()), Writer::close);
    (log_stopped.map(|error| stopped_log::log_stopped(&error)), closed)
}

/// Warns of dataflows whose memory is not bounded though it is to be.
fn warn_of_unbounded(args: &ServeArgs, definitions: &[Definition]) -> Result<()> {
    for definition in definitions.iter().filter(|_| args.memory.is_some()) {
        if !definition.describe()?.state_in_files {
            tracing::warn!("{}", unbounded(definition.name()));
        }
    }
    Ok(())
}

/// What the arguments say about indexes.
pub(super) fn index_options(args: &ServeArgs) -> IndexOptions {
    let views_in_files = args.state_in_files || args.memory.is_some();
    IndexOptions { views_in_files, ..IndexOptions::default() }
}

/// The versions that served last, where this binary has them.
pub(super) fn current(
    args: &ServeArgs,
    catalog: &Dataflows,
    system: &System,
) -> Result<Vec<Definition>> {
    // This refuses names that are unknown or given twice.
    catalog.select(&args.dataflows)?;
    let (definitions, said) = system.current_versions(catalog.all(), &args.dataflows)?;
    said.iter().for_each(|line| tracing::warn!("{line}"));
    Ok(definitions)
}

/// Prints the requested view, leaves checkpoints, and closes the log.
pub(super) fn conclude(
    hosting: Hosting<'_>,
    outcome: Result<bool>,
    printed: Option<(usize, String)>,
) -> Result<ExitCode> {
    let Hosting { args, system, served, writer, .. } = hosting;
    if let Ok(true) = outcome {
        // Another process serves, and has the log.
        return served.stop().map(|()| ExitCode::SUCCESS);
    }
    // A dataflow that never came up has nothing to show.
    let printed = printed.filter(|(_, dataflow)| served.failure(dataflow).is_none());
    if let Some((view, dataflow)) = printed {
        let index = served.index(&dataflow)?;
        let schema = &index.views()[view].schema;
        query::print(
            &index,
            view,
            ByteRange::all(),
            None,
            RowPrinter::new(args.format, schema, None)?,
        )?;
    }
    let stopped = system.conclude(served).map(|made| {
        for checkpoint in made.iter().filter(|checkpoint| !checkpoint.existed) {
            tracing::info!("{}: checkpoint at F = {}", checkpoint.dataflow, checkpoint.boundary);
        }
    });
    let (log_stopped, closed) = close_log(writer);
    if let Some(code) = log_stopped {
        return Ok(code);
    }
    outcome.and(stopped).and(closed)?;
    if args.servers.any() {
        tracing::info!("stopped");
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes newer batch views up, and makes some, as the options demand.
pub(super) fn rebuild(
    args: &ServeArgs,
    system: &System,
    served: &Served,
    definitions: &[Definition],
) -> Result<Rebuilds> {
    let options = RebuildOptions {
        checkpoints: args.checkpoint_every,
        accept: args.accept,
        memory: args.memory,
        ..RebuildOptions::default()
    };
    system.rebuild_under_readers(served, definitions, options, |outcome| match outcome {
        Rebuilt::Swapped { dataflow, boundary, took } => {
            tracing::info!(
                "{dataflow}: the batch view at F = {boundary} is the base now ({took:.1?})"
            );
        }
        Rebuilt::Drift { dataflow, boundary, rows } => {
            tracing::warn!(
                "{dataflow}: the batch view at F = {boundary} DIFFERS from what is \
                 served, which stays; run `verify` to see which of them is wrong:\n  {}",
                rows.join("\n  ")
            );
        }
        Rebuilt::Accepted { dataflow, boundary, frontier, rows } => {
            tracing::warn!(
                "{dataflow}: the batch view at F = {boundary} differed from what was served, and \
                 serves from frontier {frontier} on, as it was told to:\n  {}",
                rows.join("\n  ")
            );
        }
        Rebuilt::Recovering { dataflow, because } => {
            tracing::warn!(
                "{dataflow}: {because}: it is recomputed from the log; readers stay at the epoch \
                 before until then"
            );
        }
        Rebuilt::Recovered { dataflow, frontier, took } => {
            tracing::info!(
                "{dataflow}: recomputed after the retraction, serves from frontier {frontier} on \
                 ({took:.1?})"
            );
        }
        Rebuilt::Failed { dataflow, error } => {
            tracing::warn!("{dataflow}: no newer batch view: {error}");
        }
    })
}

/// Recomputes the served views and compares them, if the options demand it.
pub(super) fn verify(
    args: &ServeArgs,
    system: &System,
    served: &Served,
) -> Result<Option<Verifications>> {
    let start = |every| system.verify_in_background(served, every, verify::tell);
    args.verify.map(start).transpose()
}

/// The number of the view to print at the end, and its dataflow.
fn printed(args: &ServeArgs, definitions: &[Definition]) -> Result<Option<(usize, String)>> {
    let Some(name) = &args.print else { return Ok(None) };
    let (dataflow, view) = match name.split_once('.') {
        Some((dataflow, view)) => (dataflow, view),
        None => (definitions[0].name(), name.as_str()),
    };
    let definition = definitions.iter().find(|definition| definition.name() == dataflow);
    let Some(definition) = definition else {
        let message = format!("--print {name}: dataflow {dataflow:?} is not served");
        return Err(Error::new(Kind::Missing, message).remedy("add it to the command"));
    };
    Ok(Some((definition.describe()?.view(view)?, dataflow.to_owned())))
}

/// The boundary from which all processes start: each finds the same, however the log grows
/// meanwhile.
fn common_start(args: &ServeArgs, system: &System, flows: &[Definition]) -> Result<Boundary> {
    let end = args.start.map_or_else(|| system.reader()?.upper(), Ok)?;
    let mut without = Vec::new();
    for definition in flows {
        if system.fitting(definition, end, end)?.0.is_none() {
            without.push(definition.name());
        }
    }
    match without.as_slice() {
        [] => Ok(Boundary::Newest),
        some if some.len() == flows.len() => Ok(Boundary::InPlace(end)),
        some => {
            let some = some.join(", ");
            let message = format!("there is no batch view of {some}, but of other dataflows");
            Err(Error::new(Kind::Conflict, message)
                .remedy("run `batch` first, so that all processes start alike"))
        }
    }
}

/// Watches the served dataflows until a signal, the deadline, the end of the input or a failure.
/// Gives the successor that asks to take over, if that was the reason.
pub(super) fn attend(
    served: &Served,
    args: &ServeArgs,
    writer: Option<&Writer>,
    mut input: Option<Input>,
    site: Option<&Site>,
) -> Result<Option<Link>> {
    let begun = Instant::now();
    for error in served.passed_over() {
        tracing::warn!("{error}");
    }
    let mut starting = Starting::new(&args.dataflows);
    let readers = args.servers.any();
    let mut status = Status::new(served, begun, readers)?;
    let mut ending = stopped_log::LogWatch::default();
    let time_is_over = || args.time.is_some_and(|time| begun.elapsed() >= time);
    while !signal::stopped() {
        starting.look(served)?;
        if !starting.is_pending() && time_is_over() {
            break;
        }
        if let Some(successor) = site.and_then(Site::successor) {
            return Ok(Some(successor));
        }
        if ending.is_near(writer, readers)? {
            thread::sleep(LOOK);
            continue;
        }
        if let Some(done) = input.take_if(|input| !starting.is_pending() && input.is_finished()) {
            let outcome = done.finish();
            // Records accepted before a bad one are made visible, too.
            wait_for_all(served)?;
            let rows = outcome?;
            tracing::info!("standard input has ended after {}", counted(rows, "event"));
            if !args.servers.any() {
                break;
            }
        }
        if readers || !starting.is_pending() {
            status.show(served)?;
        }
        thread::sleep(LOOK);
    }
    let given_up = starting.give_up(served);
    // Without a signal the input may be blocked in its read; it has nothing to finish then.
    if let Some(input) = input.filter(|_| signal::stopped()) {
        input.finish()?;
        wait_for_fresh(served)?;
    }
    if given_up {
        return Ok(None);
    }
    failures(served).map(|()| None)
}

/// Waits until what is in the log now is visible in every dataflow that has not failed.
pub(super) fn wait_for_all(served: &Served) -> Result<()> {
    wait_for(served, |name, last| served.wait_beyond(name, last))
}

/// As [`wait_for_all`], at a stop: leaves out dataflows that still catch up with what was in the
/// log at the start (their readers know that they are stale), and those that do not get there in
/// time.
pub(super) fn wait_for_fresh(served: &Served) -> Result<()> {
    let deadline = Instant::now() + WORKERS_GRACE;
    wait_for(served, |name, last| {
        let index = served.index(name)?;
        while !index.is_stale() && index.frontier() <= last {
            if Instant::now() >= deadline {
                let at = index.frontier();
                tracing::warn!("{name}: stopped at epoch {at} of {last}; the log has the rest");
                break;
            }
            if let Some(error) = served.failure(name) {
                return Err(error);
            }
            served.check()?;
            index.wait_beyond(last, LOOK);
        }
        Ok(())
    })
}

/// Calls `wait` for every dataflow that has not failed, with the last epoch in the log now.
fn wait_for(served: &Served, wait: impl Fn(&str, Epoch) -> Result<()>) -> Result<()> {
    let Some(last) = served.reader().upper()?.checked_sub(1) else { return Ok(()) };
    let names: Vec<_> = served.dataflows().collect();
    let mut names = names.iter().filter(|name| served.failure(name).is_none());
    names.try_for_each(|name| wait(name, last))
}

/// The error of the first dataflow that failed.
fn failures(served: &Served) -> Result<()> {
    served.dataflows().find_map(|name| served.failure(&name)).map_or(Ok(()), Err)
}

/// The state of the line that is printed every second.
struct Status {
    shown: Instant,
    rows: u64,
    caught_up: Option<Epoch>,
    begun: Instant,
    told: Vec<String>,
    quiet: bool,
}

impl Status {
    fn new(served: &Served, begun: Instant, quiet: bool) -> Result<Status> {
        let caught_up = Some(served.reader().upper()?);
        let rows = rows(served);
        Ok(Status { shown: Instant::now(), rows, caught_up, begun, told: Vec::new(), quiet })
    }

    fn show(&mut self, served: &Served) -> Result<()> {
        served.check()?;
        // A dataflow that a deployment has replaced may fail again.
        self.told.retain(|name| served.failure(name).is_some());
        for name in served.dataflows() {
            if let Some(reason) = served.failure(&name).filter(|_| !self.told.contains(&name)) {
                // Servers report it as a concern.
                if !self.quiet {
                    tracing::warn!("dataflow {name} stops, the others go on: {reason}");
                }
                self.told.push(name);
            }
        }
        if self.told.len() == served.dataflows().count() {
            return failures(served);
        }
        let frontier = frontier(served)?;
        if self.caught_up.is_some_and(|end| frontier >= end) {
            self.caught_up = None;
            let took = self.begun.elapsed().as_secs_f64();
            tracing::info!("caught up with the log at frontier {frontier} after {took:.2} s");
        }
        let passed = self.shown.elapsed();
        if passed < STATUS {
            return Ok(());
        }
        self.shown = Instant::now();
        let end = served.reader().upper()?;
        let rows = rows(served);
        let rate = (rows - self.rows.min(rows)) as f64 / passed.as_secs_f64();
        self.rows = rows;
        let behind = end.saturating_sub(frontier);
        let line = format!(
            "frontier {frontier}, {behind} epochs behind the log, {} events/s",
            grouped(rate as u64)
        );
        // Servers answer this at `/v1/status`, and run for months.
        if self.quiet {
            tracing::debug!("{line}");
        } else {
            tracing::info!("{line}");
        }
        Ok(())
    }
}

/// The least frontier of the dataflows that have not failed.
fn frontier(served: &Served) -> Result<Epoch> {
    let mut least = Epoch::MAX;
    for name in served.dataflows().filter(|name| served.failure(name).is_none()) {
        least = least.min(served.index(&name)?.frontier());
    }
    Ok(least)
}

/// Events in the log, of all streams.
fn rows(served: &Served) -> u64 {
    served.reader().streams().iter().map(|stream| stream.rows).sum()
}
