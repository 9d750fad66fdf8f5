//! A process that starts on a data directory, as a server does, and says when it serves.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use diptych::dataflows::{tweets_dedup, word_count};
use diptych::serving::Read;
use diptych::{Boundary, Definition, ServeOptions, System};
use rustix::time::{ClockId, clock_gettime};

/// What the process is told.
const FLAG: &str = "--start";

/// How it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// From the newest batch view, and the epochs behind it.
    Restart,
    /// As if there were no batch view: from all events.
    Recompute,
}

/// What a start took, in seconds from the start of the process.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    /// Until readers had answers as of the batch view; with [`Start::Recompute`] there is none.
    pub(crate) answering: f64,
    /// Until they saw the last epoch of the log, and it was checked.
    pub(crate) served: f64,
    /// Processor time of all threads until then.
    pub(crate) cpu: f64,
    /// Rows and digest of each view.
    pub(crate) digests: String,
    /// Keys of the first view.
    pub(crate) keys: u64,
}

/// The dataflow of that name, with a pinned version: a new build goes on.
pub(crate) fn flow(name: &str) -> Definition {
    let function = match name {
        "word_count" => word_count,
        "tweets_dedup" => tweets_dedup,
        _ => panic!("no dataflow {name}"),
    };
    Definition::new(name, move |df| {
        df.version("1");
        function(df);
    })
}

/// Starts a process on `directory`, and waits until it has said everything.
pub(crate) fn start(name: &str, directory: &Path, start: Start) -> Started {
    let begun = Instant::now();
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args([FLAG, name, &format!("{start:?}")])
        .arg(directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this binary starts");
    let mut pipe = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = || {
        let mut line = String::new();
        pipe.read_line(&mut line).expect("a line");
        (begun.elapsed().as_secs_f64(), line.trim_end().to_owned())
    };
    let (answering, (served, cpu), (_, keys), (_, digests)) = (line().0, line(), line(), line());
    let cpu = cpu.parse().expect("seconds");
    assert!(child.wait().expect("an end").success(), "{start:?} of {name}");
    Started { answering, served, cpu, digests, keys: keys.parse().expect("a number") }
}

/// Does what [`start`] asks, if this process was started by it.
pub(crate) fn work_if_started() -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [flag, name, how, directory] = &arguments[..] else { return false };
    if flag != FLAG {
        return false;
    }
    let say = |line: &str| {
        println!("{line}");
        std::io::stdout().flush().expect("the pipe");
    };
    let (system, flow) = (System::open(directory), flow(name));
    let writer = system.writer().expect("the log");
    let boundary = match how.as_str() {
        "Restart" => Boundary::Newest,
        _ => Boundary::InPlace(writer.upper()),
    };
    let options = ServeOptions::default().writer(&writer).boundary(boundary);
    let served = system.serve(std::slice::from_ref(&flow), options).expect("served");
    let index = served.index(name).expect("an index");
    assert_eq!(index.frontier() > 0, boundary == Boundary::Newest, "who answers at once");
    say("answering");
    served.wait_beyond(name, writer.upper() - 1).expect("caught up");
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    say(&(cpu.tv_sec as f64 + cpu.tv_nsec as f64 * 1e-9).to_string());
    let snapshot = index.snapshot(Read::Latest).expect("a snapshot");
    let rows = |view| snapshot.scan(view).count();
    say(&rows(0).to_string());
    let views = 0..snapshot.views().len();
    let digests = views.map(|view| (rows(view), snapshot.digest(view).expect("a digest")));
    say(&format!("{:?}", digests.collect::<Vec<_>>()));
    served.stop().expect("stopped");
    writer.close().expect("closed");
    true
}
