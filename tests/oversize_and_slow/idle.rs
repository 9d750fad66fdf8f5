//! More sockets than there are places: the idle ones give way, and probes are always answered.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{answer, connect, raise_files};
use crate::server::Server;

const PATIENCE: Duration = Duration::from_mins(1);

fn limited(connections: &str, data: &std::path::Path) -> (Server, SocketAddr) {
    raise_files();
    let folder = data.to_str().expect("a path");
    let server = Server::start(&["word_count", "--data", folder, "--max-connections", connections]);
    let address = server.url("").trim_start_matches("http://").parse().expect("an address");
    (server, address)
}

/// The answer on a new connection; empty when it is closed before.
fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = connect(address);
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut told = Vec::new();
    // It may be refused before it has asked.
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.read_to_end(&mut told);
    String::from_utf8_lossy(&told).into_owned()
}

/// Sends requests until the answer begins so.
fn becomes(address: SocketAddr, path: &str, start: &str) {
    let begun = Instant::now();
    loop {
        let told = ask(address, path);
        if told.starts_with(start) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{path}: {told}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A connection with a request that does not end.
fn subscribed(address: SocketAddr) -> TcpStream {
    let mut stream = connect(address);
    let path = "/v1/dataflows/word_count/views/counts/changes";
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes())
        .expect("sent");
    let told = answer(&mut stream);
    assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
    stream
}

#[test]
fn idle_sockets_lock_nobody_out() {
    let data = tempfile::tempdir().expect("a folder");
    let (server, address) = limited("200", data.path());
    // As many as there are places, and as many again: with half a head, or with nothing, or between
    // two requests.
    let mut idle: Vec<TcpStream> = Vec::new();
    for number in 0..400 {
        let mut stream = connect(address);
        let sent: &[u8] = match number % 3 {
            0 => b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
            1 => b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
            _ => b"",
        };
        let _ = stream.write_all(sent);
        idle.push(stream);
        if number % 50 == 0 {
            let told = ask(address, "/readyz");
            assert!(told.starts_with("HTTP/1.1 200 "), "beside {number}: {told}");
        }
    }
    becomes(address, "/v1/status", "HTTP/1.1 200 ");
    // And again, while they stay where they are.
    for _ in 0..20 {
        becomes(address, "/v1/status", "HTTP/1.1 200 ");
    }
    drop(idle);
    assert!(server.stop().success());
}

#[test]
fn probes_are_answered_when_all_places_have_requests() {
    let data = tempfile::tempdir().expect("a folder");
    let (server, address) = limited("3", data.path());
    let mut held: Vec<TcpStream> = (0..3).map(|_| subscribed(address)).collect();
    // Longer than an idle connection keeps its place.
    std::thread::sleep(Duration::from_millis(2_500));
    for probe in ["/healthz", "/readyz", "/metrics"] {
        let told = ask(address, probe);
        assert!(told.starts_with("HTTP/1.1 200 "), "{probe}: {told}");
    }
    let told = ask(address, "/v1/status");
    assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
    assert!(told.to_ascii_lowercase().contains("\r\nretry-after: "), "{told}");
    // Idle sockets do not hold the places of probes either.
    let idle: Vec<TcpStream> = (0..40).map(|_| connect(address)).collect();
    becomes(address, "/readyz", "HTTP/1.1 200 ");
    drop(idle);
    for stream in &mut held {
        stream.set_nonblocking(true).expect("an option");
        let end = stream.read(&mut [0; 8 << 10]);
        assert!(!matches!(end, Ok(0)), "a subscription keeps its place");
    }
    held.pop();
    becomes(address, "/v1/status", "HTTP/1.1 200 ");
    drop(held);
    assert!(server.stop().success());
}
