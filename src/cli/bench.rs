//! `bench`: measures recomputing against incremental work, on the user's own events.
//!
//! The log is copied to a scratch directory, and its last events are cut into epochs of the sizes
//! asked for. The batch layer runs over the events before them; the speed layer is restored from
//! that batch view and gets the epochs one by one. The bench reports the processor time of both
//! layers, and how long an epoch takes from its acknowledgement until readers see it.
//!
//! With `-n` this process only starts the others: process 0 of them copies, appends, measures and
//! prints, and all of them compute. Processor time is the sum over all processes.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::args::BenchArgs;
use super::bench_processes::{BenchProcesses, work_along};
use super::dataflow_catalog::Dataflows;
use super::launch_processes;
use super::percentile::percentile;
use super::progress_bar::{self, Watching};
use super::row_printer::{Sheet, grouped};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::ScratchDir;
use diptych_base::time::Epoch;
use diptych_batch::BatchReport;
use diptych_dataflow::Definition;
use diptych_engine::{Cluster, Progress};
use diptych_log::{Append, Chunk, Reader, Replay, Writer};
use diptych_row::Datum;
use diptych_serving::Index;
use diptych_system::{BatchOptions, Boundary, ServeOptions, Served, System};

/// Events of one request while the history is copied.
const REQUEST: u64 = 50_000;

const COLUMNS: [&str; 11] = [
    "events",
    "processes",
    "workers",
    "batch_s",
    "batch_cpu_s",
    "decode_share",
    "epoch_events",
    "epoch_p50_ms",
    "epoch_p99_ms",
    "epoch_cpu_ms",
    "recompute_vs_incremental",
];

/// The cost of the batch layer.
struct Batch {
    report: BatchReport,
    /// None where the processor time of the other processes cannot be read.
    cpu: Option<Duration>,
}

