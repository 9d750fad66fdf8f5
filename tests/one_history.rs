//! Promise 23: one history. Names of an epoch outside the process (tokens, page cursors, places of
//! appends, `at_least`, `as_of`) are believed by exactly those logs that have the same epochs up to
//! it, whatever happened to the log in between: backups, copied directories, rolled-back disks,
//! kills, erasures.

mod logs;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dataflows::{Line, word_count};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::io::{RealRandom, SimClock, SimDisk, SimRandom};
use diptych::log::{Chooser, EraseRequest, Reader, Writer, WriterOptions, erase};
use diptych::servers::Site;
use diptych::serving::{Index, IndexOptions, Token};
use diptych::sources::append;
use diptych::system::ServeOptions;
use diptych::time::Epoch;
use diptych::time::{At, Branch, Branches};
use logs::{DIR, one, scaled};
use proptest::prelude::*;

#[path = "serving/connection.rs"]
mod connection;

/// An act on one of several logs.
#[derive(Clone, Debug)]
enum Act {
    /// A writer opens it, appends this many epochs and closes, or is killed after the last sync,
    /// with a torn frame that was never acknowledged.
    Write { log: usize, epochs: u8, killed: bool, seals: bool },
    /// The directory is copied.
    Copy(usize),
    /// A backup is taken and restored beside it.
    Backup(usize),
    /// An earlier state of the disk comes back: that of the log's last copy.
    RollBack(usize),
    /// Events are erased.
    Erase(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let log = 0_usize..8;
    let write = (log.clone(), 0_u8..4, any::<bool>(), any::<bool>());
    let act = prop_oneof![
        6 => write.prop_map(|(log, epochs, killed, seals)| {
            Act::Write { log, epochs, killed, seals }
        }),
        2 => log.clone().prop_map(Act::Copy),
        2 => log.clone().prop_map(Act::Backup),
        1 => log.clone().prop_map(Act::RollBack),
        1 => log.prop_map(Act::Erase),
    ];
    prop::collection::vec(act, 1..24)
}

/// A log, with its contents: a number of its own for each epoch, and for each erasure.
#[derive(Clone)]
struct Log {
    disk: SimDisk,
    epochs: Vec<u64>,
    erased: Vec<u64>,
}

/// A copy of all files, as `cp` makes it.
fn copied(disk: &SimDisk) -> SimDisk {
    let copy = SimDisk::new();
    for (path, bytes) in disk.files() {
        copy.tamper(&path, Some(&bytes));
    }
    copy
}

fn writer(disk: &SimDisk, seed: u64) -> Writer {
    let options = WriterOptions {
        background: false,
        random: Arc::new(SimRandom::new(seed)),
        ..WriterOptions::default()
    };
    // The clock stands still: nothing is told apart by it.
    Writer::open(Arc::new(disk.clone()), Arc::new(SimClock::at(1)), DIR, options).expect("opened")
}

fn erase_all(disk: &SimDisk, seed: u64) -> bool {
    let shared = Arc::new(disk.clone());
    let choose = |_: &_| -> diptych::Result<Option<Chooser>> {
        Ok(Some(Box::new(|rows| Ok(vec![true; rows.num_rows()]))))
    };
    let random = SimRandom::new(seed);
    let ready = &mut || Ok(());
    let request = EraseRequest { stream: "s", reason: "asked", choose: &choose, ready };
    let erased = erase(shared, DIR, &SimClock::at(1), &random, request);
    erased.expect("erased").is_some()
}

/// Leaves the beginning of a frame behind the last one.
fn tear(disk: &SimDisk) {
    let mut frames = disk.files();
    frames.retain(|(path, _)| path.to_string_lossy().ends_with(".frames"));
    let (path, mut bytes) = frames.pop().expect("frames");
    bytes.extend(b"DFRM torn");
    disk.tamper(&path, Some(&bytes));
}

impl Log {
    fn branches(&self) -> (Branches, Epoch) {
        let reader = Reader::open(Arc::new(self.disk.clone()), DIR).expect("a log");
        let upper = reader.upper().expect("read");
        assert_eq!(upper, self.epochs.len() as u64);
        (reader.branches(), upper)
    }

