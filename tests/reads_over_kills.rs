//! Promise 9, across restarts: a client that reads on while the process is killed and started again
//! never sees an epoch before one that it has seen. Each start restores a batch view older than the
//! epochs seen, so that answers from its files would go back.

mod scale;
mod stop;

use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use scale::scaled;
use serde_json::Value;
use stop::Stop;

/// How long any step may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// Answers that are checked between two kills.
const READS_OF_A_LIFE: u64 = 250;

fn diptych(arguments: &[&str], data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diptych"));
    command.args(arguments).arg("--data").arg(data).stdin(Stdio::null());
    command
}

/// A process that serves, with its addresses.
struct Life {
    child: Child,
    http: SocketAddr,
    pg: Option<SocketAddr>,
}

impl Life {
    /// Starts the process; returns as soon as it can be asked.
    fn begin(data: &Path) -> Life {
        let mut arguments = vec!["serve", "word_count", "--listen", "127.0.0.1:0"];
        if cfg!(feature = "sql") {
            arguments.extend(["--pg-listen", "127.0.0.1:0"]);
        }
        let mut command = diptych(&arguments, data);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("standard error")).lines();
        let mut place = |what: &str| -> SocketAddr {
            let begun = Instant::now();
            loop {
                let line = lines.next().expect("it says where").expect("text");
                if let Some(rest) = line.strip_prefix(what) {
                    let address = rest.trim_end_matches('/').trim_start_matches("http://");
                    return address.parse().expect("an address");
                }
                assert!(begun.elapsed() < PATIENCE, "{line}");
            }
        };
        let http = place("HTTP at ");
        let pg = cfg!(feature = "sql").then(|| place("Postgres at "));
        // Nobody reads the rest, and the pipe must not fill up.
        std::thread::spawn(move || lines.for_each(drop));
        Life { child, http, pg }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The state that all clients share.
struct Watch {
    place: Mutex<Option<(SocketAddr, Option<SocketAddr>)>>,
    over: AtomicBool,
    reads: AtomicU64,
    refused: AtomicU64,
}

impl Watch {
    fn place(&self) -> Option<(SocketAddr, Option<SocketAddr>)> {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads on and on; `ask` gives the epoch of an answer, or none when there was no answer.
    fn read(&self, name: &str, ask: impl Fn(SocketAddr, Option<SocketAddr>) -> Option<u64>) -> u64 {
        let (mut last, mut answers) = (0, 0);
        while !self.over.load(Ordering::Acquire) {
            let Some(epoch) = self.place().and_then(|(http, pg)| ask(http, pg)) else {
                self.refused.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            assert!(epoch >= last, "{name}: epoch {epoch} after {last}");
            last = epoch;
            answers += 1;
            self.reads.fetch_add(1, Ordering::Relaxed);
        }
        answers
    }
}

/// An answer, or none when the connection broke.
fn answer(request: ureq::http::Request<String>) -> Option<(u16, Value)> {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .new_agent();
    let mut answer = agent.run(request).ok()?;
    let body = answer.body_mut().read_to_string().ok()?;
    Some((answer.status().as_u16(), serde_json::from_str(&body).ok()?))
}

fn get(http: SocketAddr, path: &str) -> Option<Value> {
    let uri = format!("http://{http}/v1/dataflows/word_count/{path}");
    let request = ureq::http::Request::get(uri).body(String::new()).expect("a request");
    let (status, answer) = answer(request)?;
    assert!(matches!(status, 200 | 503), "{path}: {status} {answer}");
    (status == 200).then_some(answer)
}

fn post(http: SocketAddr, path: &str, kind: &str, body: String) -> Option<(u16, Value)> {
    let request = ureq::http::Request::post(format!("http://{http}/v1/{path}"))
        .header("content-type", kind)
        .header("accept", "application/json");
    answer(request.body(body).expect("a request"))
}

fn append(http: SocketAddr, number: u64) -> Option<u64> {
    let body = format!("{{\"text\":\"word{number} common\"}}");
    let (status, answer) = post(http, "streams/lines", "application/json", body)?;
    (status == 200).then(|| answer["epoch"].as_u64()).flatten()
}

/// The epoch of a statement's answer over HTTP.
fn sql(http: SocketAddr) -> Option<u64> {
    let statement = "select count(*) from counts".to_owned();
    let (status, answer) = post(http, "sql", "text/plain", statement)?;
    assert!(matches!(status, 200 | 503), "{status} {answer}");
    answer["epochs"][0]["epoch"].as_u64()
}

/// The epoch of a statement's answer at the Postgres port, by a minimal client.
fn pg(address: SocketAddr) -> Option<u64> {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let start = b"\0\x03\0\0user\0reader\0\0";
    stream.write_all(&(start.len() as u32 + 4).to_be_bytes()).ok()?;
    stream.write_all(start).ok()?;
    // Rows until the server waits for the next statement; none when it ended or refused.
    let until_ready = |stream: &mut TcpStream| -> Option<Vec<u8>> {
        let mut row = Vec::new();
        loop {
            let mut head = [0; 5];
            stream.read_exact(&mut head).ok()?;
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            let mut body = vec![0; length - 4];
            stream.read_exact(&mut body).ok()?;
            match head[0] {
                b'Z' => return Some(row),
                b'D' => row = body,
                b'E' => return None,
                _ => {}
            }
        }
    };
    until_ready(&mut stream)?;
    let mut last = Vec::new();
    for statement in ["select n from counts where word = 'common'", "show epoch"] {
        stream.write_all(b"Q").ok()?;
        stream.write_all(&(statement.len() as u32 + 5).to_be_bytes()).ok()?;
        stream.write_all(statement.as_bytes()).ok()?;
        stream.write_all(b"\0").ok()?;
        last = until_ready(&mut stream)?;
    }
    // One column: a count of columns, a length, the text `DATAFLOW:VERSION:EPOCH`.
    let text = String::from_utf8(last.get(6..)?.to_vec()).ok()?;
    text.rsplit(':').next()?.parse().ok()
}

fn epoch(answer: Option<Value>) -> Option<u64> {
    answer?["epoch"].as_u64()
}

/// Leaves a log with a batch view.
fn filled(data: &Path) {
    let mut seed = diptych(&["ingest", "word_count"], data);
    let file = data.join("lines.ndjson");
    let lines = (0..2_000).fold(String::new(), |mut lines, n| {
        writeln!(lines, "{{\"text\":\"w{n} common\"}}").expect("a String takes every text");
        lines
    });
    std::fs::write(&file, lines).expect("written");
    let made = seed.arg(&file).output().expect("the binary runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made = diptych(&["batch", "word_count"], data).output().expect("the binary runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn no_client_sees_its_epochs_go_back_over_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    filled(data);
    let watch = Watch {
        place: Mutex::new(None),
        over: AtomicBool::new(false),
        reads: AtomicU64::new(0),
        refused: AtomicU64::new(0),
    };
    let wanted = scaled(2_000, 20_000);
    std::thread::scope(|scope| {
        let clients = [
            scope.spawn(|| {
                watch.read("one key", |http, _| epoch(get(http, "views/counts?key=common")))
            }),
            scope
                .spawn(|| watch.read("a page", |http, _| epoch(get(http, "views/counts?limit=3")))),
            scope.spawn(|| {
                watch.read("at a time", |http, _| {
                    epoch(get(http, "views/counts?limit=1&as_of=2200-01-01T00:00:00Z"))
                })
            }),
            scope.spawn(|| watch.read("all views", |http, _| epoch(get(http, "snapshot?limit=1")))),
        ];
        let questions = cfg!(feature = "sql").then(|| {
            [
                scope.spawn(|| watch.read("SQL", |http, _| sql(http))),
                scope.spawn(|| watch.read("Postgres", |_, address| address.and_then(pg))),
            ]
        });
        scope.spawn(|| {
            let mut number = 0;
            while !watch.over.load(Ordering::Acquire) {
                number += 1;
                // Between two lives nobody answers.
                let _ = watch.place().and_then(|(http, _)| append(http, number));
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        // Also when a client has seen its epochs go back: the others end, and the test fails.
        let stop = Stop(&watch.over);
        let clients: Vec<_> = clients.into_iter().chain(questions.into_iter().flatten()).collect();
        let (mut kills, begun) = (0, Instant::now());
        while watch.reads.load(Ordering::Relaxed) < wanted {
            let life = Life::begin(data);
            *watch.place.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((life.http, life.pg));
            let before = watch.reads.load(Ordering::Relaxed);
            while watch.reads.load(Ordering::Relaxed) < before + READS_OF_A_LIFE
                && !clients.iter().any(std::thread::ScopedJoinHandle::is_finished)
            {
                assert!(begun.elapsed() < 30 * PATIENCE, "nobody is answered");
                std::thread::sleep(Duration::from_millis(1));
            }
            drop(life);
            kills += 1;
            if clients.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
        drop(stop);
        for client in clients {
            let answers = client.join().expect("no epoch went back");
            assert!(answers > 0, "a client was never answered");
        }
        assert!(kills >= wanted / READS_OF_A_LIFE / 2, "{kills} kills");
    });
}
