//! A batch run over a history ten times the memory it may use.
//!
//! The history is written first, by streaming appends. Then the batch layer runs in a process of
//! its own (this test again), which may have `LIMIT` of data (`RLIMIT_DATA`: heap, stacks and all
//! other private writable memory, whether touched or not; an allocation beyond it fails). Mapped
//! segments of the log are not data: the kernel takes their pages back as it likes.
//!
//! `DIPTYCH_MEMORY_MIB` sets the limit; the default keeps an unoptimised build quick.
//!
//! State that is large itself is bounded by `BatchOptions::memory`: the second test.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dataflows::{Line, word_count};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::io::RealClock;
use diptych::log::{Writer, WriterOptions};
use diptych::sources::append;
use diptych::system::{BatchOptions, Cluster};
use diptych::time::Epoch;
use rustix::process::{Resource, Rlimit, setrlimit};

const MIB: u64 = 1 << 20;
/// Data that the process may have, in MiB.
const LIMIT_MIB: u64 = 32;
/// The history's size as a multiple of the limit.
const TIMES: u64 = 10;
/// The number of different words: they are the state.
const WORDS: u64 = 10_000;
const WORKERS: usize = 2;
/// The part of the history that is left in frames, which are read into memory: more than each
/// worker's part of it (65,536 rows) would fit.
const UNSEALED: u64 = 40 * MIB;

/// The memory of a batch run besides its state, for any size of the history: with two workers and
/// appends of 1 MiB it is record batches under way, stacks and the allocator's reserve.
const CONSTANT: u64 = 8 * MIB;
/// Copies of the state at the peak: combiners, entries under way, the owners' tables, the view's
/// updates, its arrangement and its captured updates; each with its allocations.
const COPIES: u64 = 8;

fn limit() -> u64 {
    let asked = std::env::var("DIPTYCH_MEMORY_MIB").ok();
    asked.map_or(LIMIT_MIB, |mib| mib.parse().unwrap()) * MIB
}

/// A word of about 56 bytes: few words per byte, because the user's code takes most of the time.
fn word(number: u64) -> String {
    format!("the-{number:06}th-word-of-a-vocabulary-that-is-not-very-large")
}

/// Lines of five words, one word in seven after another.
struct Text {
    words: Vec<String>,
    next: usize,
}

impl Text {
    /// Appends about a MiB; returns the bytes of the text and the log's upper.
    fn append(&mut self, writer: &Writer) -> (u64, Epoch) {
        let mut line = || {
            let mut text = String::with_capacity(300);
            for _ in 0..5 {
                text.push_str(&self.words[self.next % self.words.len()]);
                text.push(' ');
                self.next += 7;
            }
            Line { text }
        };
        let lines: Vec<_> = (0..1 << 12).map(|_| line()).collect();
        let bytes = lines.iter().map(|line| line.text.len() as u64).sum();
        (bytes, append(writer, "lines", &lines).unwrap() + 1)
    }
}

/// Appends until the history has `bytes` of text; returns the epoch where a tenth was reached, and
/// the end.
fn write_history(root: &Path, bytes: u64) -> (Epoch, Epoch) {
    let system = System::open(root);
    let mut text = Text { words: (0..WORDS).map(word).collect(), next: 0 };
    let writer = system.writer().unwrap();
    let (mut written, mut tenth, mut upper) = (0, 0, 0);
    while written < bytes {
        let (more, end) = text.append(&writer);
        (written, upper) = (written + more, end);
        if written <= bytes / TIMES {
            tenth = upper;
        }
    }
    writer.close().unwrap();
    // The newest part of the history is not in segments yet.
    let options = WriterOptions { rotate_bytes: u64::MAX, ..WriterOptions::default() };
    let writer = system.writer_with(Arc::new(RealClock), options).unwrap();
    let mut unsealed = 0;
    while unsealed < UNSEALED {
        let (more, end) = text.append(&writer);
        (unsealed, upper) = (unsealed + more, end);
    }
    writer.close().unwrap();
    (tenth, upper)
}

