//! A process that starts answers from the files of the newest batch view before it has loaded
//! anything, marks its answers as stale, and moves its readers over when it has caught up; damage
//! is refused by name meanwhile, and no frontier goes back.

#[path = "serving/connection.rs"]
mod connection;

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use connection::ask;
use dataflows::{Line, word_count};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::io::{Disk, Open, SimDisk};
use diptych::log::Writer;
use diptych::servers::{Servers, ServersOptions, Site};
use diptych::serving::{Read, Serving, Snapshot};
use diptych::sources::append;
use diptych::system::{BatchOptions, Cluster, FirstAnswers, ServeOptions};
use diptych::time::Epoch;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_mins(1);
const FLOW: &str = "word_count";

fn flow() -> Definition {
    Definition::new(FLOW, word_count)
}

/// The lines of an epoch.
fn lines(epoch: Epoch) -> Vec<Line> {
    let line =
        |n: u64| Line { text: format!("w{} common e{epoch}", (n * 7 + epoch * 500) % 6_000) };
    (0..500).map(line).collect()
}

/// The counts at an epoch, by a plain program.
fn counts(at: Epoch) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for line in (0..=at).flat_map(lines) {
        for word in line.text.split(' ') {
            *counts.entry(word.to_owned()).or_default() += 1;
        }
    }
    counts
}

fn read(snapshot: &Snapshot) -> BTreeMap<String, i64> {
    let rows = snapshot.rows::<String, i64>("counts").expect("rows");
    rows.into_iter()
        .map(|((word, n), times)| {
            assert_eq!(times, 1);
            (word, n)
        })
        .collect()
}

/// A log of this many epochs, with batch views at some of them.
fn filled(system: &System, epochs: Epoch, boundaries: &[Epoch]) -> Arc<Writer> {
    let writer = Arc::new(system.writer().expect("a writer"));
    for epoch in 0..epochs {
        append(&writer, "lines", &lines(epoch)).expect("appended");
    }
    for boundary in boundaries {
        let (cluster, upto) = (Cluster::local(2), Some(*boundary));
        let options = BatchOptions { cluster, upto, ..BatchOptions::default() };
        system.batch(&flow(), &options).expect("a batch view");
    }
    writer
}

fn first(system: &System, writer: &Writer) -> (FirstAnswers, Arc<Serving>) {
    let options = ServeOptions::default().writer(writer);
    let first = system.first_answers(&[flow()], &options).expect("answers");
    let serving = first.serving(FLOW).expect("it is served");
    (first, serving)
}

/// Records every frontier that readers see, until told to stop; none goes back, and every answer is
/// right at its epoch.
fn watch(serving: &Serving, over: &AtomicBool) -> Vec<Epoch> {
    let mut seen: Vec<Epoch> = Vec::new();
    while !over.load(Ordering::Acquire) {
        let Ok(snapshot) = serving.snapshot(Read::Latest) else { continue };
        let upper = snapshot.upper();
        assert!(seen.last().is_none_or(|last| *last <= upper), "{upper} after {seen:?}");
        if let (Some(last), true) = (upper.checked_sub(1), seen.last() != Some(&upper)) {
            if let Ok(found) = snapshot.lookup::<String, i64>("counts", &"common".to_owned()) {
                assert_eq!(found, [(500 * (last as i64 + 1), 1)]);
            }
            seen.push(upper);
        }
    }
    seen
}

