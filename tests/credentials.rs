//! Promise 19, as time goes on: subscriptions, waits and sessions end with their token or user,
//! strangers are told no reasons, and a credentials file that others may read is named.

#[path = "serving/server.rs"]
mod server;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflows::Line;
use diptych::dataflow::Definition;
use diptych::limits::NEW_PRODUCERS_MAX;
use diptych::servers::{Servers, ServersOptions, Site};
use diptych::system::ServeOptions;
use diptych::{Dataflow, System};
use serde_json::Value;
use server::Server;

/// A generous time: a busy machine is slow, and nothing here ends by itself.
const PATIENCE: Duration = Duration::from_secs(40);

fn diptych(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_diptych")).args(args).output().expect("the binary runs")
}

/// A new token for `read` in the file.
fn token(file: &Path) -> String {
    token_for("read", "reader", file)
}

fn token_for(role: &str, name: &str, file: &Path) -> String {
    let file = file.to_str().expect("a path");
    let made = diptych(&["token", "new", "--role", role, "--name", name, "--into", file]);
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).expect("text").trim().to_owned()
}

fn served(folder: &Path, file: &Path, more: &[&str]) -> Server {
    let data = folder.join("data");
    let (data, file) = (data.to_str().expect("a path"), file.to_str().expect("a path"));
    Server::start(&[&["word_count", "--data", data, "--credentials", file], more].concat())
}

/// Sends a request with this token.
fn ask(address: &str, path: &str, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    write!(stream, "{head}authorization: Bearer {token}\r\n\r\n").expect("sent");
    stream
}

/// Reads to the end of the answer. An answer that goes on sends something now and then: no single
/// read waits for long, and yet the answer may have no end.
fn rest(mut stream: TcpStream) -> String {
    let (begun, mut bytes, mut piece) = (Instant::now(), Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut piece).expect("an end in time");
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes);
        if read == 0 {
            return text.into_owned();
        }
        assert!(begun.elapsed() < PATIENCE, "it goes on: {text}");
    }
}

/// Uses a token in every way while it is taken out of the file, or expires.
fn ends(change: impl FnOnce(&str) -> String, says: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("credentials.toml");
    let reader = token(&file);
    let server = served(folder.path(), &file, &[]);
    let address = server.url("").trim_start_matches("http://").to_owned();
    let mut subscription = ask(&address, "/v1/dataflows/word_count/views/counts/changes", &reader);
    let mut first = [0; 4096];
    let read = subscription.read(&mut first).expect("a beginning");
    assert!(first[..read].starts_with(b"HTTP/1.1 200"), "it goes on");

    let text = fs::read_to_string(&file).expect("read");
    fs::write(&file, change(&text)).expect("written");
    let told = rest(subscription);
    let last = told.rfind("event: ").map_or("", |at| &told[at..]);
    assert!(last.starts_with("event: problem\n") && last.contains(says), "{told}");
    assert!(last.contains("\"status\":401"), "{last}");
}

#[test]
fn what_goes_on_ends_when_its_token_is_taken_out() {
    ends(|_| String::from("# nobody\n"), "not known here");
}

#[test]
fn what_goes_on_ends_when_its_token_expires() {
    ends(|text| format!("{text}expires = 2020-01-01T00:00:00Z\n"), "has expired");
}

#[test]
fn a_token_that_stays_keeps_what_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("credentials.toml");
    let reader = token(&file);
    let server = served(folder.path(), &file, &[]);
    let address = server.url("").trim_start_matches("http://").to_owned();
    let mut kept = ask(&address, "/v1/dataflows/word_count/views/counts/changes", &reader);
    kept.set_read_timeout(Some(Duration::from_secs(4))).expect("a socket");
    let text = fs::read_to_string(&file).expect("read");
    fs::write(&file, text + "# read again\n").expect("written");
    let mut told = Vec::new();
    let still = kept.read_to_end(&mut told).is_err();
    assert!(still, "it ended: {}", String::from_utf8_lossy(&told));
}

#[cfg(feature = "sql")]
#[test]
fn a_session_of_the_postgres_port_ends_with_its_user() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("credentials.toml");
    let path = file.to_str().expect("a path");
    let made = diptych(&["token", "user", "ana", "--into", path]);
    assert!(made.status.success(), "{made:?}");
    let password = String::from_utf8(made.stdout).expect("text").trim().to_owned();
    let server = served(folder.path(), &file, &["--pg-listen", "127.0.0.1:0"]);
    let port = server.pg().expect("an address").port();
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(port).user("ana").password(&password).dbname("diptych");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ended = runtime.block_on(async {
        let connected = config.connect(tokio_postgres::NoTls).await;
        let (client, connection) = connected.expect("a session");
        let ending = tokio::spawn(connection);
        let text = fs::read_to_string(&file).expect("read");
        fs::write(&file, text + "# read again\n").expect("written");
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(!client.is_closed(), "who stays keeps his session");
        fs::write(&file, "# nobody\n").expect("written");
        tokio::time::timeout(PATIENCE, ending).await
    });
    let error = ended.expect("an end in time").expect("no panic").expect_err("a reason");
    let error = error.as_db_error().expect("of the server");
    assert_eq!(error.code().code(), "57P01", "{error}");
    assert!(error.message().contains("may not read here any more"), "{error}");
}

