//! The load generator: runs clients and reads their measurements.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::{CONNECTIONS, KEYS, PATH};

/// A server; killed when it is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Processor time it has used, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("stat");
        let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
        let ticks = fields.split(' ').skip(11).take(2);
        ticks.map(|ticks| ticks.parse::<f64>().expect("ticks")).sum::<f64>() / 100.0
    }
}

/// The measurements of one client on one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    /// Processor time of the server per request.
    pub(crate) micros_each: f64,
    pub(crate) p99_ms: f64,
}

pub(crate) fn has(program: &str) -> bool {
    Command::new("which").arg(program).output().is_ok_and(|output| output.status.success())
}

/// A command that runs on one core.
pub(crate) fn pinned(core: u32, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Writes a wrk script with requests of random keys. They are made before the clock starts.
pub(crate) fn script(directory: &Path) -> PathBuf {
    let path = directory.join("random.lua");
    let text = format!(
        "local requests, at = {{}}, 0\n\
         init = function(args)\n\
         \x20 math.randomseed(7)\n\
         \x20 for i = 1, 100000 do\n\
         \x20   requests[i] = wrk.format('GET', '{PATH}?key=' .. math.random(0, {KEYS} - 1))\n\
         \x20 end\n\
         end\n\
         request = function()\n\
         \x20 at = at % 100000 + 1\n\
         \x20 return requests[at]\n\
         end\n"
    );
    std::fs::write(&path, text).expect("a script written");
    path
}

/// Runs wrk for some seconds.
pub(crate) fn wrk(server: &Running, url: &str, script: &Path, seconds: u32) -> Figures {
    let mut command = pinned(0, Path::new("wrk"));
    command.args(["-t1", "--latency", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), "-s"]);
    command.arg(script).arg(url);
    let before = server.cpu_seconds();
    let output = command.output().expect("wrk runs");
    let cpu = server.cpu_seconds() - before;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!said.contains("Non-2xx"), "{said}");
    let line = |start: &str| {
        let found = said.lines().find_map(|line| line.trim().strip_prefix(start));
        found.unwrap_or_else(|| panic!("{start:?} is not in:\n{said}")).trim().to_owned()
    };
    let per_second: f64 = line("Requests/sec:").parse().expect("a rate");
    let count = said.lines().find(|line| line.contains(" requests in ")).expect("a total");
    let count: f64 =
        count.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number");
    let p99_ms = milliseconds(&line("99%"));
    Figures { per_second, micros_each: cpu * 1e6 / count, p99_ms }
}

/// Parses wrk's `1.50ms`, `800.00us`, `1.2s`.
fn milliseconds(text: &str) -> f64 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().expect("a time");
    match &text[digits.len()..] {
        "us" => number / 1e3,
        "ms" => number,
        _ => number * 1e3,
    }
}