    /// An index whose tokens are of this log.
    fn index(&self) -> Index {
        let options = IndexOptions { branches: self.branches().0, ..IndexOptions::default() };
        Index::new("v", Vec::new(), 1, options).expect("an index")
    }
}

/// Applies the act to one of the logs; `fresh` is a number that was never used before.
fn act(logs: &mut Vec<Log>, past: &mut BTreeMap<usize, Log>, act: &Act, fresh: &mut u64) {
    let mut next = || {
        *fresh += 1;
        *fresh
    };
    match act {
        Act::Write { log, epochs, killed, seals } => {
            let at = log % logs.len();
            let log = &mut logs[at];
            let writer = writer(&log.disk, next());
            for _ in 0..*epochs {
                let number = next();
                writer.append(one("s", 1)).expect("queued").wait().expect("appended");
                log.epochs.push(number);
            }
            if *seals {
                writer.seal().expect("sealed");
            }
            // A crash keeps the files as they are at any moment; the mark may be older.
            let files = copied(&log.disk);
            writer.close().expect("closed");
            if *killed {
                log.disk = files;
                tear(&log.disk);
            }
        }
        Act::Copy(log) | Act::Backup(log) if logs.len() < 6 => {
            let at = log % logs.len();
            let mut log = logs[at].clone();
            if matches!(act, Act::Copy(_)) {
                log.disk = copied(&log.disk);
                past.insert(at, Log { disk: copied(&log.disk), ..log.clone() });
            } else {
                let reader = Reader::open(Arc::new(log.disk.clone()), DIR).expect("a log");
                let (to, random) = (SimDisk::new(), SimRandom::new(next()));
                reader.copy_to(Arc::new(to.clone()), Path::new(DIR), &random).expect("copied");
                log.disk = to;
            }
            logs.push(log);
        }
        Act::Copy(_) | Act::Backup(_) => {}
        Act::RollBack(log) => {
            let at = log % logs.len();
            if let Some(before) = past.get(&at) {
                logs[at] = Log { disk: copied(&before.disk), ..before.clone() };
            }
        }
        Act::Erase(log) => {
            let at = log % logs.len();
            let number = next();
            if erase_all(&logs[at].disk, number) {
                logs[at].erased.push(number);
            }
        }
    }
}

/// Checks that every token and place that any of the logs ever gave is believed where all epochs up
/// to it are the same, and refused elsewhere.
fn check(acts: &[Act]) -> Result<(), TestCaseError> {
    let disk = SimDisk::new();
    writer(&disk, 0).close().expect("closed");
    let mut logs = vec![Log { disk, epochs: Vec::new(), erased: Vec::new() }];
    let (mut past, mut fresh) = (BTreeMap::new(), 1);
    let mut given: Vec<(Token, At, Log)> = Vec::new();
    for one in acts {
        act(&mut logs, &mut past, one, &mut fresh);
        for log in &logs {
            let (branches, upper) = log.branches();
            if let Some(last) = upper.checked_sub(1) {
                given.push((log.index().token(upper), branches.at(last), log.clone()));
            }
        }
        for log in &logs {
            let (index, branches) = (log.index(), log.branches().0);
            for (token, at, of) in &given {
                let seen = token.epoch as usize;
                let same =
                    of.erased == log.erased && log.epochs.get(..seen) == of.epochs.get(..seen);
                let told = token.to_string().parse::<Token>().expect("a token");
                let refusal = index.refusal(&told);
                prop_assert_eq!(refusal.is_none(), same, "{} {:?} {:?}", told, refusal, one);
                prop_assert_eq!(branches.objection(*at).is_none(), same, "{}", at);
                let without = Token { branch: None, ..told };
                prop_assert!(index.refusal(&without).is_some(), "{without} is believed");
            }
        }
    }
    Ok(())
}

#[test]
fn what_names_an_epoch_is_believed_where_all_up_to_it_is_the_same() {
    let config = ProptestConfig::with_cases(scaled(200, 5_000) as u32);
    proptest!(config, |(acts in acts())| check(&acts)?);
}

/// Two directories that were one are written on at the same microsecond with the same events.
#[test]
fn two_copies_that_append_the_same_have_parted_all_the_same() {
    let one_log = SimDisk::new();
    let open = |disk: &SimDisk| {
        let random = Arc::new(RealRandom);
        let options = WriterOptions { random, ..WriterOptions::default() };
        Writer::open(Arc::new(disk.clone()), Arc::new(SimClock::at(1)), DIR, options).expect("open")
    };
    open(&one_log).append(one("s", 1)).expect("queued").wait().expect("appended");
    let other = copied(&one_log);
    let places = [&one_log, &other].map(|disk| {
        let writer = open(disk);
        let ack = writer.append(one("s", 2)).expect("queued").wait().expect("appended");
        (writer.branches().at(0), writer.branches().at(ack.epoch))
    });
    assert_eq!(places[0].0, places[1].0, "they share the first epoch");
    assert!(places[0].1.branch != places[1].1.branch, "{places:?}");
    assert_eq!(places[0].1.epoch, places[1].1.epoch);
}

/// A reader that is open while writers come and go knows each of them.
#[test]
fn a_reader_that_stays_learns_of_every_writer() {
    let disk = SimDisk::new();
    writer(&disk, 1).tick().expect("sealed");
    let reader = Reader::open(Arc::new(disk.clone()), DIR).expect("a log");
    let branches = reader.branches();
    for seed in 2..40 {
        let writer = writer(&disk, seed);
        writer.tick().expect("sealed");
        if seed % 3 == 0 {
            writer.seal().expect("sealed");
        }
        let upper = reader.upper().expect("read");
        assert_eq!(branches.before(upper), writer.branches().before(upper), "{seed}");
        assert_eq!(branches.of(0), writer.branches().of(0));
    }
}

fn flow() -> Definition {
    Definition::new("word_count", word_count)
}

fn words(system: &System, words: &[&str]) {
    let writer = system.writer().expect("a writer");
    for word in words {
        append(&writer, "lines", &[Line { text: (*word).to_owned() }]).expect("appended");
    }
    writer.close().expect("closed");
}

/// Serves the directory while `ask` sends requests to its address.
fn serving(system: &System, ask: impl FnOnce(std::net::SocketAddr)) {
    let writer = Arc::new(system.writer().expect("a writer"));
    let options = ServeOptions::default().writer(&writer);
    let served = system.serve(&[flow()], options).expect("served");
    let last = writer.upper().checked_sub(1).expect("epochs");
    served.wait_beyond("word_count", last).expect("caught up");
    let site = Site::of(system, &served, &[flow()], Some(Arc::clone(&writer))).expect("a site");
    let listen = Some("127.0.0.1:0".parse().expect("an address"));
    let options =
        diptych::servers::ServersOptions { listen, ..diptych::servers::ServersOptions::default() };
    let servers = diptych::servers::Servers::start(site, &options).expect("servers");
    ask(servers.http().expect("an address"));
    servers.stop();
    served.stop().expect("stopped");
}

const VIEW: &str = "/v1/dataflows/word_count/views/counts";

fn get(address: std::net::SocketAddr, path: &str) -> (u16, serde_json::Value) {
    let mut stream = TcpStream::connect(address).expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let (status, body, _) = connection::ask(&mut stream, &request).expect("an answer");
    (status, serde_json::from_str(&body).expect("JSON"))
}

/// The first `count` named events of a subscription that goes on from `token`: name and id.
fn events(
    address: std::net::SocketAddr,
    token: Option<&str>,
    count: usize,
) -> Vec<(String, String, String)> {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let from = token.map_or(String::new(), |token| format!("last-event-id: {token}\r\n"));
    write!(stream, "GET {VIEW}/changes HTTP/1.1\r\nhost: localhost\r\n{from}\r\n").expect("sent");
    let (mut found, mut event) = (Vec::new(), <(String, String, String)>::default());
    for line in BufReader::new(stream).lines() {
        let line = line.expect("a line");
        if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut event.0);
        } else if let Some(id) = line.strip_prefix("id: ") {
            id.clone_into(&mut event.1);
        } else if let Some(data) = line.strip_prefix("data: ") {
            data.clone_into(&mut event.2);
        } else if line.is_empty() && !event.0.is_empty() {
            found.push(std::mem::take(&mut event));
        }
        if found.len() == count {
            break;
        }
    }
    found
}

