//! The parts that kill tests share: a process to be killed, and the comparison of its directory
//! with its own journal and with a naive recomputation.
//!
//! ```text
//! test ── orders ──► the same binary, as a child ──► a directory
//!   ▲                        │ SIGKILL                    │
//!   └── its journal ─────────┘ ── compared with ──────────┘
//! ```
#![allow(dead_code, unused_imports, reason = "each test file uses some of it")]

mod check;
mod child;
mod disk;
#[path = "../scale/mod.rs"]
mod scale;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) use check::{check, check_by_reader};
pub(crate) use child::{Orders, work_if_child};
pub(crate) use scale::scaled;

/// The transfers that children sent, and those that were acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) sent: BTreeSet<i64>,
    /// Transfers and their epochs.
    pub(crate) acked: BTreeSet<(i64, u64)>,
    /// Whether the state of the child stays in files.
    pub(crate) in_files: bool,
}

/// The end of a child.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) killed: bool,
    /// The duration of each phase of its work, in order.
    pub(crate) phases: Vec<(String, Duration)>,
    /// The number of calls that changed the disk, and of those that took a lock; none when it was
    /// killed.
    pub(crate) calls: Option<(u64, u64)>,
    /// The numbers of those calls that were writes.
    pub(crate) writes: Vec<u64>,
}

impl Ended {
    /// The duration of a phase: the first of that name.
    pub(crate) fn phase(&self, name: &str) -> Duration {
        let found = self.phases.iter().find(|(phase, _)| phase == name);
        found.unwrap_or_else(|| panic!("no phase {name:?} in {:?}", self.phases)).1
    }
}

/// The command that runs this test binary's test `test` as a child with these orders.
pub(crate) fn command(test: &str, orders: &Orders) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args([test, "--exact", "--nocapture"]).env(child::ORDERS, orders.text());
    command
}

/// Runs a child to its end; it may be killed a given time after it reports that a phase begins.
pub(crate) fn run(
    test: &str,
    orders: &Orders,
    journal: &mut Journal,
    kill: Option<(&str, Duration)>,
) -> Ended {
    let mut command = command(test, orders);
    let child = command.stdout(Stdio::piped()).spawn().expect("this binary starts");
    follow(child, journal, kill, &format!("{orders:?}"))
}

/// Reads a child's reports until it ends, into the journal.
pub(crate) fn follow(
    mut child: Child,
    journal: &mut Journal,
    kill: Option<(&str, Duration)>,
    what: &str,
) -> Ended {
    let mut pipe = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut begun: Vec<(String, Instant)> = Vec::new();
    let mut ended = Ended { killed: false, phases: Vec::new(), calls: None, writes: Vec::new() };
    let mut line = String::new();
    // A line that the kill has cut has no end.
    while pipe.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |word: &str| word.parse().expect("a number");
        match words[..] {
            ["sent", id] => drop(journal.sent.insert(id.parse().expect("a number"))),
            ["ack", id, epoch] => {
                journal.acked.insert((id.parse().expect("a number"), number(epoch)));
            }
            ["writes", ref writes @ ..] => {
                ended.writes = writes.iter().map(|word| number(word)).collect();
            }
            ["calls", calls, locks] => ended.calls = Some((number(calls), number(locks))),
            ["phase", name] => {
                begun.push((name.to_owned(), Instant::now()));
                if let Some((_, delay)) = kill.filter(|(phase, _)| *phase == name) {
                    std::thread::sleep(delay);
                    // It may have ended by itself.
                    let _ = child.kill();
                }
            }
            _ => {}
        }
        line.clear();
    }
    let status = child.wait().expect("an end");
    ended.killed = status.signal() == Some(9);
    assert!(ended.killed || status.success(), "the child failed: {status}; {what}");
    begun.push((String::new(), Instant::now()));
    let took = |two: &[(String, Instant)]| (two[0].0.clone(), two[1].1 - two[0].1);
    ended.phases = begun.windows(2).map(took).collect();
    ended
}