#[test]
fn a_file_that_is_open_to_others_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("credentials.toml");
    token(&file);
    let (data, path) = (folder.path().join("data"), file.to_str().expect("a path"));
    let data = data.to_str().expect("a path");
    for (mode, named) in [(0o600, false), (0o640, false), (0o644, true), (0o660, true)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("a mode");
        let listen = ["--listen", "127.0.0.1:0", "--for", "100ms", "--credentials", path];
        let ran = diptych(&[&["serve", "word_count", "--data", data], &listen[..]].concat());
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}");
        let remedy = format!("(its mode is 0{mode:o}): chmod 600 {path}");
        let warned =
            said.lines().any(|line| line.starts_with("warning: ") && line.ends_with(&remedy));
        assert_eq!(warned, named, "{mode:o}: {said}");
    }
}

/// The reason of a failure repeats the event that it failed at.
#[test]
fn strangers_are_told_that_it_is_not_ready_and_readers_why() {
    let fails = |df: &mut Dataflow<'_>| {
        let lines = df.events::<Line>("lines").map(|line| {
            assert!(line.text != "confidential", "no such line");
            line.text.to_owned()
        });
        df.view("counts", lines.count("lines")).columns(&["line", "n"]);
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("credentials.toml");
    let reader = token(&file);
    let (system, flows) = (System::in_memory(), [Definition::new("fails", fails)]);
    let writer = Arc::new(system.writer().expect("a writer"));
    let options = ServeOptions::default().writer(&writer);
    let served = system.serve(&flows, options).expect("served");
    let site = Site::of(&system, &served, &flows, Some(Arc::clone(&writer))).expect("a site");
    let options = ServersOptions {
        listen: Some("127.0.0.1:0".parse().expect("an address")),
        credentials: Some(file),
        ..ServersOptions::default()
    };
    let servers = Servers::start(site, &options).expect("servers");
    let address = servers.http().expect("an address").to_string();
    let line = Line { text: "confidential".to_owned() };
    diptych::sources::append(&writer, "lines", &[line]).expect("appended");
    let mut told = String::new();
    for _ in 0..400 {
        told = rest(ask(&address, "/readyz", &reader));
        if told.contains("confidential") {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(told.starts_with("HTTP/1.1 503") && told.contains("confidential"), "{told}");
    for stranger in ["", "wrong"] {
        let told = rest(ask(&address, "/readyz", stranger));
        assert!(told.starts_with("HTTP/1.1 503"), "{told}");
        let body = told.split("\r\n\r\n").nth(1).expect("a body");
        let body: Value = serde_json::from_str(body).expect("JSON");
        let detail = body["detail"].as_str().expect("a detail");
        assert!(detail.starts_with("who may read is told why"), "{told}");
        assert!(!told.contains("fails") && !told.contains("confidential"), "{told}");
    }
    servers.stop();
}

/// The statuses of first requests of these producers, sent at once over one connection.
fn introduced(address: &str, token: &str, producers: std::ops::Range<u32>) -> Vec<String> {
    let body = "{\"text\":\"x\"}";
    let request = |number| {
        let path = format!("/v1/streams/lines?producer={number}&sequence=0");
        let ends = if number + 1 == producers.end { "connection: close\r\n" } else { "" };
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
             content-type: application/x-ndjson\r\ncontent-length: {}\r\n{ends}\r\n{body}",
            body.len()
        )
    };
    let requests: Vec<_> = producers.clone().map(request).collect();
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE * 3)).expect("a socket");
    stream.write_all(requests.concat().as_bytes()).expect("sent");
    let told = rest(stream);
    told.split("HTTP/1.1 ").skip(1).map(str::to_owned).collect()
}

/// One credential cannot take all the places that the log has for producers.
#[test]
fn a_token_introduces_so_many_producers_and_no_more() {
    const EACH: u32 = 100;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("credentials.toml");
    let many = token_for("append", "many", &file);
    let other = token_for("append", "other", &file);
    let server = served(folder.path(), &file, &[]);
    let address = server.url("").trim_start_matches("http://").to_owned();
    std::thread::scope(|threads| {
        for first in (0..NEW_PRODUCERS_MAX).step_by(EACH as usize) {
            let (address, many) = (&address, &many);
            threads.spawn(move || {
                let told = introduced(address, many, first..first + EACH);
                assert_eq!(told.len(), EACH as usize);
                let refused = told.iter().find(|answer| !answer.starts_with("200"));
                assert_eq!(refused, None);
            });
        }
    });
    let next = NEW_PRODUCERS_MAX..NEW_PRODUCERS_MAX + 1;
    let refused = introduced(&address, &many, next.clone()).remove(0);
    let told = refused.to_lowercase();
    assert!(told.starts_with("429") && told.contains("retry-after") && told.contains("producers"));
    // Who was introduced goes on: this is a repeat.
    let repeat = introduced(&address, &many, 0..1).remove(0);
    assert!(repeat.starts_with("200") && repeat.contains("\"repeated\":true"), "{repeat}");
    assert!(introduced(&address, &other, next).remove(0).starts_with("200"));
}