/// `RssAnon` of this process in bytes: memory that no file backs.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// The batch run, in the limited process. Prints the peak of anonymous memory.
fn run_limited(root: &Path, upto: Epoch) {
    let data = Rlimit { current: Some(limit()), maximum: Some(limit()) };
    setrlimit(Resource::Data, data).unwrap();
    let (peak, done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(anonymous(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let options = BatchOptions {
            cluster: Cluster::local(WORKERS),
            upto: Some(upto),
            memory: std::env::var("DIPTYCH_MEMORY_BUDGET").ok().map(|bytes| bytes.parse().unwrap()),
            ..BatchOptions::default()
        };
        let counts = Definition::new("word_count", word_count);
        let outcome = System::open(root).batch(&counts, &options);
        done.store(true, Ordering::Relaxed);
        outcome.unwrap();
    });
    println!("peak={}", peak.into_inner());
}

/// The peak of a batch run in a limited process.
fn peak_of(root: &Path, upto: Epoch) -> u64 {
    peak_with(root, upto, &[])
}

/// As [`peak_of`], with more settings.
fn peak_with(root: &Path, upto: Epoch, settings: &[(&str, String)]) -> u64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .args(["--exact", "a_batch_run_needs_memory_for_its_state_only", "--nocapture"])
        .env("DIPTYCH_MEMORY_CHILD", root)
        .env("DIPTYCH_MEMORY_UPTO", upto.to_string())
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "limited to {} bytes: {}\n{out}{err}", limit(), output.status);
    let peak = out.split("peak=").nth(1).and_then(|rest| rest.split_whitespace().next());
    peak.unwrap_or_else(|| panic!("no peak in {out}{err}")).parse().unwrap()
}

fn bytes_below(path: &Path) -> u64 {
    if !path.is_dir() {
        return path.metadata().unwrap().len();
    }
    std::fs::read_dir(path).unwrap().map(|entry| bytes_below(&entry.unwrap().path())).sum()
}

#[test]
fn a_batch_run_needs_memory_for_its_state_only() {
    if let Some(root) = std::env::var_os("DIPTYCH_MEMORY_CHILD") {
        let upto = std::env::var("DIPTYCH_MEMORY_UPTO").unwrap().parse().unwrap();
        return run_limited(Path::new(&root), upto);
    }
    let dir = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let (tenth, upper) = write_history(dir.path(), limit() * TIMES);
    let wrote = begun.elapsed();
    let history = bytes_below(&dir.path().join("log"));
    assert!(history >= limit() * TIMES, "the log has {history} bytes");

    let little = peak_of(dir.path(), tenth);
    // The accumulation and the view: the state, about twice.
    let state = bytes_below(&dir.path().join("views")) / 2;
    let begun = Instant::now();
    let peak = peak_of(dir.path(), upper);
    let mib = |bytes: u64| bytes as f64 / MIB as f64;
    println!(
        "history {:.0} MiB (written in {wrote:.1?}, run in {:.1?}), limit {:.0} MiB: \
         peak {:.1} MiB, of a tenth of the history {:.1} MiB; state {:.2} MiB",
        mib(history),
        begun.elapsed(),
        mib(limit()),
        mib(peak),
        mib(little),
        mib(state),
    );
    let allowed = COPIES * state + CONSTANT;
    println!("allowed: {COPIES} x state + {:.0} MiB = {:.1} MiB", mib(CONSTANT), mib(allowed));
    assert!(peak <= allowed, "peak {peak}, allowed {allowed}: state {state}");
    // Ten times the history, the same memory; the rest is when the allocator happens to give back.
    assert!(peak <= little + 4 * MIB, "peak {peak}, of a tenth of the history {little}");
    let counts = Definition::new("word_count", word_count).describe().unwrap();
    let (view, _) = System::open(dir.path()).newest(&counts, upper).unwrap();
    let view = view.unwrap();
    assert_eq!((view.boundary(), view.view_size("counts").unwrap().0), (upper, WORDS));
}

/// Words that occur once, so that the state grows with the history.
#[test]
fn a_budget_bounds_the_memory_of_a_large_state() {
    const ONCE: u64 = 120_000;
    const BUDGET: u64 = 4 * MIB;
    let dir = tempfile::tempdir().unwrap();
    let system = System::open(dir.path());
    let writer = system.writer().unwrap();
    let mut upper = 0;
    for first in (0..ONCE).step_by(2_000) {
        let lines: Vec<_> = (first..first + 2_000).map(|n| Line { text: word(n) }).collect();
        upper = append(&writer, "lines", &lines).unwrap() + 1;
    }
    writer.close().unwrap();
    let limit = ("DIPTYCH_MEMORY_MIB", "2048".to_owned());
    let stepped = [limit.clone(), ("DIPTYCH_MEMORY_BUDGET", BUDGET.to_string())];
    let stepped = peak_with(dir.path(), upper, &stepped);
    let counts = Definition::new("word_count", word_count).describe().unwrap();
    let newest = || system.newest(&counts, upper).unwrap().0.unwrap();
    let (rows, digest) = newest().view_size("counts").unwrap();
    assert_eq!((newest().boundary(), rows), (upper, ONCE));
    std::fs::remove_dir_all(dir.path().join("views")).unwrap();
    let whole = peak_with(dir.path(), upper, &[limit]);
    assert_eq!(newest().view_size("counts").unwrap(), (ONCE, digest), "other rows");
    let (a, b) = (stepped / MIB, whole / MIB);
    println!("peak {a} MiB with a budget of {} MiB, {b} MiB without", BUDGET / MIB);
    assert!(stepped * 2 <= whole, "{stepped} with a budget, {whole} without");
}
