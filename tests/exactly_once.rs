//! Promise 7: a producer that repeats unanswered requests appends everything exactly once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod logs;
#[path = "exactly_once/silent.rs"]
mod silent;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use diptych::io::{Random, SimDisk, SimRandom};
use diptych::log::{Append, Pending, Writer, WriterOptions};
use logs::{content_of, one, open, rows, scaled, steady};

const ROWS: i64 = 25;

/// The log as its clients see it: now and then it dies and comes back.
struct Server {
    /// While it is held for reading, no kill happens.
    now: RwLock<(u64, SimDisk, Arc<Writer>)>,
    options: WriterOptions,
}

impl Server {
    fn kill(&self) {
        let Ok(mut now) = self.now.write() else { return };
        let disk = now.1.kill();
        let writer = Arc::new(open(&disk, self.options.clone()).unwrap());
        *now = (now.0 + 1, disk, writer);
    }

    /// Sends a request; `None` if the reply is lost, as it is when the server dies meanwhile.
    fn send(&self, append: Append, lose_reply: bool) -> Option<diptych::log::Ack> {
        let (generation, writer) = {
            let now = self.now.read().unwrap();
            (now.0, Arc::clone(&now.2))
        };
        let ack = writer.append(append).and_then(Pending::wait);
        let now = self.now.read().unwrap();
        if now.0 != generation || lose_reply {
            return None;
        }
        Some(ack.expect("a live server appends or answers the repeat"))
    }
}

/// Sends `requests` requests in order, each until its reply arrives; some are sent again after.
fn client(server: &Server, id: u64, requests: u64, epochs: &Mutex<HashMap<(u64, u64), u64>>) {
    let random = SimRandom::new(id);
    for sequence in 0..requests {
        let first = (id * requests + sequence) as i64 * ROWS;
        let texts: Vec<_> = (first..first + ROWS).map(|n| (n, "r")).collect();
        let append = Append::rows("s", rows(&texts)).by(format!("client {id}"), sequence);
        let ack = loop {
            let lose = random.below(5) == 0;
            if let Some(ack) = server.send(append.clone(), lose) {
                break ack;
            }
        };
        epochs.lock().unwrap().insert((id, sequence), ack.epoch);
        if random.below(10) == 0
            && let Some(again) = server.send(append, false)
        {
            assert!(again.repeated, "client {id}, sequence {sequence} was appended twice");
            assert_eq!(again.epoch, ack.epoch, "client {id}, sequence {sequence}");
        }
    }
}

/// A count of running clients, lowered when a client ends, also by a panic.
struct Running<'a>(&'a AtomicU64);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn retrying_clients_append_each_record_once() {
    let records = scaled(100_000, 1_000_000);
    let (clients, options) =
        (4, WriterOptions { rotate_bytes: 200_000, ..WriterOptions::default() });
    let requests = records.div_ceil(clients * ROWS as u64);
    let disk = SimDisk::new();
    let writer = Arc::new(open(&disk, options.clone()).unwrap());
    let server = Server { now: RwLock::new((0, disk, writer)), options };
    let epochs = Mutex::new(HashMap::new());
    let running = AtomicU64::new(clients);
    std::thread::scope(|scope| {
        for id in 0..clients {
            let (server, epochs, running) = (&server, &epochs, &running);
            scope.spawn(move || {
                let _running = Running(running);
                client(server, id, requests, epochs);
            });
        }
        while running.load(Ordering::Relaxed) > 0 {
            std::thread::sleep(std::time::Duration::from_millis(3));
            server.kill();
        }
    });
    let kills = server.now.read().unwrap().0;
    let disk = server.now.read().unwrap().1.clone();
    let content = content_of(&disk).unwrap();
    let mut seen = HashMap::new();
    for (epoch, events) in content.iter().enumerate() {
        for (_, number, _) in events {
            assert_eq!(seen.insert(*number, epoch as u64), None, "record {number} is there twice");
        }
    }
    assert_eq!(seen.len() as u64, requests * clients * ROWS as u64, "records are missing");
    for ((id, sequence), epoch) in epochs.lock().unwrap().iter() {
        let first = (id * requests + sequence) as i64 * ROWS;
        assert_eq!(seen[&first], *epoch, "client {id} was told another epoch for {sequence}");
    }
    println!("{} records, {kills} kills, {} epochs", seen.len(), content.len());
    assert!(kills > 10, "{kills} kills: too few to prove anything");
}

#[test]
fn a_gap_is_an_error_and_appends_nothing() {
    let disk = SimDisk::new();
    let writer = open(&disk, steady(1 << 40)).unwrap();
    let send =
        |sequence| writer.append(one("s", sequence as i64).by("p", sequence)).unwrap().wait();
    assert!(send(1).unwrap_err().is_conflict());
    assert!(!send(0).unwrap().repeated);
    let error = send(2).unwrap_err();
    assert!(
        error.is_conflict() && error.to_string().contains("sent sequence 2, 1 is due"),
        "{error}"
    );
    assert_eq!((writer.upper(), writer.next_sequence("p").unwrap()), (1, 1));
    // A refused request of one producer does not hold up the others.
    let gap = writer.append(one("s", 5).by("p", 5)).unwrap();
    let fine = writer.append(one("s", 6).by("q", 0)).unwrap();
    assert!(gap.wait().is_err());
    assert!(!fine.wait().unwrap().repeated);
}