#[test]
fn answers_come_before_the_load_and_stay_right_through_it() {
    let system = System::in_memory();
    let writer = filled(&system, 12, &[3, 8]);
    let (first, serving) = first(&system, &writer);
    // Nothing has been loaded: all modes answer at the end of the batch view.
    let stale = serving.snapshot(Read::Latest).expect("a snapshot");
    assert_eq!((stale.epoch(), stale.boundary(), stale.since()), (Some(7), 8, 7));
    assert!(stale.is_stale() && stale.is_stored());
    assert_eq!(read(&stale), counts(7));
    assert_eq!(read(&serving.snapshot(Read::AsOf(7)).expect("a snapshot")), counts(7));
    let word = counts(7).keys().last().expect("a word").clone();
    let found = stale.lookup::<String, i64>("counts", &word).expect("read");
    assert_eq!(found, [(counts(7)[&word], 1)]);
    for missing in [Read::AsOf(6), Read::AsOf(8)] {
        assert!(serving.snapshot(missing).is_err_and(|error| error.is_missing()), "{missing:?}");
    }
    let late = serving.snapshot(Read::AtLeast(8, Duration::ZERO));
    assert!(late.is_err_and(|error| error.is_timed_out()));
    let mut changes = serving.index().changes(0, 8).expect("what is to come");
    assert!(changes.part(100).expect("nothing yet").is_none());
    // What is appended meanwhile is durable, and seen later.
    append(&writer, "lines", &lines(12)).expect("appended");
    assert_eq!(serving.index().frontier(), 8);

    let over = AtomicBool::new(false);
    let served = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&serving, &over));
        let options = ServeOptions::default().writer(&writer).relieving(&first);
        let served = system.serve(&[flow()], options).expect("served");
        served.wait_beyond(FLOW, 12).expect("caught up");
        append(&writer, "lines", &lines(13)).expect("appended");
        served.wait_beyond(FLOW, 13).expect("visible");
        over.store(true, Ordering::Release);
        let seen = watching.join().expect("no frontier went back");
        assert!(seen.first() >= Some(&8), "{seen:?}");
        served
    });
    let fresh = serving.snapshot(Read::Latest).expect("a snapshot");
    assert!(!fresh.is_stale() && !fresh.is_stored());
    assert_eq!(read(&fresh), counts(13));
    assert_eq!(read(&stale), counts(7), "who held it reads on");
    assert!(changes.is_over(), "its reader goes on with the index that serves");
    assert_eq!(stale.generation(), fresh.generation());
    served.stop().expect("stopped");
}

#[test]
fn without_a_batch_view_there_is_no_answer_yet_and_it_says_so() {
    let system = System::in_memory();
    let writer = filled(&system, 3, &[]);
    let (first, serving) = first(&system, &writer);
    let nothing = serving.snapshot(Read::Latest).expect("a snapshot");
    assert_eq!(nothing.epoch(), None);
    assert!(nothing.is_stale() && read(&nothing).is_empty());
    let options = ServeOptions::default().writer(&writer).relieving(&first);
    let served = system.serve(&[flow()], options).expect("served");
    served.wait_beyond(FLOW, 2).expect("fed");
    assert_eq!(read(&serving.snapshot(Read::Latest).expect("a snapshot")), counts(2));
    assert!(!serving.index().is_stale());
}

/// The largest part of a view of the batch view at a boundary.
fn largest_part(disk: &SimDisk, boundary: Epoch) -> (PathBuf, Vec<u8>) {
    let begins = format!("{boundary:020}.view.");
    let is = |path: &Path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with(&begins))
    };
    let files = disk.files().into_iter().filter(|(path, _)| is(path));
    files.max_by_key(|(_, bytes)| bytes.len()).expect("a part")
}

#[test]
fn a_damaged_block_is_refused_by_name_until_an_older_batch_view_has_caught_up() {
    let disk = SimDisk::new();
    let system = System::with_disk(Arc::new(disk.clone()), "data");
    let writer = filled(&system, 12, &[3, 10]);
    let (path, bytes) = largest_part(&disk, 10);
    assert!(bytes.len() > 33 << 10, "several blocks");
    let at = bytes.len() as u64 / 3;
    let file = disk.open(&path, Open::Write).expect("a file");
    file.write_at(at, &[bytes[at as usize] ^ 64]).expect("written");

    let (first, serving) = first(&system, &writer);
    let stale = serving.snapshot(Read::Latest).expect("a snapshot");
    assert_eq!(stale.epoch(), Some(9));
    let (mut right, mut refused) = (0, 0);
    for (word, n) in counts(9) {
        match stale.lookup::<String, i64>("counts", &word) {
            Ok(found) => {
                assert_eq!(found, [(n, 1)], "{word}");
                right += 1;
            }
            Err(error) => {
                let text = error.to_string();
                assert!(error.is_damaged(), "{text}");
                assert!(text.contains(&path.display().to_string()) && text.contains("byte "));
                refused += 1;
            }
        }
    }
    assert!(right > 0 && refused > 0, "{right} right, {refused} refused");
    assert!(stale.rows::<String, i64>("counts").is_err_and(|error| error.is_damaged()));

    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&serving, &over));
        let options = ServeOptions::default().writer(&writer).relieving(&first);
        let served = system.serve(&[flow()], options).expect("served");
        let named: Vec<_> = served.passed_over().map(ToString::to_string).collect();
        assert!(named.iter().any(|error| error.contains(&path.display().to_string())), "{named:?}");
        served.wait_beyond(FLOW, 11).expect("caught up");
        over.store(true, Ordering::Release);
        let seen = watching.join().expect("no frontier went back");
        assert!(seen.first() >= Some(&10), "{seen:?}");
        assert_eq!(serving.index().boundary(), 3);
        assert_eq!(read(&serving.snapshot(Read::Latest).expect("a snapshot")), counts(11));
    });
}

