//! Measurements: processor time, medians, and comparison with targets.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Seconds of processor time that `work` takes in all threads of the process.
pub(crate) fn cpu<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let before = seconds(ClockId::ProcessCPUTime);
    let result = work();
    (seconds(ClockId::ProcessCPUTime) - before, result)
}

/// Seconds of processor time that `work` takes in this thread.
pub(crate) fn thread_cpu<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let before = seconds(ClockId::ThreadCPUTime);
    let result = work();
    (seconds(ClockId::ThreadCPUTime) - before, result)
}

fn seconds(clock: ClockId) -> f64 {
    let spent = clock_gettime(clock);
    spent.tv_sec as f64 + spent.tv_nsec as f64 * 1e-9
}

/// The median of several numbers.
pub(crate) fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// The times of live epochs, in milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Live {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) cpu: f64,
}

impl Live {
    pub(crate) fn of(mut times: Vec<Duration>, cpu_s: f64) -> Live {
        times.sort_unstable();
        let ms = |share: f64| {
            let rank = ((times.len() as f64 * share) as usize).min(times.len() - 1);
            times[rank].as_secs_f64() * 1e3
        };
        Live { p50: ms(0.5), p99: ms(0.99), cpu: cpu_s * 1e3 / times.len() as f64 }
    }
}

impl fmt::Display for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Live { p50, p99, cpu } = self;
        write!(f, "p50 {p50:.3} ms, p99 {p99:.3} ms, cpu {cpu:.3} ms an epoch")
    }
}

/// The table of measurements and targets.
pub(crate) struct Targets {
    filter: String,
    rows: Vec<(String, f64, String, bool)>,
}

impl Targets {
    /// A table for measurements whose names contain `filter`.
    pub(crate) fn new(filter: &str) -> Targets {
        Targets { filter: filter.to_owned(), rows: Vec::new() }
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        name.contains(&self.filter) || self.filter.contains(name)
    }

    pub(crate) fn at_most(&mut self, name: &str, limit: f64, measure: impl FnOnce() -> f64) {
        self.row(name, format!("<= {limit}"), measure, |found| found <= limit);
    }

    pub(crate) fn at_least(&mut self, name: &str, limit: f64, measure: impl FnOnce() -> f64) {
        self.row(name, format!(">= {limit}"), measure, |found| found >= limit);
    }

    fn row(
        &mut self,
        name: &str,
        target: String,
        measure: impl FnOnce() -> f64,
        met: impl FnOnce(f64) -> bool,
    ) {
        if self.wants(name) {
            println!("{name} ...");
            let found = measure();
            self.rows.push((name.to_owned(), found, target, met(found)));
        }
    }

    /// Prints the table, and the figures as one JSON object; fails when a target is missed.
    pub(crate) fn conclude(self) -> ExitCode {
        println!("\n{:<26} {:>14}   {:<12} met", "ratio", "measured", "target");
        for (name, found, target, met) in &self.rows {
            let met = if *met { "yes" } else { "NO" };
            println!("{name:<26} {found:>14.3}   {target:<12} {met}");
        }
        let fields = self.rows.iter().map(|(name, found, ..)| (name.clone(), (*found).into()));
        println!("{}", serde_json::Value::Object(fields.collect()));
        let all = self.rows.iter().all(|(.., met)| *met);
        if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