/// A subscriber, a reader of pages and a client that appended keep names from a log whose end was
/// lost; the restored log refuses each of them.
#[test]
fn a_restored_backup_believes_nothing_of_the_future_that_was_lost() {
    let place = tempfile::tempdir().expect("a directory");
    let system = System::open(place.path().join("data"));
    words(&system, &["before"]);
    system.backup(&[flow()], &place.path().join("backup")).expect("a backup");
    words(&system, &["lost1", "lost2"]);
    let (mut token, mut early, mut cursor, mut at) = Default::default();
    serving(&system, |address| {
        let seen = events(address, None, 3);
        assert_eq!((&*seen[0].0, &*seen[2].0), ("reset", "epoch"), "{seen:?}");
        token = seen[2].1.clone();
        let (_, page) = get(address, &format!("{VIEW}?limit=1"));
        cursor = page["cursor"].as_str().expect("a cursor").to_owned();
        at = page["at"].as_str().expect("a place").to_owned();
        assert_eq!(page["epoch"], 2);
        let (_, first) = get(address, &format!("{VIEW}?as_of=0"));
        early = first["at"].as_str().expect("a place").to_owned();
        // All of it is good where it is of.
        for path in [format!("?limit=1&cursor={cursor}"), format!("?key=lost1&at_least={at}")] {
            assert_eq!(get(address, &format!("{VIEW}{path}")).0, 200, "{path}");
        }
    });

    // A restored backup is a directory like any other.
    let restored = System::open(place.path().join("backup"));
    words(&restored, &["new1", "new2", "new3"]);
    serving(&restored, |address| {
        let (status, now) = get(address, VIEW);
        assert_eq!((status, now["rows"].as_array().map(Vec::len)), (200, Some(4)), "{now}");
        let told = events(address, Some(&token), 3);
        assert_eq!(told[0].0, "reset", "{told:?}");
        assert!(told[0].2.contains("another history"), "{told:?}");
        assert!(told[1].2.contains("new1") && !told[1].2.contains("lost"), "{told:?}");
        let version = token.split_once('@').expect("a token").0;
        let bare = format!("{version}@3");
        assert_eq!(events(address, Some(&bare), 1)[0].0, "reset", "a token that names no history");
        for path in [
            format!("{VIEW}?limit=1&cursor={cursor}"),
            format!("{VIEW}?key=before&at_least={at}"),
            format!("{VIEW}?as_of={at}"),
            format!("/v1/dataflows/word_count/snapshot?as_of={at}"),
        ] {
            let (status, why) = get(address, &path);
            let detail = why["detail"].as_str().unwrap_or_default();
            assert_eq!(status, 409, "{path}: {why}");
            assert!(detail.contains("another history") && detail.contains('('), "{detail}");
        }
        // What both logs have is believed.
        let (status, first) = get(address, &format!("{VIEW}?as_of={early}"));
        assert_eq!((status, &first["rows"][0]["word"]), (200, &"before".into()), "{first}");
        let (status, _) = get(address, &format!("{VIEW}?key=new3&at_least=3"));
        assert_eq!(status, 200, "a number alone asks this log");
        for (strange, status) in [
            (format!("{VIEW}?as_of={}~{}", u64::MAX, Branch(1)), 409),
            (format!("{VIEW}?at_least={}", u64::MAX), 404),
            (format!("{VIEW}?at_least=3~zz"), 400),
            (format!("{VIEW}/changes?from=v@{}~{}", "9".repeat(30), Branch(1)), 400),
        ] {
            assert_eq!(get(address, &strange).0, status, "{strange}");
        }
    });
}
