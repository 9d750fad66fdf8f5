//! Promise 18: oversize bodies, slow heads, slow bodies and idle sockets are refused in bounds,
//! while a good client reads on.
//!
//! A body of 10 GB is refused early, whether announced or streamed. Two thousand sockets that send
//! half a head, a body byte by byte, or nothing cost the server at most 16 MiB and the good client
//! at most a factor of five; then the server closes them by itself. Bodies that stop before their
//! end share one bound, on however many sockets or streams of HTTP/2 they come.

#[path = "oversize_and_slow/answers.rs"]
mod answers;
#[path = "oversize_and_slow/bodies.rs"]
mod bodies;
#[path = "oversize_and_slow/idle.rs"]
mod idle;
#[path = "serving/server.rs"]
mod server;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use server::Server;

const SLOW: usize = 2_000;
const READS: usize = 3_000;
/// The noise that timer and scheduler of a busy machine add to any measurement.
const NOISE: Duration = Duration::from_micros(500);
const RSS_MIB_MAX: u64 = 16;
/// Bytes of a refused body that may be sent before its sender notices.
const SENT_MAX: u64 = 128 << 20;

/// Raises the limit on open files: each slow socket is a file of this process, too.
fn raise_files() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).expect("files");
}

fn start(data: &std::path::Path) -> (Server, SocketAddr) {
    raise_files();
    let server = Server::start(&["word_count", "--data", data.to_str().expect("a path")]);
    let address = server.url("").trim_start_matches("http://").parse().expect("an address");
    (server, address)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    stream.set_nodelay(true).expect("an option");
    stream
}

/// The 99th percentile of some reads on one connection.
fn p99(address: SocketAddr) -> Duration {
    let mut stream = connect(address);
    let mut times: Vec<Duration> = (0..READS)
        .map(|_| {
            let begun = Instant::now();
            stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("sent");
            let answer = answer(&mut stream);
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[READS * 99 / 100]
}

/// An answer's head, and the bytes that came with it.
fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    while !text.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => text.extend_from_slice(&piece[..read]),
            Err(error) => panic!("no answer: {error}; so far {:?}", String::from_utf8_lossy(&text)),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn slow_sockets_cost_little_and_hurt_nobody() {
    let data = tempfile::tempdir().expect("a folder");
    let (server, address) = start(data.path());
    p99(address); // warm
    let quiet = p99(address).max(NOISE);
    let before = server.rss_kib();
    let opened = Instant::now();
    let mut slow: Vec<TcpStream> = (0..SLOW)
        .map(|number| {
            let mut stream = connect(address);
            let sent: &[u8] = match number % 3 {
                0 => b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
                1 => {
                    b"POST /v1/streams/lines HTTP/1.1\r\nhost: localhost\r\ncontent-type: \
                       application/x-ndjson\r\ncontent-length: 1000\r\n\r\n{"
                }
                _ => b"",
            };
            stream.write_all(sent).expect("sent");
            stream
        })
        .collect();
    // Before the server has had enough of them.
    let most = server.rss_kib();
    let took = opened.elapsed();
    let worst = p99(address);
    let most = most.max(server.rss_kib());
    assert!(
        opened.elapsed() < Duration::from_secs(10),
        "the sockets were open meanwhile: {took:?}"
    );
    let grown = most.saturating_sub(before);
    println!(
        "{SLOW} slow sockets: {grown} KiB; p99 of a good client {quiet:?} quiet, {worst:?} beside"
    );
    assert!(grown <= RSS_MIB_MAX << 10, "{grown} KiB for {SLOW} slow sockets");
    assert!(worst <= 5 * quiet, "p99 {worst:?} beside slow sockets, {quiet:?} without");
    // A byte now and then does not help a slow head, nor a slow body.
    for stream in &mut slow {
        let _ = stream.write(b"x");
    }
    let mut closed = 0;
    for (number, stream) in slow.iter_mut().enumerate() {
        let patience = Duration::from_secs(25).saturating_sub(opened.elapsed());
        stream.set_read_timeout(Some(patience.max(Duration::from_millis(1)))).expect("a timeout");
        let mut told = Vec::new();
        match stream.read_to_end(&mut told) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            // A reset is an end, too.
            _ => closed += 1,
        }
        if number % 3 == 1 && !told.is_empty() {
            let told = String::from_utf8_lossy(&told);
            // 404 and 405: of a router without streams; nothing waits for such a body.
            let expected = ["408", "400", "404", "405"].map(|code| format!("HTTP/1.1 {code} "));
            assert!(expected.iter().any(|start| told.starts_with(start)), "{told}");
        }
    }
    assert_eq!(closed, SLOW, "the server closes slow sockets by itself");
    assert!(server.stop().success());
}

/// Streams a body until the server refuses it; returns the answer and the number of bytes sent.
fn oversize(address: SocketAddr, head: &str, piece: &[u8], total: u64) -> (String, u64) {
    let mut stream = connect(address);
    stream.write_all(head.as_bytes()).expect("sent");
    let mut reader = stream.try_clone().expect("a clone");
    let answering = std::thread::spawn(move || answer(&mut reader));
    let mut sent = 0;
    while sent < total && !answering.is_finished() {
        match stream.write(piece) {
            Ok(written) => sent += written as u64,
            Err(_) => break,
        }
    }
    (answering.join().expect("an answer"), sent)
}

#[test]
fn a_body_of_ten_gigabytes_is_refused_early() {
    let data = tempfile::tempdir().expect("a folder");
    let (server, address) = start(data.path());
    p99(address);
    let before = server.rss_kib();
    let total = 10_000_000_000;
    let path = "POST /v1/streams/lines HTTP/1.1\r\nhost: localhost\r\n\
                content-type: application/x-ndjson";
    let announced = format!("{path}\r\ncontent-length: {total}\r\n\r\n");
    let line = b"{\"text\": \"to be or not to be\"}\n".repeat(512);
    let (answer, sent) = oversize(address, &announced, &line, total);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert!(sent <= SENT_MAX, "{sent} bytes went out before the refusal");

    let mut chunk = format!("{:x}\r\n", line.len()).into_bytes();
    chunk.extend_from_slice(&line);
    chunk.extend_from_slice(b"\r\n");
    let chunked = format!("{path}\r\ntransfer-encoding: chunked\r\n\r\n");
    let (answer, sent) = oversize(address, &chunked, &chunk, total);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(sent <= SENT_MAX, "{sent} bytes went out before the refusal");

    let grown = server.rss_kib().saturating_sub(before);
    println!("two bodies of 10 GB: {grown} KiB");
    assert!(grown <= RSS_MIB_MAX << 10, "{grown} KiB for two refused bodies");
    p99(address);
    assert!(server.stop().success());
}
