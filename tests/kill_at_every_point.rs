//! Promise 3: what was acknowledged survives a kill at every point.
//!
//! A child appends, rotates, makes batch views, swaps the base, seals and leaves a checkpoint. It
//! is killed at each call that changes the disk, from the first to the last: before the call, and,
//! when the call is a write, in its middle. After each kill the directory opens, every acknowledged
//! transfer is there and none that was not sent, and every view and batch view equals the result of
//! a few loops over the log; then the child goes on.
//!
//! The calls are counted where the library makes them, at its [`Disk`](diptych::io::Disk), because
//! tracing counts the calls of each thread separately. Where `strace` is installed, it confirms
//! that no write goes past the count.

mod killed;

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use killed::{Journal, Orders, check, command, follow, run, scaled, work_if_child};

/// The number of kills at once: each waits for the disk most of its time.
const SIDE_BY_SIDE: usize = 6;
const NAME: &str = "a_kill_at_any_call_loses_nothing";
const IN_FILES: &str = "a_kill_at_any_call_loses_no_state_in_files";

fn orders(dir: &tempfile::TempDir, script: u64, in_files: bool) -> Orders {
    Orders { dir: dir.path().join("data"), first: 0, script, at: None, torn: false, in_files }
}

fn journal(orders: &Orders) -> Journal {
    Journal { in_files: orders.in_files, ..Journal::default() }
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn a_kill_at_any_call_loses_nothing() {
    work_if_child();
    kill_at_all(NAME, false);
}

/// The same where history is read in steps, each of which continues the files of the one before,
/// and batch views are runs of what has changed.
#[test]
fn a_kill_at_any_call_loses_no_state_in_files() {
    work_if_child();
    kill_at_all(IN_FILES, true);
}

fn kill_at_all(name: &str, in_files: bool) {
    for script in 0..scaled(1, 5) {
        let dir = directory();
        let orders = orders(&dir, script, in_files);
        let mut journal = journal(&orders);
        let quiet = run(name, &orders, &mut journal, None);
        let (calls, _) = quiet.calls.expect("nobody killed it");
        check(&dir.path().join("data"), &mut journal, "not killed");
        assert!(calls > 120, "{calls} calls: the script should seal and checkpoint");
        let before = (0..calls).map(|at| (at, false));
        let kills: Vec<_> = before.chain(quiet.writes.iter().map(|at| (*at, true))).collect();
        let (next, missed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..SIDE_BY_SIDE {
                scope.spawn(|| {
                    while let Some((at, torn)) = kills.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if !kill_at(name, (script, in_files), *at, *torn) {
                            missed.lock().expect("a list").push((*at, *torn));
                        }
                    }
                });
            }
        });
        // Threads may take turns in another order, and share a sync: a few calls come and go.
        let missed = missed.into_inner().expect("a list");
        assert!(missed.len() * 20 <= kills.len(), "never reached: {missed:?} of {calls} calls");
        println!("script {script}: {} kills at {calls} calls, {missed:?} missed", kills.len());
    }
}

/// Kills a child at a call and checks its directory; false when the child ended before that call.
fn kill_at(name: &str, (script, in_files): (u64, bool), at: u64, torn: bool) -> bool {
    let dir = directory();
    let orders = Orders { at: Some(at), torn, ..orders(&dir, script, in_files) };
    let mut journal = journal(&orders);
    let ended = run(name, &orders, &mut journal, None);
    let what = format!("script {script} killed at call {at}, torn {torn}");
    check(&orders.dir, &mut journal, &what);
    ended.killed
}

/// The calls by which files get their contents and names, as the system sees them, equal those that
/// were counted.
#[test]
fn nothing_is_written_past_the_count() {
    let dir = directory();
    let (orders, trace) = (orders(&dir, 0, false), dir.path().join("trace"));
    let child = command(NAME, &orders);
    let mut traced = Command::new("strace");
    traced.args(["-f", "-y", "-qq", "-e", "trace=pwrite64,pwritev,write,writev", "-o"]);
    traced.arg(&trace).arg(child.get_program()).args(child.get_args());
    for (name, value) in child.get_envs() {
        traced.env(name, value.expect("a value"));
    }
    let probe = Command::new("strace").args(["-qq", "-e", "trace=none", "true"]).output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped: strace cannot trace here ({probe:?})");
        return;
    }
    let child = traced.stdout(Stdio::piped()).spawn().expect("strace starts");
    let ended = follow(child, &mut Journal::default(), None, "traced");
    let (calls, locks) = ended.calls.expect("nobody killed it");
    let text = std::fs::read_to_string(&trace).expect("a trace");
    let place = orders.dir.to_str().expect("a path");
    let written = text.lines().filter(|line| line.contains(place) && !line.contains("resumed"));
    let written = written.count();
    let counted = ended.writes.len() + locks as usize;
    assert!(counted > 40, "{counted} of {calls} calls are writes");
    assert_eq!(written, counted, "writes that strace saw, and those that were counted");
}
