//! Promise 11: memory stays in its bound under more input than the process can take, beside readers
//! and subscribers that take nothing and clients that mean harm. Input that does not fit is refused
//! or waits; an acknowledged event is counted, once.
//!
//! A server with its default settings has 512 MiB ([`MEMORY_BYTES`]). Clients append as fast as
//! they are answered: for a minute, or with `DIPTYCH_LONGTEST=1` half an hour or 32 GiB, and at
//! least ten times the memory; `DIPTYCH_CASES` sets the seconds. The test measures `RssAnon`,
//! memory that the kernel cannot take back: mapped files and the page cache are not in it.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

#[path = "scale/mod.rs"]
mod scale;
#[path = "serving/server.rs"]
mod server;
#[path = "stop/mod.rs"]
mod stop;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use diptych::limits::{BODY_BYTES_MAX, MEMORY_BYTES};
use scale::scaled;
use server::Server;
use stop::Stop;

const VIEW: &str = "/v1/dataflows/word_count/views/counts";
const APPENDERS: usize = 4;
/// Bytes of each appended body.
const BODY_BYTES: usize = 1 << 20;
/// Different bodies, each with words of its own.
const BODIES: usize = 16;
/// Words of one body, each as often as its bytes allow.
const WORDS: usize = 4_000;
/// Epochs with many changes are what fills the past; lines are short.
const WORDS_OF_A_LINE: usize = 8;
const SUBSCRIBERS: usize = 40;
const PAGES: usize = 20;
const UNFINISHED: usize = 60;
const IDLE: usize = 200;
/// Seconds of the long run.
const LONG: u64 = 1800;

/// The most that is appended, in MiB: the log has to fit the disk that tests have.
const APPENDED_MIB_MAX: u64 = 32 << 10;

/// MiB that were acknowledged so far.
static APPENDED_MIB: AtomicU64 = AtomicU64::new(0);
/// How long a busy machine may take for any single request.
const PATIENCE: Duration = Duration::from_mins(15);

/// One of the bodies, with the number of times that it has each of its words.
fn body(number: usize) -> (String, BTreeMap<String, u64>) {
    let (mut text, mut counts) = (String::new(), BTreeMap::new());
    let mut next = 0;
    while text.len() < BODY_BYTES {
        text.push_str("{\"text\":\"");
        for _ in 0..WORDS_OF_A_LINE {
            let word = format!("body{number:02}word{:04}", next % WORDS);
            text.push_str(&word);
            text.push(' ');
            *counts.entry(word).or_default() += 1;
            next += 1;
        }
        text.push_str("\"}\n");
    }
    (text, counts)
}

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    Ok(stream)
}

/// Sends a request's head, and reads nothing of the answer.
fn stalled(address: SocketAddr, path: &str) -> std::io::Result<TcpStream> {
    let mut stream = connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
    Ok(stream)
}

