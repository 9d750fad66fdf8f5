//! A subscription that is cut anywhere goes on from its token, and loses and repeats nothing.

use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::server::Server;
use super::subscriber::Subscriber;

const CUTS: usize = 1_000;
const PATH: &str = "/v1/dataflows/word_count/views/counts/changes";

/// A generator of numbers that are the same in every run.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % bound
    }
}

/// Appends lines until told to stop. Now and then one epoch changes more than an event holds.
fn feed(server: &RwLock<Option<Server>>, stop: &AtomicBool, appended: &AtomicU64) {
    let mut draw = Draw(7);
    while !stop.load(Relaxed) {
        let words = if draw.below(40) == 0 { 1_500 } else { 1 + draw.below(6) };
        let words: Vec<_> = (0..words).map(|_| format!("w{}", draw.below(2_000))).collect();
        let line = format!("{{\"text\":\"{}\"}}", words.join(" "));
        if let Some(server) = &*server.read().expect("a server") {
            // A server that was killed meanwhile may have taken it or not: both are fine here.
            if let Ok(epoch) = server.append("lines", &line) {
                appended.store(epoch, Relaxed);
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_thousand_cuts_and_a_kill_lose_and_repeat_nothing() {
    let data = tempfile::tempdir().expect("a directory");
    let data = data.path().to_str().expect("a path").to_owned();
    let start = || Server::start(&["word_count", "--data", &data, "-w", "2"]);
    let server = RwLock::new(Some(start()));
    let first = server.read().expect("a lock").as_ref().map(|server| {
        let epoch = server.append("lines", "{\"text\":\"w1 w2 w3\"}").expect("an append");
        server.rows("word_count", "counts", &format!("at_least={epoch}"))
    });
    assert_eq!(first.expect("a server").0.len(), 3);
    let (stop, appended) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut subscriber = Subscriber::default();
    let mut draw = Draw(1);
    let url = || server.read().expect("a lock").as_ref().map(|server| server.url(PATH));
    std::thread::scope(|scope| {
        scope.spawn(|| feed(&server, &stop, &appended));
        let mut earlier: Vec<Subscriber> = Vec::new();
        for cut in 0..CUTS {
            if cut == CUTS / 2 {
                // In the middle of whatever the feeder does.
                let url = url().expect("a server");
                let killed = std::thread::scope(|scope| {
                    let reader = scope.spawn(|| subscriber.follow(&url, u64::MAX, |_| false));
                    std::thread::sleep(Duration::from_millis(30));
                    let mut server = server.write().expect("a lock");
                    server.take().expect("a server").kill();
                    *server = Some(start());
                    reader.join()
                });
                killed.expect("a reader that ends with its server");
            }
            if draw.below(20) == 0 {
                earlier.push(subscriber.clone());
            }
            // A token from long ago is as good as the last.
            if draw.below(10) == 0 && !earlier.is_empty() {
                let again = draw.below(earlier.len() as u64) as usize;
                subscriber = earlier[again].clone();
            }
            let url = url().expect("a server");
            let bytes = draw.below(3_000);
            let status = subscriber.follow(&url, bytes, |_| false);
            assert!(status == 200 || status == 0, "cut {cut}: {status}");
        }
        stop.store(true, Relaxed);
    });
    let server = server.into_inner().expect("a lock").expect("a server");
    let last = appended.load(Relaxed);
    let (rows, epoch) = server.rows("word_count", "counts", &format!("at_least={last}"));
    subscriber.follow(&server.url(PATH), u64::MAX, |subscriber| subscriber.upper() > epoch);
    assert_eq!(subscriber.upper(), epoch + 1);
    assert!(
        subscriber.sorted() == rows,
        "{} rows, {} are served",
        subscriber.rows.len(),
        rows.len()
    );
    assert!(epoch > 100 && rows.len() > 500, "{epoch}, {}: too little happened", rows.len());
    for event in ["reset", "snapshot", "change", "part", "epoch", "replay"] {
        assert!(subscriber.seen.contains_key(event), "no {event} in {:?}", subscriber.seen);
    }
    server.stop();
}
