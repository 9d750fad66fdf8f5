//! The same count with Diptych: from the log's sealed files, and live.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dataflows::{Line, word_count};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::event::{Event, EventAppender as _};
use diptych::log::{Append, Writer};
use diptych::serving::{Index, Read};
use diptych::system::{BatchOptions, ServeOptions, Served};

use crate::measure::{Live, cpu, median, thread_cpu};

const CHUNK: usize = 50_000;
/// Live epochs while reads are timed; each also waits for its sync.
const EPOCHS_PER_SECOND: u32 = 100;

/// A log with the history in sealed segments.
pub(crate) struct Log {
    directory: tempfile::TempDir,
    flow: Definition,
}

/// The cost of the batch layer, as medians.
pub(crate) struct Batch {
    /// Processor seconds without decoding.
    pub(crate) cpu_s: f64,
    pub(crate) decoding_s: f64,
    pub(crate) decode_share: f64,
}

impl Log {
    pub(crate) fn write(history: &[String]) -> Log {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let log = Log { directory, flow: Definition::new("word_count", word_count) };
        let writer = log.system().writer().expect("a writer");
        for lines in history.chunks(CHUNK) {
            append(&writer, lines);
        }
        writer.seal().expect("sealed");
        writer.close().expect("closed");
        log
    }

    fn system(&self) -> System {
        System::open(self.directory.path())
    }

    pub(crate) fn batch(&self, repeats: usize) -> Batch {
        let runs: Vec<_> = (0..repeats)
            .map(|_| {
                // The former batch view is removed; there may be none yet.
                let _ = std::fs::remove_dir_all(self.directory.path().join("views"));
                let system = self.system();
                let (seconds, report) = cpu(|| system.batch(&self.flow, &BatchOptions::default()));
                let report = report.expect("a batch view");
                (seconds, report.decoding.as_secs_f64())
            })
            .collect();
        let decoding_s = median(runs.iter().map(|(_, decoding)| *decoding));
        let all = median(runs.iter().map(|(seconds, _)| *seconds));
        println!("batch: {all:.3} s of processor time, {decoding_s:.3} s of it decoding");
        Batch { cpu_s: all - decoding_s, decoding_s, decode_share: decoding_s / all }
    }

    fn serve<T>(&self, then: impl FnOnce(&Writer, &Served, &Index) -> T) -> T {
        let system = self.system();
        let writer = system.writer().expect("a writer");
        let options = ServeOptions::default().writer(&writer);
        let served = system.serve(std::slice::from_ref(&self.flow), options).expect("served");
        served.wait_beyond("word_count", writer.upper() - 1).expect("restored");
        let index = served.index("word_count").expect("an index");
        let result = then(&writer, &served, &index);
        served.stop().expect("stopped");
        result
    }

    /// Epochs of `size` lines each: from the acknowledgement until readers see them.
    pub(crate) fn live(&self, lines: &[String], size: usize) -> Live {
        self.serve(|writer, _, index| {
            let mut times = Vec::new();
            let (seconds, ()) = cpu(|| {
                for lines in lines.chunks(size) {
                    let epoch = append(writer, lines);
                    let acked = Instant::now();
                    while index.wait_beyond(epoch, Duration::from_secs(1)) <= epoch {}
                    times.push(acked.elapsed());
                }
            });
            Live::of(times, seconds)
        })
    }

    /// Point reads per second of the reader's own processor time, while [`EPOCHS_PER_SECOND`] are
    /// applied. Keys are those of `lines`, each word as likely as any other, or, when `hot`, as
    /// likely as it occurs: the most frequent words change at every epoch, and the index keeps
    /// their past values apart.
    pub(crate) fn reads(&self, lines: &[String], size: usize, hot: bool) -> f64 {
        let words = lines.iter().flat_map(|line| line.split_whitespace());
        let mut keys: Vec<_> = words.map(|word| diptych::row::encode(&word.to_owned())).collect();
        if !hot {
            keys.sort_unstable();
            keys.dedup();
            // Neighbours apart: a stride that shares no factor with the length.
            let stride = (0..keys.len()).map(|n| n * 7919 % keys.len());
            keys = stride.map(|at| keys[at].clone()).collect();
        }
        self.serve(|writer, _, index| {
            let stop = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let epochs = lines.chunks(size).cycle();
                    for lines in epochs.take_while(|_| !stop.load(Ordering::Relaxed)) {
                        append(writer, lines);
                        thread::sleep(Duration::from_secs(1) / EPOCHS_PER_SECOND);
                    }
                });
                let (mut reads, mut found) = (0_u64, 0_u64);
                let begun = Instant::now();
                let mut keys = keys.chunks(1_000).cycle();
                let (seconds, ()) = thread_cpu(|| {
                    while begun.elapsed() < Duration::from_secs(3) {
                        let snapshot = index.snapshot(Read::Latest).expect("a snapshot");
                        let some = keys.next().expect("there are keys");
                        for key in some {
                            let visit = |_: &[u8], _| found += 1;
                            snapshot.get_with(0, key, visit).expect("a read");
                        }
                        reads += some.len() as u64;
                    }
                });
                stop.store(true, Ordering::Relaxed);
                println!("  {reads} reads in {seconds:.2} s, {found} found");
                reads as f64 / seconds
            })
        })
    }
}

/// Appends an epoch and waits until it is durable.
fn append(writer: &Writer, lines: &[String]) -> u64 {
    let mut rows = <Line as Event>::Appender::default();
    for text in lines {
        rows.push(&Line { text: text.clone() });
    }
    let pending = writer.append(Append::rows("lines", rows.finish())).expect("accepted");
    pending.wait().expect("durable").epoch
}