/// Starts the processes, or runs as one of them.
pub(super) fn run(args: &BenchArgs, catalog: &Dataflows) -> Result<ExitCode> {
    let definition = catalog.get(&args.dataflow)?;
    if args.cluster.is_launcher() {
        let scratch = ScratchDir::new("bench")?;
        return launch_processes::run(
            &args.cluster,
            &["--scratch".as_ref(), scratch.path().as_os_str()],
        );
    }
    if args.cluster.is_member() && args.scratch.is_none() {
        let message = "bench starts all its processes itself: -p and --hostfile do not fit";
        return Err(Error::new(Kind::Input, message)
            .remedy("leave them out and say with -n how many processes there shall be"));
    }
    launch_processes::attach(&args.cluster)?;
    let cluster = args.cluster.cluster()?;
    match &args.scratch {
        None => measure(args, definition, ScratchDir::new("bench")?.path(), &cluster),
        Some(directory) if cluster.is_first() => measure(args, definition, directory, &cluster),
        Some(directory) => work_along(directory, definition, &cluster),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Copies the log, runs both layers, and prints one row for each epoch size.
fn measure(
    args: &BenchArgs,
    definition: &Definition,
    directory: &Path,
    cluster: &Cluster,
) -> Result<()> {
    let reader = args.data.system().reader()?;
    let mut events = Events::open(&reader, definition)?;
    let live: u64 = args.epoch_size.iter().map(|size| size * args.epochs).sum();
    let Some(history) = events.left.checked_sub(live).filter(|history| *history > 0) else {
        let message = format!("{} events are too few for {live} live ones", grouped(events.left));
        return Err(Error::new(Kind::Input, message)
            .remedy("ingest more, or measure fewer --epochs of a smaller --epoch-size"));
    };
    let system = System::open(directory);
    let writer = system.writer()?;
    copy(&mut events, &writer, history)?;
    let team = BenchProcesses::gather(directory, cluster)?;
    let upto = writer.upper();
    let batch = run_batch(&system, definition, cluster, &team, upto)?;
    let options = ServeOptions::default().boundary(Boundary::Restore(upto));
    let options = options.cluster(cluster.clone()).writer(&writer);
    let served = system.serve(std::slice::from_ref(definition), options)?;
    served.wait_beyond(definition.name(), upto - 1)?;
    let index = served.index(definition.name())?;
    let mut sheet = Sheet::new(args.format.format, &COLUMNS)?;
    for size in &args.epoch_size {
        let mut times = Vec::new();
        let before = team.cpu_time();
        for _ in 0..args.epochs {
            times.push(one_epoch(&writer, &served, &index, definition, events.take(*size)?)?);
        }
        let epochs = u32::try_from(args.epochs.max(1)).unwrap_or(u32::MAX);
        let cpu = spent(before, team.cpu_time()).map(|cpu| cpu / epochs);
        sheet.row(row(history, cluster, &batch, *size, &times, cpu))?;
    }
    sheet.finish()?;
    served.stop()?;
    writer.close()
}

/// The processor time between two measurements; none when one of them is missing.
fn spent(before: Option<Duration>, after: Option<Duration>) -> Option<Duration> {
    Some(after?.saturating_sub(before?))
}

fn row(
    history: u64,
    cluster: &Cluster,
    batch: &Batch,
    size: u64,
    times: &[Duration],
    cpu: Option<Duration>,
) -> Vec<Datum> {
    let rounded = |number: f64| Datum::F64((number * 1e3).round() / 1e3);
    let ms = |time: Duration| rounded(time.as_secs_f64() * 1e3);
    let seconds = batch.report.elapsed.as_secs_f64();
    // This process's share; the others decode an equal part of history.
    let decoding = batch.report.decoding.as_secs_f64() / (seconds * cluster.workers as f64);
    let ratio = |(batch, epoch): (Duration, Duration)| {
        rounded(batch.as_secs_f64() / epoch.as_secs_f64().max(1e-9))
    };
    vec![
        Datum::UInt(history),
        Datum::UInt(cluster.processes() as u64),
        Datum::UInt(cluster.workers as u64),
        rounded(seconds),
        batch.cpu.map_or(Datum::Null, |cpu| rounded(cpu.as_secs_f64())),
        rounded(decoding),
        Datum::UInt(size),
        ms(percentile(times, 0.5).unwrap_or_default()),
        ms(percentile(times, 0.99).unwrap_or_default()),
        cpu.map_or(Datum::Null, ms),
        batch.cpu.zip(cpu).map_or(Datum::Null, ratio),
    ]
}

fn run_batch(
    system: &System,
    definition: &Definition,
    cluster: &Cluster,
    team: &BenchProcesses,
    upto: Epoch,
) -> Result<Batch> {
    let progress = Arc::<Progress>::default();
    let options = BatchOptions {
        cluster: cluster.clone(),
        upto: Some(upto),
        progress: Arc::clone(&progress),
        ..BatchOptions::default()
    };
    let bar = Watching::start("batch", &progress);
    let before = team.cpu_time();
    if before.is_none() {
        eprintln!("warning: this system does not tell the processor time of other processes");
    }
    team.history_is_there(upto)?;
    let report = system.batch(definition, &options);
    let cpu = spent(before, team.cpu_time());
    drop(bar);
    let report = report?;
    team.batch_is_there(upto)?;
    Ok(Batch { report, cpu })
}

/// Appends an epoch and gives the time from its acknowledgement until readers see it.
fn one_epoch(
    writer: &Writer,
    served: &Served,
    index: &Index,
    definition: &Definition,
    chunks: Vec<Chunk>,
) -> Result<Duration> {
    let ack = writer.append(request(chunks))?.wait()?;
    let acked = Instant::now();
    if index.wait_beyond(ack.epoch, Duration::from_secs(1)) <= ack.epoch {
        served.wait_beyond(definition.name(), ack.epoch)?;
    }
    Ok(acked.elapsed())
}

fn request(chunks: Vec<Chunk>) -> Append {
    let batches = chunks.into_iter().map(|chunk| (chunk.stream, chunk.rows)).collect();
    Append { batches, ..Append::default() }
}

/// Appends the next `events` events, a few requests under way at a time.
fn copy(events: &mut Events, writer: &Writer, mut count: u64) -> Result<()> {
    let bar = progress_bar::rows("copying");
    bar.set_length(count);
    let mut waiting = std::collections::VecDeque::new();
    while count > 0 {
        let some = count.min(REQUEST);
        waiting.push_back(writer.append(request(events.take(some)?))?);
        while waiting.len() > 2 {
            let Some(pending) = waiting.pop_front() else { break };
            pending.wait()?;
        }
        count -= some;
        bar.inc(some);
    }
    for pending in waiting {
        pending.wait()?;
    }
    writer.seal()?;
    bar.finish_and_clear();
    Ok(())
}

/// The events of a dataflow's streams, in the order of the log, to be cut into other epochs.
struct Events {
    streams: Vec<String>,
    epochs: Replay,
    /// Chunks of the last epoch that was read, in reverse order.
    chunks: Vec<Chunk>,
    left: u64,
}

impl Events {
    fn open(reader: &Reader, definition: &Definition) -> Result<Events> {
        let streams = definition.describe()?.streams;
        let streams: Vec<String> = streams.into_iter().map(|stream| stream.name).collect();
        let epochs = reader.epochs(reader.lower(), reader.upper()?)?;
        let known = reader.streams();
        let mine = known.iter().filter(|stream| streams.iter().any(|name| **name == *stream.name));
        let left = mine.map(|stream| stream.rows).sum();
        Ok(Events { streams, epochs, chunks: Vec::new(), left })
    }

    /// The next `count` events; fewer at the end.
    fn take(&mut self, mut count: u64) -> Result<Vec<Chunk>> {
        let mut taken = Vec::new();
        while count > 0 {
            let Some(chunk) = self.chunks.pop() else {
                let Some(sealed) = self.epochs.next().transpose()? else { break };
                let mine = |chunk: &Chunk| self.streams.iter().any(|name| **name == *chunk.stream);
                self.chunks = sealed.chunks.into_iter().filter(mine).collect();
                self.chunks.reverse();
                continue;
            };
            let len = chunk.len();
            let now = len.min(usize::try_from(count).unwrap_or(usize::MAX));
            if now < len {
                self.chunks.push(chunk.slice(now, len - now));
            }
            taken.push(chunk.slice(0, now));
            count -= now as u64;
            self.left -= now as u64;
        }
        Ok(taken)
    }
}
