//! The ends of a request's head and body (RFC 9112), as clients and proxies write them.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::server::Server;

/// Far less than the server waits for a body.
const AT_ONCE: Duration = Duration::from_secs(4);

/// A connection that sends pieces, each in a packet of its own.
struct Client(TcpStream);

impl Client {
    fn connect(server: &Server) -> Client {
        let address = server.url("").trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(AT_ONCE)).expect("a timeout");
        Client(stream)
    }

    fn send(&mut self, pieces: &[&str]) {
        for piece in pieces {
            self.0.write_all(piece.as_bytes()).expect("sent");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Checks that the server ends the connection without a further answer.
    fn is_closed(&mut self, name: &str) {
        let read = self.0.read(&mut [0; 64]);
        // What was sent and not read resets it.
        let reset = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionReset;
        let closed = matches!(read, Ok(0)) || read.as_ref().is_err_and(reset);
        assert!(closed, "{name}: {read:?}");
    }

    /// The status of the next answer, and its body.
    fn answer(&mut self) -> (u16, String) {
        let (mut text, mut piece) = (String::new(), [0; 4096]);
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < AT_ONCE, "no whole answer: {text:?}");
            let read = self.0.read(&mut piece).unwrap_or_else(|error| panic!("{error}: {text:?}"));
            text.push_str(str::from_utf8(&piece[..read]).expect("text"));
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                assert!(read > 0, "closed after {text:?}");
                continue;
            };
            let status: u16 = head[9..12].parse().expect("a status");
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
            if status == 100 || body.len() >= length {
                return (status, body.to_owned());
            }
        }
    }
}

const START: &str = "POST /v1/streams/lines?wait=visible HTTP/1.1\r\nHost: localhost\r\n\
                     Content-Type: application/x-ndjson\r\n";

#[test]
fn a_chunked_body_ends_behind_its_trailers() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Server::start(&["word_count", "--data", data.path().to_str().expect("a path")]);
    let chunked = format!("{START}Transfer-Encoding: chunked\r\n\r\n");
    let body = "11\r\n{\"text\":\"hello\"}\n\r\n";
    let mut epochs = 0;
    for (name, head, rest) in [
        ("no trailer", &chunked, vec![body, "0\r\n\r\n"]),
        ("a trailer", &chunked, vec![body, "0\r\nX-Checksum: abc\r\n\r\n"]),
        (
            "two trailers in many packets",
            &chunked,
            vec![body, "0\r", "\na: b\r\nc", ": d\r\n\r", "\n"],
        ),
        (
            "extensions",
            &chunked,
            vec!["11;a=b;c=\"d e\"\r\n{\"text\":\"hello\"}\n\r\n0;last\r\n\r\n"],
        ),
        ("a last chunk of many zeros", &chunked, vec![body, "0000\r\n\r\n"]),
    ] {
        // As the first request of a connection, and as a later one.
        let mut client = Client::connect(&server);
        for _ in 0..2 {
            let begun = Instant::now();
            client.send(&[head]);
            client.send(&rest);
            let (status, text) = client.answer();
            assert_eq!(status, 200, "{name}: {text}");
            assert!(text.contains(&format!("\"epoch\":{epochs}")), "{name}: {text}");
            assert!(begun.elapsed() < AT_ONCE, "{name}: {:?}", begun.elapsed());
            epochs += 1;
        }
    }
    let answer = server.get("/v1/dataflows/word_count/views/counts?key=hello");
    assert_eq!(answer["rows"][0]["n"], epochs, "each was appended once: {answer}");
}

