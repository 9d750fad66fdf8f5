//! The cost of a kill for the next start, beside an orderly stop: `cargo bench --bench restart --
//! kill [EPOCHS]`.
//!
//! A process serves and appends 650,000 epochs of a line each, and leaves checkpoints as a server
//! does unless it is told otherwise. It is killed, and restarts are timed until readers see the
//! last epoch. Then another process ends in good order, and the same is timed again.
//!
//! The log is in memory where there is a file system for it: on a disk each epoch is a sync.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use dataflows::Line;
use diptych::System;
use diptych::sources::append;
use diptych::system::{Checkpoints, RebuildOptions, ServeOptions};

use crate::process::{Start, flow, start};

const FLAG: &str = "--serve";
const NAME: &str = "word_count";
const EPOCHS: u64 = 650_000;
const RESTARTS: usize = 7;
/// The target: the most that a start after a kill may take, as a multiple.
const TARGET: f64 = 1.2;

/// Runs the child of [`serve`], if this process was started as one.
pub(crate) fn work_if_started() -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [flag, epochs, directory] = &arguments[..] else { return false };
    if flag != FLAG {
        return false;
    }
    let epochs: u64 = epochs.parse().expect("a number");
    let (system, flow) = (System::open(directory), flow(NAME));
    let flows = std::slice::from_ref(&flow);
    let writer = Arc::new(system.writer().expect("the log"));
    let served = system.serve(flows, ServeOptions::default().writer(&writer)).expect("served");
    let checkpoints = Checkpoints::Automatic;
    let options = RebuildOptions { checkpoints, ..RebuildOptions::default() };
    let rebuilds = system.rebuild_under_readers(&served, flows, options, |outcome| {
        eprintln!("{outcome:?}");
    });
    let rebuilds = rebuilds.expect("started");
    while writer.upper() < epochs {
        let text = format!("word{} word{}", writer.upper() % 5_000, writer.upper() % 7);
        append(&writer, "lines", &[Line { text }]).expect("appended");
    }
    served.wait_beyond(NAME, writer.upper() - 1).expect("visible");
    println!("there");
    std::io::stdout().flush().expect("the pipe");
    // The process is killed here, or told to end.
    let told = std::io::stdin().lines().next();
    assert!(told.is_some(), "nobody is there any more");
    drop(rebuilds);
    system.conclude(served).expect("concluded");
    Arc::into_inner(writer).expect("nobody appends").close().expect("closed");
    true
}

/// Serves until there are so many epochs; then ends the process, in good order or not.
fn serve(directory: &Path, epochs: u64, kill: bool) {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args([FLAG, &epochs.to_string()])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this binary starts");
    let mut line = String::new();
    let pipe = child.stdout.take().expect("a pipe");
    BufReader::new(pipe).read_line(&mut line).expect("a line");
    assert_eq!(line, "there\n");
    if kill {
        child.kill().expect("killed");
        child.wait().expect("an end");
    } else {
        child.stdin.take().expect("a pipe").write_all(b"end\n").expect("told");
        assert!(child.wait().expect("an end").success());
    }
}

/// The least time of several restarts, and the epochs that were behind the newest batch view.
fn restart(directory: &Path, epochs: u64) -> (f64, u64) {
    let times = (0..RESTARTS).map(|_| start(NAME, directory, Start::Restart).served);
    let least = times.fold(f64::MAX, f64::min);
    let described = flow(NAME).describe().expect("it compiles");
    let newest = System::open(directory).newest(&described, u64::MAX).expect("read").0;
    (least, epochs - newest.map_or(0, |view| view.boundary()))
}

/// Measures, and says whether the target is met.
pub(crate) fn main(epochs: Option<u64>) -> ExitCode {
    let epochs = epochs.unwrap_or(EPOCHS);
    let memory = Path::new("/dev/shm");
    let directory =
        if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let directory = directory.expect("a temporary directory");
    serve(directory.path(), epochs, true);
    let (killed, behind) = restart(directory.path(), epochs);
    println!("{epochs} epochs, killed: {killed:.3} s to the last epoch, {behind} replayed");
    serve(directory.path(), epochs, false);
    let (clean, behind) = restart(directory.path(), epochs);
    println!("{epochs} epochs, ended in good order: {clean:.3} s, {behind} replayed");
    let (ratio, met) = (killed / clean, killed <= TARGET * clean);
    println!("{ratio:.2} times, at most {TARGET}: {}", if met { "met" } else { "MISSED" });
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