#[test]
fn the_window_outlives_restarts_and_sealing_and_ends_with_an_error() {
    let disk = SimDisk::new();
    let mut writer = open(&disk, steady(20_000)).unwrap();
    let count = 1_200;
    for sequence in 0..count {
        let ack =
            writer.append(one("s", sequence as i64).by("p", sequence)).unwrap().wait().unwrap();
        assert_eq!((ack.epoch, ack.repeated), (sequence, false));
        if sequence % 400 == 399 {
            writer.close().unwrap();
            writer = open(&disk, steady(20_000)).unwrap();
        }
    }
    writer.seal().unwrap();
    let restarted = disk.kill();
    let writer = open(&restarted, steady(20_000)).unwrap();
    let repeat =
        |sequence| writer.append(one("s", sequence as i64).by("p", sequence)).unwrap().wait();
    for sequence in [count - 1000, count - 500, count - 1] {
        let ack = repeat(sequence).unwrap();
        assert_eq!((ack.epoch, ack.repeated), (sequence, true));
    }
    for sequence in [0, count - 1001] {
        let error = repeat(sequence).unwrap_err();
        let text = error.to_string();
        assert!(
            error.is_conflict() && text.contains("only 200 and later are remembered"),
            "{text}"
        );
    }
    assert_eq!(writer.upper(), count, "no repeat was appended");
}

#[test]
fn the_same_request_twice_in_one_epoch_is_one_append() {
    let disk = SimDisk::new();
    let linger = std::time::Duration::from_millis(10);
    let writer = open(&disk, WriterOptions { linger, ..steady(1 << 40) }).unwrap();
    let pending: Vec<_> =
        [0, 0, 1, 0, 1].map(|s| writer.append(one("s", s as i64).by("p", s)).unwrap()).into();
    let acks: Vec<_> = pending.into_iter().map(|pending| pending.wait().unwrap()).collect();
    let firsts: Vec<_> = acks.iter().map(|ack| ack.repeated).collect();
    assert_eq!(firsts, [false, true, false, true, true], "{acks:?}");
    assert_eq!(content_of(&disk).unwrap().concat().len(), 2);
}

#[test]
fn source_offsets_commit_with_their_events() {
    let disk = SimDisk::new();
    let writer = open(&disk, steady(2_000)).unwrap();
    for n in 0..20 {
        let mut append = one("s", n).by("p", n as u64);
        append.offsets.push((format!("topic/{}", n % 3), n.to_string()));
        writer.append(append).unwrap().wait().unwrap();
        // Another request under the number does not move an offset back.
        let mut other = one("s", n).by("p", n as u64);
        other.offsets.push(("topic/0".into(), "stale".into()));
        assert!(writer.append(other).unwrap().wait().unwrap_err().is_conflict());
    }
    let expected = [("topic/0", "18"), ("topic/1", "19"), ("topic/2", "17")];
    let expected = expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    assert_eq!(writer.offsets(), expected);
    let writer = open(&disk.kill(), steady(2_000)).unwrap();
    assert_eq!(writer.offsets(), expected);
}

/// A producer with a counter for each stream, as for the partitions of Kafka: the second request
/// under a number differs from the first, and to treat it as a repeat would lose its events.
#[test]
fn another_request_under_a_number_is_an_error_also_after_a_restart() {
    let mut disk = SimDisk::new();
    let mut writer = open(&disk, steady(3_000)).unwrap();
    let first = |sequence: u64| one("orders", sequence as i64).by("shop", sequence);
    let refused = |writer: &Writer, append: Append| {
        let error = writer.append(append).unwrap().wait().unwrap_err();
        let text = format!("{error:?}");
        assert!(error.is_conflict() && error.exit_code() == 4, "{error}");
        assert!(text.contains("one counter over all streams"), "{text}");
    };
    for sequence in 0..40 {
        assert!(!writer.append(first(sequence)).unwrap().wait().unwrap().repeated);
        for known in [0, sequence / 2, sequence] {
            let n = known as i64;
            refused(&writer, one("customers", n).by("shop", known));
            refused(&writer, one("orders", n + 1).by("shop", known));
            refused(&writer, Append::default().by("shop", known));
            let mut both = first(known);
            both.batches.extend(one("customers", n).batches);
            refused(&writer, both);
            let ack = writer.append(first(known)).unwrap().wait().unwrap();
            assert_eq!((ack.epoch, ack.repeated), (known, true));
        }
        match sequence % 8 {
            3 => {
                disk = disk.kill();
                writer = open(&disk, steady(3_000)).unwrap();
            }
            6 => writer.seal().map(drop).unwrap(),
            _ => {}
        }
    }
    // Each stream may have a producer of its own.
    assert!(
        !writer
            .append(one("customers", 0).by("shop/customers", 0))
            .unwrap()
            .wait()
            .unwrap()
            .repeated
    );
    assert_eq!(writer.upper(), 41);
}
