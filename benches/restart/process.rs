//! A process that starts on a data directory, as a server does, and reports when it serves.

use std::io::{BufRead, BufReader, Read as _, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use dataflows::{tweets_dedup, word_count};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::servers::{Servers, ServersOptions, Site};
use diptych::serving::Read;
use diptych::system::{Boundary, ServeOptions};
use rustix::time::{ClockId, clock_gettime};

/// The option that tells a process to start.
const FLAG: &str = "--start";

/// The way in which the process starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// From the newest batch view, and the epochs behind it; the batch view's files answer
    /// meanwhile.
    Restart,
    /// The same, and nothing answers before the batch view is in memory.
    Loaded,
    /// As if there were no batch view: from all events.
    Recompute,
}

/// The times of a start, in seconds from the start of the process.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    /// Until a client had an answer over HTTP, as of the batch view; with [`Start::Recompute`], as
    /// of the last epoch.
    pub(crate) first_answer: f64,
    /// Until readers saw the last epoch of the log, and it was checked.
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

/// Starts a process on `directory`, and reads its report.
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
    let (_, address) = line();
    ask(name, &address);
    let first_answer = begun.elapsed().as_secs_f64();
    let ((served, cpu), (_, keys), (_, digests)) = (line(), line(), line());
    let cpu = cpu.parse().expect("seconds");
    assert!(child.wait().expect("an end").success(), "{start:?} of {name}");
    Started { first_answer, served, cpu, digests, keys: keys.parse().expect("a number") }
}

/// Requests a row of the first view, until there is one.
fn ask(name: &str, address: &str) {
    let view = flow(name).describe().expect("it compiles").views[0].name.clone();
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("an option");
    loop {
        let path = format!("/v1/dataflows/{name}/views/{view}?limit=1");
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let (mut answer, mut piece) = (String::new(), [0; 4096]);
        // The object ends the answer.
        while !answer.ends_with('}') {
            let read = stream.read(&mut piece).expect("an answer");
            answer.push_str(std::str::from_utf8(&piece[..read]).expect("text"));
        }
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        if answer.contains("\"rows\":[{") {
            return;
        }
    }
}

/// Runs the child of [`start`], if this process was started as one.
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
    let writer = Arc::new(writer);
    let boundary = match how.as_str() {
        "Restart" | "Loaded" => Boundary::Newest,
        _ => Boundary::InPlace(writer.upper()),
    };
    let flows = std::slice::from_ref(&flow);
    let options = || ServeOptions::default().writer(&writer).boundary(boundary);
    let first = (how == "Restart")
        .then(|| system.first_answers(flows, &options()).expect("the files answer"));
    let listen = |site| {
        let listen = Some("127.0.0.1:0".parse().expect("an address"));
        let servers = ServersOptions { listen, ..ServersOptions::default() };
        let servers = Servers::start(site, &servers).expect("servers");
        say(&servers.http().expect("an address").to_string());
        servers
    };
    let early = first.as_ref().map(|first| {
        listen(Site::of_first(&system, first, flows, Some(Arc::clone(&writer))).expect("a site"))
    });
    let options = match &first {
        Some(first) => options().relieving(first),
        None => options(),
    };
    let served = system.serve(flows, options).expect("served");
    let servers = early.unwrap_or_else(|| {
        listen(Site::of(&system, &served, flows, Some(Arc::clone(&writer))).expect("a site"))
    });
    let index = served.index(name).expect("an index");
    served.wait_beyond(name, writer.upper() - 1).expect("caught up");
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    say(&(cpu.tv_sec as f64 + cpu.tv_nsec as f64 * 1e-9).to_string());
    let snapshot = index.snapshot(Read::Latest).expect("a snapshot");
    let rows = |view| snapshot.scan(view).count();
    say(&rows(0).to_string());
    let views = 0..snapshot.views().len();
    let digests = views.map(|view| (rows(view), snapshot.digest(view).expect("a digest")));
    say(&format!("{:?}", digests.collect::<Vec<_>>()));
    servers.stop();
    served.stop().expect("stopped");
    drop(first);
    Arc::into_inner(writer).expect("nobody appends").close().expect("closed");
    true
}
