//! Promise 10: recovery after a kill at any point, also during recovery, gives the same answers.
//!
//! Children work on one directory one after another and are killed, so that recoveries pile up:
//! twice in a row at calls that change the disk, the second time during the recovery from the first
//! kill; and by a signal from outside while they make a checkpoint, while a rebuild takes the place
//! of the base, and while they restore. After each kill every acknowledged transfer is there, none
//! that was not sent, and all views and batch views equal the results of a few loops over the log.

mod killed;

use std::path::Path;
use std::time::Duration;

use diptych::io::{Random, SimRandom};
use killed::{Journal, Orders, check, check_by_reader, run, scaled, work_if_child};

/// The least duration that is assumed for a phase.
const SHORTEST: Duration = Duration::from_millis(3);
/// The number of transfers that one child may use.
const IDS: i64 = 1_000;

/// A directory, and the children that worked on it.
struct Lineage {
    test: &'static str,
    dir: tempfile::TempDir,
    journal: Journal,
    random: SimRandom,
    children: i64,
}

impl Lineage {
    fn new(test: &'static str, seed: u64) -> Lineage {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (journal, random) = (Journal::default(), SimRandom::new(seed));
        Lineage { test, dir, journal, random, children: 0 }
    }

    fn place(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    /// The orders of the next child, with one worker or two.
    fn orders(&mut self) -> Orders {
        self.children += 1;
        let script = self.random.below(6);
        let first = self.children * IDS;
        Orders { dir: self.place(), first, script, at: None, torn: false, in_files: false }
    }

    fn run(&mut self, orders: &Orders, kill: Option<(&str, Duration)>) -> killed::Ended {
        run(self.test, orders, &mut self.journal, kill)
    }

    /// Kills a child within a phase, which usually takes `usual`; returns whether that was in time.
    fn kill_in(&mut self, phase: &str, usual: Duration) -> bool {
        let orders = self.orders();
        let share = self.random.below(1_200) as f64 / 1_000.0;
        let killed = self.run(&orders, Some((phase, usual.mul_f64(share)))).killed;
        let what = format!("child {} killed in {phase}, {share} of {usual:?}", self.children);
        check_by_reader(&self.place(), &self.journal, &what);
        killed
    }

    /// Lets a last child work to its end, and checks again.
    fn conclude(mut self) {
        let place = self.place();
        check(&place, &mut self.journal, "at the end");
        assert!(self.journal.acked.len() > 100, "{}: too few", self.journal.acked.len());
    }
}

/// Kills children this many times in this phase; the next child recovers from each kill.
fn kills_in(test: &'static str, phase: &str, cycles: u64, seed: u64) {
    let mut lineage = Lineage::new(test, seed);
    let mut usual = SHORTEST;
    for _ in 0..2 {
        let orders = lineage.orders();
        usual = usual.max(lineage.run(&orders, None).phase(phase));
    }
    let killed = (0..cycles).filter(|_| lineage.kill_in(phase, usual)).count();
    println!("{phase} takes {usual:?}; {killed} of {cycles} were killed");
    assert!(killed as u64 * 2 > cycles, "{killed} of {cycles} were killed in time");
    lineage.conclude();
}

#[test]
fn kills_in_a_checkpoint() {
    work_if_child();
    kills_in("kills_in_a_checkpoint", "checkpoint", scaled(34, 340), 1);
}

#[test]
fn kills_in_a_swap() {
    work_if_child();
    kills_in("kills_in_a_swap", "swap", scaled(33, 330), 2);
}

/// Between two killed recoveries a child is killed while it appends, or makes its final checkpoint,
/// so that there is something to recover from.
#[test]
fn kills_in_recovery() {
    work_if_child();
    let mut lineage = Lineage::new("kills_in_recovery", 3);
    let orders = lineage.orders();
    let ended = lineage.run(&orders, None);
    let usual = |phase: &str| ended.phase(phase);
    let (cycles, mut killed) = (scaled(33, 330), 0);
    for cycle in 0..cycles {
        if cycle % 3 == 0 {
            let phase = if cycle % 2 == 0 { "append" } else { "conclude" };
            lineage.kill_in(phase, usual(phase));
        }
        killed += u64::from(lineage.kill_in("recover", usual("recover")));
    }
    println!("{killed} of {cycles} were killed while they recovered");
    assert!(killed * 2 > cycles, "{killed} of {cycles} were killed in time");
    lineage.conclude();
}

/// Kills at chosen calls: at any call, then within the recovery from that kill.
#[test]
fn double_kills() {
    work_if_child();
    let test = "double_kills";
    let quiet = {
        let mut lineage = Lineage::new(test, 4);
        let orders = lineage.orders();
        lineage.run(&orders, None).calls.expect("nobody killed it").0
    };
    let (cycles, mut twice) = (scaled(20, 500), 0);
    for cycle in 0..cycles {
        let mut lineage = Lineage::new(test, 100 + cycle);
        let random = SimRandom::new(cycle);
        // A recovery makes a dozen calls, or more when there is a checkpoint to be made.
        let (first, second) = (random.below(quiet), random.below(24));
        let mut both = true;
        for at in [first, second] {
            let torn = random.below(2) == 0;
            let orders = Orders { at: Some(at), torn, ..lineage.orders() };
            both &= lineage.run(&orders, None).killed;
            let what = format!("cycle {cycle}, killed at call {first}, then {second}");
            left(&lineage.place(), &lineage.journal, &what);
        }
        twice += u64::from(both);
        let orders = lineage.orders();
        assert!(!lineage.run(&orders, None).killed);
        let what = format!("cycle {cycle}, killed at calls {first} and {second}, then recovered");
        let place = lineage.place();
        check(&place, &mut lineage.journal, &what);
    }
    assert!(twice * 10 >= cycles * 9, "{twice} of {cycles} were killed twice");
}

/// Checks the directory after a kill, if there is one.
fn left(place: &Path, journal: &Journal, what: &str) {
    if place.exists() {
        check_by_reader(place, journal, what);
    }
}
