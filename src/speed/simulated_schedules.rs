//! Deterministic schedules for tests: worker threads pass a baton, and a seed picks the worker of
//! the next turn.
//!
//! timely needs no patch for this: a worker only acts inside `step`, and a [`LiveWorker`] only
//! inside `turn`. With the turns chosen by a seed, a run of several workers is reproducible, and
//! hundreds of different interleavings can be compared: the published batches may be cut
//! differently, but the contents may not.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::channel::channel;
use super::worker::{Inbox, LiveLane, LiveWorker};
use super::worker_command::WorkerCommand;
use diptych_base::time::Epoch;
use diptych_dataflow::Definition;
use diptych_engine::{Gather, Lane, StatePlace, history};
use diptych_log::Reader;
use diptych_serving::{Digest, Index, IndexOptions, Publish, Read, ViewBatch};

/// The baton: the right to act, which one worker or the scheduler holds.
#[derive(Default)]
struct Baton {
    state: Mutex<Holder>,
    passed: Condvar,
}

#[derive(Default)]
struct Holder {
    /// The worker whose turn it is; none when it is the scheduler's.
    worker: Option<usize>,
    /// Workers that have had their last turn.
    left: Vec<usize>,
}

impl Baton {
    /// Gives `worker` a turn, unless it has left, and waits for its end. Gives the number of
    /// workers that have left.
    fn grant(&self, worker: usize) -> usize {
        let mut state = self.state.lock().expect("no thread panicked");
        if !state.left.contains(&worker) {
            state.worker = Some(worker);
            self.passed.notify_all();
        }
        while state.worker.is_some() {
            state = self.passed.wait(state).expect("no thread panicked");
        }
        state.left.len()
    }

    /// Runs `action` as the next turn of `worker`.
    fn act<T>(&self, worker: usize, action: impl FnOnce() -> T) -> T {
        let mut state = self.state.lock().expect("no thread panicked");
        while state.worker != Some(worker) {
            state = self.passed.wait(state).expect("no thread panicked");
        }
        let outcome = action();
        state.worker = None;
        self.passed.notify_all();
        outcome
    }

    /// Ends the last turn of `worker`, which takes no more.
    fn leave(&self, worker: usize) {
        let mut state = self.state.lock().expect("no thread panicked");
        while state.worker != Some(worker) {
            state = self.passed.wait(state).expect("no thread panicked");
        }
        state.left.push(worker);
        state.worker = None;
        self.passed.notify_all();
    }
}

/// The trace of one run: every publication in order.
type Trace = Vec<(usize, usize, Epoch, Epoch, usize)>;

/// A publisher that records publications and passes them on.
struct Tracer {
    inner: Gather,
    trace: Arc<Mutex<Trace>>,
}

impl Publish for Tracer {
    fn publish(&self, view: usize, shard: usize, batch: ViewBatch) {
        let lower = batch.lower_epoch();
        let upper = batch.upper_epoch();
        let mut trace = self.trace.lock().expect("no thread panicked");
        trace.push((view, shard, lower, upper, batch.keys()));
        drop(trace);
        self.inner.publish(view, shard, batch);
    }
}

/// A small generator of pseudo-random choices (splitmix64, Steele, Lea and Flood 2014).
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// The outcome of one run of a schedule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RunOutcome {
    trace: Trace,
    /// The digest of each view, per epoch from the boundary on.
    digests: Vec<Vec<Digest>>,
}