/// Sends all but the last byte of the largest body that is taken.
fn unfinished(address: SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = connect(address)?;
    let body = vec![b' '; usize::try_from(BODY_BYTES_MAX).unwrap()];
    write!(
        stream,
        "POST /v1/streams/lines HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body[..body.len() - 1])?;
    Ok(stream)
}

/// Keeps `many` sockets in a state; a socket that the server has ended is made anew.
fn keep(many: usize, done: &AtomicBool, make: impl Fn() -> std::io::Result<TcpStream>) {
    let mut held: Vec<Option<TcpStream>> = (0..many).map(|_| None).collect();
    while !done.load(Relaxed) {
        for place in &mut held {
            if done.load(Relaxed) {
                return;
            }
            let ended = place.as_ref().is_none_or(|stream| {
                stream.set_nonblocking(true).unwrap();
                // Readers have something to take, which they never do.
                match stream.peek(&mut [0]) {
                    Ok(there) => there == 0,
                    Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
                }
            });
            if ended {
                // It may be refused: then it is tried again.
                *place = make().ok();
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The answers that one client got.
#[derive(Default)]
struct Told {
    /// The number of times that each body was acknowledged.
    acknowledged: Vec<u64>,
    refused: u64,
    /// The last epoch.
    epoch: u64,
}

/// Appends bodies as one producer, each until it is acknowledged, until it is told to stop.
fn append(server: &Server, bodies: &[String], number: usize, done: &AtomicBool) -> Told {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut told = Told { acknowledged: vec![0; bodies.len()], ..Told::default() };
    for sequence in 0.. {
        let body = &bodies[(number + sequence) % bodies.len()];
        let path = format!("/v1/streams/lines?producer=client{number}&sequence={sequence}");
        let url = server.url(&path);
        let begun = Instant::now();
        loop {
            // What was begun is brought to its end: only then is it known what is to be counted.
            assert!(begun.elapsed() < PATIENCE, "request {sequence} is not acknowledged");
            let sent = agent.post(&url).content_type("application/x-ndjson").send(body.as_str());
            let mut answer = sent.expect("an answer");
            let text = answer.body_mut().read_to_string().unwrap();
            match answer.status().as_u16() {
                200 => {
                    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
                    told.epoch = answer["epoch"].as_u64().unwrap();
                    told.acknowledged[(number + sequence) % bodies.len()] += 1;
                    APPENDED_MIB.fetch_add(1, Relaxed);
                    break;
                }
                503 => {
                    assert!(answer.headers().contains_key("retry-after"), "{text}");
                    told.refused += 1;
                    std::thread::sleep(Duration::from_millis(50));
                }
                other => panic!("{other}: {text}"),
            }
        }
        if done.load(Relaxed) {
            break;
        }
    }
    told
}

/// Reads single keys until told to stop; returns the number of answers.
fn read(server: &Server, done: &AtomicBool) -> u64 {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let url = server.url(&format!("{VIEW}?key=body00word0001"));
    let mut reads = 0;
    while !done.load(Relaxed) {
        let mut answer = agent.get(&url).call().expect("an answer");
        let text = answer.body_mut().read_to_string().unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{text}");
        reads += 1;
        std::thread::sleep(Duration::from_millis(2));
    }
    reads
}

/// All rows of the view at an epoch or later.
fn rows(server: &Server, epoch: u64) -> BTreeMap<String, u64> {
    let (mut all, mut cursor) = (BTreeMap::new(), None::<String>);
    loop {
        let mut url = server.url(&format!("{VIEW}?limit=10000&at_least={epoch}&timeout=60s"));
        if let Some(cursor) = &cursor {
            url = format!("{url}&cursor={cursor}");
        }
        let begun = Instant::now();
        let mut answer = loop {
            match ureq::get(&url).call() {
                Ok(answer) => break answer,
                // It is behind for longer than a request may wait.
                Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
            }
        };
        let text = answer.body_mut().with_config().limit(1 << 28).read_to_string().unwrap();
        let page: serde_json::Value = serde_json::from_str(&text).unwrap();
        for row in page["rows"].as_array().unwrap() {
            all.insert(row["word"].as_str().unwrap().to_owned(), row["n"].as_u64().unwrap());
        }
        cursor = page["cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return all;
        }
    }
}

#[test]
fn more_than_it_can_take_stays_in_its_memory() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(&["word_count", "--data", data.path().to_str().unwrap()]);
    let address: SocketAddr = server.url("").trim_start_matches("http://").parse().unwrap();
    let bodies: Vec<_> = (0..BODIES).map(body).collect();
    let texts: Vec<String> = bodies.iter().map(|(text, _)| text.clone()).collect();
    let length = Duration::from_secs(scaled(60, LONG));
    let done = AtomicBool::new(false);
    let most = AtomicU64::new(0);
    let begun = Instant::now();
    let (appended, reads) = std::thread::scope(|scope| {
        let (done, texts, server) = (&done, &texts, &server);
        let stop = Stop(done);
        let changes = format!("{VIEW}/changes");
        scope.spawn(move || keep(SUBSCRIBERS, done, || stalled(address, &changes)));
        let page = format!("{VIEW}?limit=10000");
        scope.spawn(move || keep(PAGES, done, || stalled(address, &page)));
        scope.spawn(move || keep(UNFINISHED, done, || unfinished(address)));
        scope.spawn(move || keep(IDLE, done, || connect(address)));
        let appending: Vec<_> = (0..APPENDERS)
            .map(|number| scope.spawn(move || append(server, texts, number, done)))
            .collect();
        let reading = scope.spawn(move || read(server, done));
        let mut said = Instant::now();
        let fits = || APPENDED_MIB.load(Relaxed) < APPENDED_MIB_MAX;
        while begun.elapsed() < length && fits() && !reading.is_finished() {
            let now = server.anonymous_kib();
            most.fetch_max(now, Relaxed);
            if said.elapsed() > Duration::from_secs(5) {
                said = Instant::now();
                println!("{:>5.0?}: {} MiB", begun.elapsed(), now >> 10);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(stop);
        let appended: Vec<_> = appending.into_iter().map(|one| one.join().unwrap()).collect();
        (appended, reading.join().unwrap())
    });
    let epoch = appended.iter().map(|told| told.epoch).max().unwrap();
    let mut expected = BTreeMap::new();
    for (number, (_, counts)) in bodies.iter().enumerate() {
        let times: u64 = appended.iter().map(|told| told.acknowledged[number]).sum();
        expected.extend(counts.iter().map(|(word, n)| (word.clone(), n * times)));
    }
    expected.retain(|_, n| *n > 0);
    let seen = rows(&server, epoch);
    assert_eq!(seen.len(), expected.len());
    assert!(seen == expected, "what was acknowledged is not what is counted");
    most.fetch_max(server.anonymous_kib(), Relaxed);
    let refused: u64 = appended.iter().map(|told| told.refused).sum();
    let times: u64 = appended.iter().flat_map(|told| &told.acknowledged).sum();
    let (most, allowed) = (most.into_inner() >> 10, (MEMORY_BYTES as u64 * 11 / 10) >> 20);
    println!("{times} MiB appended, {refused} refused, {reads} reads; {most} MiB of {allowed}");
    assert!(most <= allowed, "{most} MiB of {allowed}");
    assert!(times > 0 && reads > 0);
    let long = length.as_secs() >= LONG;
    assert!(!long || times << 20 >= 10 * MEMORY_BYTES as u64, "not ten times the memory");
    assert!(server.stop().success());
}
