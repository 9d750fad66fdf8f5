//! A disk that does not answer reads delays only the requests that need it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use dataflows::{Line, word_count};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::io::SimDisk;
use diptych::servers::{Servers, ServersOptions, Site};
use diptych::sources::append;
use diptych::system::ServeOptions;

use super::hanging::Hanging;

/// More than any machine needs for an answer from memory.
const PATIENCE: Duration = Duration::from_secs(30);
/// The head start of the requests that need the disk.
const AHEAD: Duration = Duration::from_millis(300);

const STREAM: &str = "/v1/streams/lines?";
const VIEW: &str = "/v1/dataflows/word_count/views/counts";

/// Sends a request to read a path, or to append a line there.
fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    let line = "{\"text\":\"to be\"}\n";
    let (method, body) = if path.starts_with(STREAM) { ("POST", line) } else { ("GET", "") };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    stream
}

/// The first bytes of an answer, which have its status.
fn status(mut stream: TcpStream, what: &str) -> u16 {
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap_or_else(|error| panic!("{what}: {error}"));
    str::from_utf8(&start[9..]).ok().and_then(|text| text.parse().ok()).expect("a status")
}

/// Sends more `asking` requests, which read the log's end, than the server has threads, and checks
/// that others are answered meanwhile.
fn others_are_answered(lines: u64, asking: &[(String, u16)]) {
    let hangs = Arc::new(AtomicBool::new(false));
    // Who appends waits for syncs.
    let (mut syncs, mut reads) = (Arc::default(), Arc::clone(&hangs));
    if asking.iter().any(|(path, _)| path.starts_with(STREAM)) {
        std::mem::swap(&mut syncs, &mut reads);
    }
    let disk = Hanging::new(SimDisk::new(), &syncs, &reads);
    let system = System::with_disk(Arc::new(disk), "data");
    let flows = [Definition::new("word_count", word_count)];
    let writer = Arc::new(system.writer().expect("a writer"));
    let options = ServeOptions::default().writer(&writer);
    let served = system.serve(&flows, options).expect("served");
    for _ in 0..lines {
        let line = Line { text: "to be".to_owned() };
        let epoch = append(&writer, "lines", &[line]).expect("appended");
        served.wait_beyond("word_count", epoch).expect("visible");
    }
    let site = Site::of(&system, &served, &flows, Some(writer)).expect("a site");
    let listen = Some("127.0.0.1:0".parse().expect("an address"));
    let options = ServersOptions { listen, ..ServersOptions::default() };
    let servers = Servers::start(site, &options).expect("listening");
    let address = servers.http().expect("an address");
    hangs.store(true, SeqCst);
    let threads = std::thread::available_parallelism().map_or(8, usize::from);
    let ask_for = |round: usize| {
        let named = move |path: &str| path.replace("ROUND", &round.to_string());
        asking.iter().map(move |(path, due)| (ask(address, &named(path)), path, *due))
    };
    let waiting: Vec<_> = (0..2 * threads).flat_map(ask_for).collect();
    std::thread::sleep(AHEAD);
    let key = format!("{VIEW}?key=be");
    let mut quick = vec!["/healthz", "/v1/dataflows", "/v1/streams", "/openapi.json", "/"];
    if lines > 0 {
        let latest = VIEW.trim_end_matches("/views/counts");
        quick.extend([&*key, VIEW, latest]);
    }
    for path in quick {
        assert_eq!(status(ask(address, path), path), 200, "{path} with {lines} lines");
    }
    hangs.store(false, SeqCst);
    for (stream, path, due) in waiting {
        assert_eq!(status(stream, path), due, "{path} with {lines} lines");
    }
    servers.stop();
    served.stop().expect("stopped");
}

#[test]
fn who_asks_for_changes_waits_for_the_disk_alone() {
    let ahead = format!("{VIEW}/changes?from=7");
    others_are_answered(2, &[(ahead, 404)]);
    // An empty log: is that all there is?
    others_are_answered(0, &[(format!("{VIEW}/changes"), 200)]);
}

#[test]
fn who_asks_for_an_epoch_to_come_waits_for_the_disk_alone() {
    let branch = "~00000000000000ff";
    let asking = [
        (format!("{VIEW}?at_least=7&timeout=1ms"), 404),
        (format!("{VIEW}?as_of=7"), 404),
        (format!("{VIEW}?as_of=0{branch}"), 409),
        (format!("{VIEW}?as_of=2020-01-01T00:00:00Z"), 404),
    ];
    others_are_answered(2, &asking);
    others_are_answered(2, &[("/v1/status".to_owned(), 200), ("/metrics".to_owned(), 200)]);
}

#[test]
fn who_appends_for_the_first_time_waits_for_the_disk_alone() {
    others_are_answered(2, &[(format!("{STREAM}producer=pROUND&sequence=0"), 200)]);
}
