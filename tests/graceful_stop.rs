//! A server that is told to stop under load loses no request and no acknowledged event, leaves a
//! checkpoint, and exits with 0; told twice it exits at once.

#[path = "serving/connection.rs"]
mod connection;
#[path = "serving/server.rs"]
mod server;

use std::collections::HashSet;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dataflows::Line;
use diptych::System;
use diptych::batch_view::{BatchView, Identity};
use diptych::io::RealDisk;
use server::Server;

const CLIENTS: usize = 8;
const ROUNDS: usize = 3;

/// The outcome of one client.
#[derive(Debug, Default)]
struct Client {
    acknowledged: Vec<String>,
    /// Answers that announced the end of the connection.
    told: usize,
    /// Requests that got no answer on a connection that had answered before.
    cut: Vec<String>,
    /// Connections that were accepted, and got no answer.
    unanswered: Vec<String>,
}

enum Answer {
    Kept(u16),
    Closing(u16),
    None(String),
}

fn ask(stream: &mut TcpStream, request: &str) -> Answer {
    match connection::ask(stream, request) {
        Ok((status, _, true)) => Answer::Kept(status),
        Ok((status, _, false)) => Answer::Closing(status),
        Err(error) => Answer::None(error),
    }
}

/// Appends one word after the other, on one connection while that is kept.
fn append(address: SocketAddr, number: usize, over: &AtomicBool) -> Client {
    let mut client = Client::default();
    let mut asked = 0;
    'connections: while !over.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address) else { break };
        stream.set_nodelay(true).expect("an option");
        let mut answered = 0;
        loop {
            let word = format!("c{number}n{asked}");
            asked += 1;
            let body = format!("{{\"text\": \"{word}\"}}\n");
            let request = format!(
                "POST /v1/streams/lines HTTP/1.1\r\nhost: localhost\r\ncontent-type: \
                 application/x-ndjson\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            match ask(&mut stream, &request) {
                Answer::Kept(200) => client.acknowledged.push(word),
                Answer::Closing(200) => {
                    client.acknowledged.push(word);
                    client.told += 1;
                    continue 'connections;
                }
                Answer::Kept(status) | Answer::Closing(status) => panic!("status {status}"),
                Answer::None(reason) if answered > 0 => {
                    client.cut.push(reason);
                    continue 'connections;
                }
                Answer::None(reason) => {
                    client.unanswered.push(reason);
                    continue 'connections;
                }
            }
            answered += 1;
        }
    }
    client
}

/// The words of the view, read from the directory by another process.
fn words(data: &str) -> (HashSet<String>, String) {
    let read = Command::new(env!("CARGO_BIN_EXE_diptych"))
        .args(["query", "word_count", "counts", "--data", data, "--format", "csv"])
        .output()
        .expect("the binary runs");
    let (rows, how) = (String::from_utf8(read.stdout), String::from_utf8(read.stderr));
    let rows = rows.expect("text");
    let words = rows.lines().skip(1).filter_map(|line| line.split(',').next());
    (words.map(str::to_owned).collect(), how.expect("text"))
}

#[test]
fn a_stop_under_load_loses_nothing() {
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().to_str().expect("a path");
        let server = Server::start(&["word_count", "--data", data]);
        let address = server.url("").trim_start_matches("http://").parse().expect("an address");
        let over = AtomicBool::new(false);
        let mut clients = Vec::new();
        std::thread::scope(|scope| {
            let over = &over;
            let appending: Vec<_> = (0..CLIENTS)
                .map(|number| scope.spawn(move || append(address, number, over)))
                .collect();
            std::thread::sleep(Duration::from_millis(700 + 137 * round as u64));
            let begun = Instant::now();
            assert_eq!(server.stop().code(), Some(0));
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
            over.store(true, Ordering::Relaxed);
            clients.extend(appending.into_iter().map(|one| one.join().expect("a client")));
        });
        let acknowledged: Vec<&String> = clients.iter().flat_map(|c| &c.acknowledged).collect();
        let told: usize = clients.iter().map(|client| client.told).sum();
        let cut: Vec<&String> = clients.iter().flat_map(|client| &client.cut).collect();
        let unanswered: usize = clients.iter().map(|client| client.unanswered.len()).sum();
        println!(
            "{} acknowledged, {told} told to close, {unanswered} connections too late",
            acknowledged.len()
        );
        assert!(acknowledged.len() > 100, "{clients:?}");
        assert!(cut.is_empty(), "requests on a connection in use were cut: {cut:?}");
        assert!(told >= CLIENTS, "every client is told, {told} of {CLIENTS} were");
        let (there, how) = words(data);
        let lost: Vec<_> =
            acknowledged.iter().filter(|word| !there.contains(word.as_str())).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        // Nothing is replayed: the checkpoint is of the last epoch.
        assert!(how.contains("read from the batch view"), "{how}");
    }
}

/// History that goes to a batch view first, in very many steps, does not hold the end up.
#[test]
fn a_stop_while_history_is_read_in_steps_ends_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let system = System::open(folder.path());
    let writer = system.writer().expect("the log");
    for epoch in 0..1_000 {
        let words = (0..100).map(|word| format!("word{}", epoch * 100 + word));
        let line = Line { text: words.collect::<Vec<_>>().join(" ") };
        diptych::sources::append(&writer, "lines", &[line]).expect("appended");
    }
    writer.close().expect("closed");
    let data = folder.path().to_str().expect("a path");
    let server = Server::start(&["word_count", "--data", data, "--memory", "64KiB"]);
    std::thread::sleep(Duration::from_millis(50));
    let begun = Instant::now();
    assert_eq!(server.stop().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let flow = dataflows::all().into_iter().find(|flow| flow.name() == "word_count");
    let version = flow.expect("it is built in").describe().expect("it compiles").version;
    let identity = Identity::new("word_count", version);
    let there = BatchView::boundaries(&RealDisk, folder.path(), &identity).expect("read");
    assert!(there.is_empty(), "it was ended before the last step: {there:?}");
    let steps = BatchView::boundaries(&RealDisk, &folder.path().join("steps"), &identity);
    assert!(steps.expect("read").is_empty(), "the last step's batch view is removed");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("a path");
    let server = Server::start(&["word_count", "--data", data]);
    let address: SocketAddr =
        server.url("").trim_start_matches("http://").parse().expect("an address");
    // A request that takes its time: its body is large, and half of it comes.
    let mut stream = TcpStream::connect(address).expect("a connection");
    let head = "POST /v1/streams/lines HTTP/1.1\r\nhost: localhost\r\ncontent-type: \
                application/x-ndjson\r\ncontent-length: 100000\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(&vec![b' '; 50_000]).expect("sent");
    std::thread::sleep(Duration::from_millis(300));
    server.signal();
    std::thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    let ended = server.stop();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(ended.code(), Some(130));
}