fn get(servers: &Servers, path: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(servers.http().expect("an address")).expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let (status, body, _) = ask(&mut stream, &request).expect("an answer");
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

/// Checks that a reader who may have seen a later epoch is told to come back, as is one that asks
/// for an epoch that is still to come.
fn who_may_have_seen_more_waits(servers: &Servers, view: &str) {
    for path in [
        format!("{view}?key=common&timeout=20ms"),
        format!("{view}?timeout=20ms"),
        format!("{view}?key=common&key=w0&timeout=20ms"),
        format!("{view}?key=common&at_least=7&timeout=20ms"),
        format!("{view}?as_of=7&timeout=20ms"),
        format!("{view}?as_of=2300-01-01T00:00:00Z&timeout=20ms"),
        "/v1/dataflows/word_count/snapshot?timeout=20ms".to_owned(),
        "/v1/dataflows/word_count/snapshot?format=ndjson&timeout=20ms".to_owned(),
    ] {
        let (status, why) = get(servers, &path);
        assert_eq!(status, 503, "{path}: {why}");
        let detail = why["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("catching up") && detail.contains("stale=ok"), "{path}: {detail}");
    }
}

#[test]
fn over_http_stale_answers_are_for_who_asks_and_say_so() {
    let system = System::in_memory();
    let writer = filled(&system, 9, &[5]);
    let (first, _) = first(&system, &writer);
    let site =
        Site::of_first(&system, &first, &[flow()], Some(Arc::clone(&writer))).expect("a site");
    let listen = Some("127.0.0.1:0".parse().expect("an address"));
    let options = ServersOptions { listen, ..ServersOptions::default() };
    let servers = Servers::start(site, &options).expect("servers");
    let view = "/v1/dataflows/word_count/views/counts";
    let flow_of = |status: &Value| status["dataflows"][0].clone();
    let n = |at: Epoch| counts(at)["common"];
    for path in [
        format!("{view}?key=common&stale=ok"),
        format!("{view}?key=common&key=common&limit=9&stale=ok"),
        format!("{view}?key=common&at_least=4"),
        format!("{view}?key=common&as_of=4"),
    ] {
        let (status, answer) = get(&servers, &path);
        assert_eq!((status, &answer["stale"]), (200, &Value::Bool(true)), "{answer}");
        assert_eq!((&answer["epoch"], &answer["boundary"]), (&4.into(), &5.into()));
        assert_eq!(answer["rows"][0]["n"], n(4));
    }
    let (_, page) = get(&servers, &format!("{view}?limit=5000&stale=ok"));
    assert_eq!(page["rows"].as_array().map(Vec::len), Some(counts(4).len()));
    let (_, all) = get(&servers, "/v1/dataflows/word_count/snapshot?limit=1&stale=ok");
    assert_eq!((&all["stale"], &all["epoch"]), (&Value::Bool(true), &4.into()));
    let (status, said) = get(&servers, "/v1/status");
    let said = flow_of(&said);
    assert_eq!((status, &said["stale"], &said["lag"]), (200, &Value::Bool(true), &4.into()));
    assert_eq!(get(&servers, "/healthz").0, 200);
    let (status, why) = get(&servers, "/readyz");
    assert_eq!(status, 503);
    assert!(
        why["detail"]
            .as_str()
            .is_some_and(|why| why.contains("before its boundary") || why.contains("catching up")),
        "{why}"
    );
    // Older, and not yet.
    let (status, older) = get(&servers, &format!("{view}?key=common&as_of=2"));
    assert_eq!((status, &older["rows"][0]["n"]), (200, &n(2).into()), "{older}");
    assert_eq!(older["stale"], Value::Null);
    who_may_have_seen_more_waits(&servers, view);
    let (status, why) = get(&servers, &format!("{view}?as_of=9"));
    assert_eq!(status, 404, "it is not in the log: {why}");
    assert_eq!(get(&servers, &format!("{view}?stale=ok&as_of=4")).0, 400);

    let options = ServeOptions::default().writer(&writer).relieving(&first);
    let served = system.serve(&[flow()], options).expect("served");
    served.wait_beyond(FLOW, 8).expect("caught up");
    let (_, answer) = get(&servers, &format!("{view}?key=common"));
    assert_eq!((&answer["stale"], &answer["epoch"]), (&Value::Null, &8.into()));
    assert_eq!(answer["rows"][0]["n"], n(8));
    assert_eq!(get(&servers, "/readyz").0, 200);
    let (_, said) = get(&servers, "/v1/status");
    assert_eq!(flow_of(&said)["stale"], Value::Bool(false));
    servers.stop();
}

/// The binary listens before it reports that anything was loaded.
#[test]
fn the_binary_listens_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let system = System::open(folder.path());
    let writer = filled(&system, 6, &[]);
    Arc::into_inner(writer).expect("one holder").close().expect("closed");
    let data = folder.path().to_str().expect("a path");
    // Its version is its own.
    let batch = ["batch", FLOW, "--data", data, "--upto", "4"];
    let made = Command::new(env!("CARGO_BIN_EXE_diptych")).args(batch).output();
    assert!(made.expect("the binary runs").status.success());
    let mut child = Command::new(env!("CARGO_BIN_EXE_diptych"))
        .args(["serve", FLOW, "--data", data, "--listen", "127.0.0.1:0", "--for", "2s"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let stderr = std::io::read_to_string(child.stderr.take().expect("standard error"));
    let (stderr, status) = (stderr.expect("text"), child.wait().expect("an end"));
    assert!(status.success(), "{stderr}");
    let place = |what: &str| stderr.find(what).unwrap_or_else(|| panic!("no {what} in {stderr}"));
    assert!(place("HTTP at ") < place("boundary F = 4"), "{stderr}");
}

/// A disk that panics when a view is mapped.
#[derive(Debug)]
struct Broken(SimDisk, AtomicBool);

impl Disk for Broken {
    fn make_dir(&self, dir: &Path) -> diptych::Result<bool> {
        self.0.make_dir(dir)
    }
    fn open(&self, path: &Path, how: Open) -> diptych::Result<Box<dyn diptych::io::File>> {
        self.0.open(path, how)
    }
    fn map(&self, path: &Path) -> diptych::Result<arrow_buffer::Buffer> {
        let panics = self.1.load(Ordering::Acquire)
            && path.to_string_lossy().contains(".view.")
            && std::thread::current().name() == Some("serving");
        assert!(!panics, "a bug in what loads a base");
        self.0.map(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> diptych::Result<()> {
        self.0.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> diptych::Result<bool> {
        self.0.link(from, to)
    }
    fn remove(&self, path: &Path) -> diptych::Result<()> {
        self.0.remove(path)
    }
    fn list(&self, dir: &Path) -> diptych::Result<Vec<String>> {
        self.0.list(dir)
    }
    fn dirs(&self, dir: &Path) -> diptych::Result<Vec<String>> {
        self.0.dirs(dir)
    }
    fn sync_dir(&self, dir: &Path) -> diptych::Result<()> {
        self.0.sync_dir(dir)
    }
    fn lock(&self, path: &Path) -> diptych::Result<Box<dyn diptych::io::Lock>> {
        self.0.lock(path)
    }
}

/// A worker that waits for a base which never comes would wait for ever, and so would a thread that
/// ends the workers.
#[test]
fn a_panic_while_the_base_is_loaded_leaves_nobody_waiting() {
    let disk = Arc::new(Broken(SimDisk::new(), AtomicBool::new(false)));
    let system = System::with_disk(Arc::clone(&disk) as Arc<dyn Disk>, "data");
    let writer = filled(&system, 6, &[4]);
    disk.1.store(true, Ordering::Release);
    let begun = Instant::now();
    let serve = move || {
        let options = ServeOptions::default().boundary(diptych::system::Boundary::Restore(4));
        drop(system.serve(&[flow()], options.writer(&writer)));
    };
    let thread = std::thread::Builder::new().name("serving".into()).spawn(serve);
    let thread = thread.expect("a thread");
    while !thread.is_finished() {
        assert!(begun.elapsed() < PATIENCE, "somebody waits for ever");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(thread.join().is_err(), "it panicked");
}