/// Runs `definition` on `peers` workers over the whole log, history up to `boundary` fed in place,
/// with turns chosen by `seed`.
pub(super) fn run(
    definition: &Definition,
    reader: &Arc<Reader>,
    boundary: Epoch,
    peers: usize,
    seed: u64,
) -> RunOutcome {
    let described = definition.describe().expect("the dataflow compiles");
    let views = described.views.clone();
    let index = Index::new("1", views, peers, IndexOptions::default()).expect("the index starts");
    let trace = Arc::new(Mutex::new(Trace::new()));
    let tracer = Tracer { inner: Gather::new(index.clone(), boundary), trace: Arc::clone(&trace) };
    let publisher: Arc<dyn Publish> = Arc::new(tracer);
    let upper = reader.upper().expect("the log can be read");

    let baton = Arc::new(Baton::default());
    let streams = described.streams.clone();
    let workers = {
        let baton = Arc::clone(&baton);
        let reader = Arc::clone(reader);
        let definition = definition.clone();
        let index = index.clone();
        timely::execute(timely::Config::process(peers), move |worker| {
            let id = worker.index();
            let streams = &streams;
            let (mut live, _commands) = baton.act(id, || {
                let history =
                    history(&reader, 0..boundary, streams, id, peers).expect("the log is whole");
                let lane = Lane::install(
                    worker,
                    &definition,
                    (peers, &publisher),
                    &StatePlace::Memory,
                    (boundary, history),
                    &Arc::default(),
                );
                let lane = lane.expect("the dataflow compiles");
                let lane = LiveLane::new(lane, Arc::default(), None);
                let (driver, commands) = channel();
                let driver = driver(std::thread::current());
                for epoch in reader.epochs(boundary, upper).expect("the log is whole") {
                    let epoch = Arc::new(epoch.expect("the log is whole"));
                    let bytes = epoch.bytes();
                    assert!(driver.tell(WorkerCommand::Epoch(epoch), bytes), "it has not left");
                }
                let first = id == 0;
                let over = Arc::default();
                let inbox = Inbox::Driver { commands, broadcast: None, first, over };
                (LiveWorker::new(vec![lane], inbox, true), driver)
            });
            while baton.act(id, || {
                live.turn(worker, Duration::ZERO);
                index.frontier() < upper
            }) {}
            baton.act(id, || live.leave(worker));
            baton.leave(id);
        })
        .expect("the workers start")
    };
    let mut choices = Choices(seed);
    while baton.grant(choices.below(peers)) < peers {}
    drop(workers);
    let digests = (boundary.max(1) - 1..upper).map(|epoch| digests(&index, epoch)).collect();
    let trace = trace.lock().expect("no thread panicked").clone();
    RunOutcome { trace, digests }
}

/// The digest of each view at an epoch.
fn digests(index: &Index, epoch: Epoch) -> Vec<Digest> {
    let snapshot = index.snapshot(Read::AsOf(epoch)).expect("the epoch is there");
    let views = 0..index.views().len();
    views.map(|view| snapshot.digest(view).expect("the lease is fresh")).collect()
}

mod tests {
    use super::*;
    use dataflows::{Transfer, Tweet, bank, tweets};
    use diptych_event::{Event, Timestamp};
    use diptych_sources::append;
    use diptych_system::System;

    /// Seeds per run; `DIPTYCH_SEEDS` asks for more.
    fn seeds() -> u64 {
        std::env::var("DIPTYCH_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(250)
    }

    /// A log of `epochs` epochs, some of them empty.
    fn log<E: Event>(stream: &str, epochs: Epoch, event: impl Fn(u64) -> E) -> Arc<Reader> {
        let system = System::in_memory();
        let writer = system.writer().expect("an empty disk takes a log");
        for epoch in 0..epochs {
            let events = (0..(epoch * 7 % 5) * 3).map(|i| event(epoch * 100 + i));
            append(&writer, stream, &events.collect::<Vec<_>>()).expect("memory does not fail");
        }
        system.reader().expect("the log was written")
    }

    /// Runs every seed twice, which must give equal traces; all seeds, and one worker alone, must
    /// give equal contents.
    fn agree(definition: Definition, reader: &Arc<Reader>) {
        let alone = run(&definition, reader, 0, 1, 0).digests;
        let boundary = 6;
        let mut traces = std::collections::BTreeSet::new();
        for seed in 0..seeds() {
            let once = run(&definition, reader, boundary, 3, seed);
            let again = run(&definition, reader, boundary, 3, seed);
            assert_eq!(once, again, "seed {seed} is not reproducible");
            assert_eq!(once.digests, alone[boundary as usize - 1..], "seed {seed} differs");
            traces.insert(once.trace);
        }
        println!("{} seeds, {} different schedules", seeds(), traces.len());
        assert!(traces.len() > seeds() as usize / 10, "the seeds do not change the schedule");
    }

    #[test]
    fn any_interleaving_of_three_workers_gives_the_same_tweets() {
        let tweet = |n: u64| Tweet {
            publish_date: Timestamp::from_seconds((n as i64 * 7919) % 20_000),
            author_id: format!("author {}", n % 5),
            content: format!("#a #b{} and #c{}", n % 3, n % 11),
            account_category: String::new(),
            region: String::new(),
            language: String::new(),
            followers: None,
            following: None,
            updates: None,
            post_type: String::new(),
            retweet: None,
        };
        agree(Definition::new("tweets", tweets), &log("tweets", 14, tweet));
    }

    #[test]
    fn any_interleaving_of_three_workers_gives_the_same_bank() {
        let transfer = |n: u64| Transfer {
            id: n as i64,
            from_account: (n * 31 % 7) as i64,
            to_account: (n * 17 % 9) as i64,
            amount: (n % 13) as i64,
            ts: 0,
        };
        agree(Definition::new("bank", bank), &log("transfers", 14, transfer));
    }
}
