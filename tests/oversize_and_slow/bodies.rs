//! Bodies that stop one byte before their end: their memory is bounded over all of them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use diptych::limits::{BODIES_BYTES_MAX, BODY_BYTES_MAX};

use super::{RSS_MIB_MAX, answer, connect, p99, start};
use crate::server::Server;

/// Bodies of three times the bytes that may be held.
const BODIES: usize = 3 * BODIES_BYTES_MAX / BODY_BYTES_MAX as usize;
const SENDERS: usize = 8;
const HTTP2_CONNECTIONS: usize = 4;
const HTTP2_STREAMS: usize = 60;
/// How long a machine with other work may take until it has cut every sender off.
const PATIENCE: Duration = Duration::from_mins(2);

/// The bytes that `BODIES` may make the server hold, and what their connections cost.
fn allowed_kib() -> u64 {
    let bodies = BODIES_BYTES_MAX as u64 * 11 / 10 / 1024;
    bodies + (RSS_MIB_MAX << 10) + BODIES as u64 * 64
}

/// The body that each sends.
fn body() -> Vec<u8> {
    let line = b"{\"text\":\"to be or not to be\"}\n";
    line.iter().copied().cycle().take(BODY_BYTES_MAX as usize).collect()
}

/// Sends all but the last byte of a body; returns the connection, with any answer still unread.
fn all_but_the_last(address: SocketAddr, body: &[u8]) -> TcpStream {
    let mut stream = connect(address);
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    let head = format!(
        "POST /v1/streams/lines HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    // The server may have had enough in the midst of it.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| {
        body[..body.len() - 1].chunks(64 << 10).try_for_each(|piece| stream.write_all(piece))
    });
    stream
}

/// The most memory of the server until `work` is done.
fn watched<T>(server: &Server, work: impl FnOnce() -> T + Send) -> (u64, T)
where
    T: Send,
{
    std::thread::scope(|scope| {
        let working = scope.spawn(work);
        let mut most = server.rss_kib();
        while !working.is_finished() {
            most = most.max(server.rss_kib());
            std::thread::sleep(Duration::from_millis(5));
        }
        (most.max(server.rss_kib()), working.join().expect("done"))
    })
}

/// The status of the final answer.
fn status(stream: &mut TcpStream) -> Option<u16> {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut told = Vec::new();
    // A reset may follow the answer.
    let _ = stream.read_to_end(&mut told);
    let told = String::from_utf8_lossy(&told).into_owned();
    let status = told.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok();
    if status == Some(503) {
        assert!(told.to_ascii_lowercase().contains("\r\nretry-after: "), "{told}");
    }
    status
}

/// Checks that there is room for bodies again.
fn appends_again(address: SocketAddr) {
    let begun = Instant::now();
    loop {
        let mut stream = connect(address);
        let text = "{\"text\":\"to be\"}\n";
        let request = format!(
            "POST /v1/streams/lines HTTP/1.1\r\nhost: localhost\r\n\
             content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n{text}",
            text.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let answer = answer(&mut stream);
        if answer.starts_with("HTTP/1.1 200 ") {
            return;
        }
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(begun.elapsed() < PATIENCE, "{answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn bodies_that_stop_before_their_end_share_one_bound() {
    let data = tempfile::tempdir().expect("a folder");
    let (server, address) = start(data.path());
    p99(address);
    appends_again(address);
    let before = server.rss_kib();
    let body = body();
    let (most, mut streams) = watched(&server, || {
        std::thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS)
                .map(|number| {
                    let mine = (number..BODIES).step_by(SENDERS);
                    let body = &body;
                    let send = move || mine.map(|_| all_but_the_last(address, body)).collect();
                    scope.spawn(send)
                })
                .collect();
            let join = |sender: std::thread::ScopedJoinHandle<'_, Vec<TcpStream>>| sender.join();
            senders.into_iter().flat_map(|sender| join(sender).expect("sent")).collect::<Vec<_>>()
        })
    });
    // Readers get on meanwhile.
    p99(address);
    let most = most.max(server.rss_kib());
    let (mut slow, mut full) = (0, 0);
    for stream in &mut streams {
        match status(stream) {
            Some(408) => slow += 1,
            Some(503) => full += 1,
            // A reset took the answer back.
            None => full += 1,
            Some(other) => panic!("{other} for a body without its end"),
        }
    }
    let grown = most.saturating_sub(before);
    println!(
        "{BODIES} bodies without their end: {grown} KiB, {slow} too slow, {full} without room"
    );
    assert!(grown <= allowed_kib(), "{grown} KiB of {}", allowed_kib());
    assert!(full > 0, "there was room for all: {slow}");
    appends_again(address);
    assert!(server.stop().success());
}

/// Sends all but the last byte of a body on a stream; returns the status of its answer.
async fn stream(
    requests: h2::client::SendRequest<Bytes>,
    address: SocketAddr,
    body: Bytes,
) -> Option<u16> {
    let request = axum::http::Request::post(format!("http://{address}/v1/streams/lines"))
        .header("content-type", "application/x-ndjson")
        .header("content-length", body.len());
    let mut requests = requests.ready().await.ok()?;
    let (answer, mut sending) =
        requests.send_request(request.body(()).expect("a request"), false).ok()?;
    let mut rest = body.slice(..body.len() - 1);
    let send = async {
        while !rest.is_empty() {
            sending.reserve_capacity(rest.len().min(16 << 10));
            let Some(Ok(room)) = std::future::poll_fn(|cx| sending.poll_capacity(cx)).await else {
                break;
            };
            let piece = rest.split_to(room.min(rest.len()));
            if sending.send_data(piece, false).is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = answer => answer.ok().map(|answer| answer.status().as_u16()),
        () = send => None,
    }
}

async fn streams(address: SocketAddr, body: Bytes) -> Vec<Option<u16>> {
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..HTTP2_CONNECTIONS {
        let socket = tokio::net::TcpStream::connect(address).await.expect("a connection");
        let (requests, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
        tokio::spawn(connection);
        for _ in 0..HTTP2_STREAMS {
            all.spawn(stream(requests.clone(), address, body.clone()));
        }
    }
    all.join_all().await
}

#[test]
fn streams_of_one_connection_share_the_bound_of_all() {
    let data = tempfile::tempdir().expect("a folder");
    let (server, address) = start(data.path());
    p99(address);
    appends_again(address);
    let before = server.rss_kib();
    let body = Bytes::from(body());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (most, answers) = watched(&server, || runtime.block_on(streams(address, body)));
    let count = |wanted| answers.iter().filter(|status| **status == Some(wanted)).count();
    let (slow, full) = (count(408), count(503));
    let grown = most.saturating_sub(before);
    println!("{} streams: {grown} KiB, {slow} too slow, {full} without room", answers.len());
    assert!(grown <= allowed_kib(), "{grown} KiB of {}", allowed_kib());
    assert!(full > 0, "there was room for all: {answers:?}");
    assert!(answers.iter().all(|status| !matches!(status, Some(200 | 500))), "{answers:?}");
    drop(runtime);
    appends_again(address);
    assert!(server.stop().success());
}