#[test]
fn what_is_no_framing_is_refused_at_once() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Server::start(&["word_count", "--data", data.path().to_str().expect("a path")]);
    let trailers =
        format!("5\r\n{{}}\n  \r\n0\r\n{}\r\n", "x-filler: aaaaaaaaaaaaaaaa\r\n".repeat(4_000));
    let json = "{\"text\":\"hello\"}";
    let both = format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", json.len());
    let turned = format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", json.len());
    let line = "{\"text\":\"a\"}\n";
    let chunks = format!("{:x}\r\n{line}\r\n0\r\n\r\n", line.len());
    for (name, due, fields, body) in [
        ("another coding", 400, "Transfer-Encoding: chunked, gzip\r\n", ""),
        ("a coding before", 501, "Transfer-Encoding: gzip, chunked\r\n", &chunks),
        ("a coding before, and no end", 501, "Transfer-Encoding: gzip, chunked\r\n", "5\r\n"),
        ("chunks twice", 400, "Transfer-Encoding: chunked, chunked\r\n", &chunks),
        (
            "chunks in two fields",
            400,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "5",
        ),
        ("no coding", 400, "Transfer-Encoding: identity\r\nContent-Length: 5\r\n", ""),
        ("two lengths", 400, "Content-Length: 5\r\nContent-Length: 500\r\n", "hello"),
        ("no length", 400, "Content-Length: five\r\n", ""),
        ("a length with a sign", 400, "Content-Length: +500\r\n", "hello"),
        ("a space in a name", 400, "Content-Length : 500\r\n", "hello"),
        ("a folded line", 400, "X-Long: a\r\n Content-Length: 500\r\n", "hello"),
        ("a folded coding", 400, "Transfer-Encoding:\r\n chunked\r\n", "5"),
        ("both, whole by its length", 400, &both, json),
        ("the same, turned around", 400, &turned, json),
        (
            "both, nothing by its length",
            400,
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            "",
        ),
        (
            "both, a size by its length",
            400,
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "abc",
        ),
        (
            "both, whole by its chunks",
            400,
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            &chunks,
        ),
        ("no size of a chunk", 400, "Transfer-Encoding: chunked\r\n", "hello\r\n"),
        ("no size of a chunk, and no line", 400, "Transfer-Encoding: chunked\r\n", "hello"),
        ("a size that is none", 400, "Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"),
        ("no end of a chunk", 400, "Transfer-Encoding: chunked\r\n", "2\r\nhello"),
        ("trailers without end", 400, "Transfer-Encoding: chunked\r\n", &trailers),
    ] {
        // As the first request of a connection, and as a later one.
        for later in [false, true] {
            let mut client = Client::connect(&server);
            if later {
                client.send(&["GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"]);
                assert_eq!(client.answer().0, 200);
            }
            // Some of it may be refused before all of it is sent.
            let _ = client.0.write_all(format!("{START}{fields}\r\n{body}").as_bytes());
            let (status, text) = client.answer();
            assert_eq!(status, due, "{name}, later: {later}: {text}");
            client.is_closed(name);
        }
    }
    assert_eq!(server.get("/v1/status")["log"]["upper"], 0, "nothing was appended");
}

#[test]
fn chunks_are_refused_where_there_were_none() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Server::start(&["word_count", "--data", data.path().to_str().expect("a path")]);
    let old = START.replace("HTTP/1.1", "HTTP/1.0");
    let mut client = Client::connect(&server);
    client.send(&[&format!("{old}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]);
    assert_eq!(client.answer().0, 400);
    client.is_closed("chunks in HTTP/1.0");
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Server::start(&["word_count", "--data", data.path().to_str().expect("a path")]);
    let mut client = Client::connect(&server);
    client.send(&[&format!("{START}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")]);
    assert_eq!(client.answer().0, 100);
    client.send(&["d\r\n{\"text\":\"a\"}\n\r\n0\r\nx-checksum: abc\r\n\r\n"]);
    let (status, text) = client.answer();
    assert_eq!(status, 200, "{text}");
}

#[test]
fn lines_may_end_without_a_carriage_return() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Server::start(&["word_count", "--data", data.path().to_str().expect("a path")]);
    let mut client = Client::connect(&server);
    client.send(&["GET /healthz HTTP/1.1\nHost: localhost\n", "\n"]);
    assert_eq!(client.answer(), (200, "ok\n".to_owned()));
}
