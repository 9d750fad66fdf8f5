//! Promise 9: no reader sees two moments at once, and no reader's frontier goes back, while workers
//! publish, merges run, bases are replaced and versions change.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod scale;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diptych::row::{self, ByteRange, RowSchema};
use diptych::serving::{
    Index, IndexOptions, Publish, Read, Serving, ViewBatch, ViewInfo, ViewUpdate, shard_of,
};

const SHARDS: usize = 2;
const ACCOUNTS: u64 = 200;
const TOTAL: i64 = 1_000_000;

/// Transfers between accounts. View 0 holds the balances, whose sum never changes; view 1 holds
/// one row, the number of transfers so far, which is the epoch.
struct Bank {
    balances: Vec<i64>,
    epoch: u64,
    seed: u64,
}

impl Bank {
    fn new() -> Self {
        let mut balances = vec![0; ACCOUNTS as usize];
        balances[0] = TOTAL;
        Bank { balances, epoch: 0, seed: 7 }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.seed >> 33) % below
    }

    /// The updates of the next epoch, of both views.
    fn step(&mut self) -> [Vec<ViewUpdate>; 2] {
        let epoch = self.epoch;
        let mut views = [Vec::new(), Vec::new()];
        let row = |account: usize, balance: i64, diff: isize| {
            ((row::encode(&(account as u64)), row::encode(&balance)), epoch, diff)
        };
        if epoch == 0 {
            let all = self.balances.iter().enumerate();
            views[0] = all.map(|(account, balance)| row(account, *balance, 1)).collect();
        } else {
            let (from, to) = (self.random(ACCOUNTS) as usize, self.random(ACCOUNTS) as usize);
            let amount = self.random(1000) as i64;
            for (account, by) in [(from, -amount), (to, amount)] {
                views[0].push(row(account, self.balances[account], -1));
                self.balances[account] += by;
                views[0].push(row(account, self.balances[account], 1));
            }
            views[1].push(((row::encode(&0u64), row::encode(&(epoch - 1))), epoch, -1));
        }
        views[1].push(((row::encode(&0u64), row::encode(&epoch)), epoch, 1));
        self.epoch += 1;
        views
    }

    /// Publishes the next `epochs` as one batch per view and shard, in an order that differs.
    fn publish(&mut self, index: &Index, epochs: u64) {
        let lower = self.epoch;
        let mut views = [Vec::new(), Vec::new()];
        for _ in 0..epochs {
            for (all, new) in views.iter_mut().zip(self.step()) {
                all.extend(new);
            }
        }
        let mut lists: Vec<(usize, usize)> =
            (0..2).flat_map(|view| (0..SHARDS).map(move |shard| (view, shard))).collect();
        lists.rotate_left(self.random(4) as usize);
        for (view, shard) in lists {
            let mine = |((key, _), _, _): &&ViewUpdate| shard_of(key, SHARDS) == shard;
            let updates = views[view].iter().filter(mine).cloned().collect();
            let batch = ViewBatch::from_updates(lower, self.epoch, updates);
            index.publish(view, shard, batch);
        }
    }
}

fn index(version: &str) -> Index {
    let schema = RowSchema::of::<u64, i64>();
    let view = |name: &str| ViewInfo { name: name.into(), schema: schema.clone() };
    let options = IndexOptions { history_epochs: 20, ..IndexOptions::default() };
    Index::new(version, vec![view("balances"), view("epochs")], SHARDS, options).unwrap()
}

/// Reads both views and checks that they are of one epoch.
fn read_once(serving: &Serving, seen: &mut u64) {
    let snapshot = serving.snapshot(Read::Latest).unwrap();
    let Some(epoch) = snapshot.epoch() else { return };
    assert!(epoch >= *seen, "the frontier went back from {seen} to {epoch}");
    *seen = epoch;
    let mut total = 0;
    for row in snapshot.scan(0) {
        let row = row.unwrap();
        assert_eq!(row.multiplicity, 1, "a balance stated {} times", row.multiplicity);
        total += row::decode::<i64>(&row.value).unwrap();
    }
    assert_eq!(total, TOTAL, "balances at epoch {epoch}");
    let rows = snapshot.get(1, &row::encode(&0u64)).unwrap();
    assert_eq!(rows, [(row::encode(&epoch), 1)], "the other view at epoch {epoch}");
}

/// A base as a recompute would make it, from the index's own answers.
fn recomputed(index: &Index, at: u64) -> Vec<(usize, usize, ViewBatch)> {
    let snapshot = index.snapshot(Read::AsOf(at - 1)).unwrap();
    let mut base = Vec::new();
    for view in 0..2 {
        let mut shards = vec![Vec::new(); SHARDS];
        for row in snapshot.range(view, ByteRange::all()).map(Result::unwrap) {
            let shard = shard_of(&row.key, SHARDS);
            shards[shard].push(((row.key, row.value), at - 1, row.multiplicity));
        }
        for (shard, rows) in shards.into_iter().enumerate() {
            base.push((view, shard, ViewBatch::from_updates(0, at, rows)));
        }
    }
    base
}

#[test]
fn cutovers_under_readers_tear_nothing() {
    let cutovers = scale::scaled(100, 1_000);
    let mut bank = Bank::new();
    let first = index("1");
    bank.publish(&first, 1);
    let serving = Arc::new(Serving::new(first));
    let stop = Arc::new(AtomicBool::new(false));
    let reads = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (serving, stop, reads) = (serving.clone(), stop.clone(), reads.clone());
            std::thread::spawn(move || {
                let mut seen = 0;
                while !stop.load(Ordering::Relaxed) {
                    read_once(&serving, &mut seen);
                    reads.fetch_add(1, Ordering::Relaxed);
                }
                seen
            })
        })
        .collect();
    for cutover in 0..cutovers {
        let current = serving.index();
        let pin = current.pin(current.frontier()).unwrap();
        for epochs in [1, 3, 1, 2, 1] {
            bank.publish(&current, epochs);
        }
        current.replace_base(&pin, recomputed(&current, pin.epoch())).unwrap();
        bank.publish(&current, 2);
        if cutover % 5 == 4 {
            // A new version starts from a base, catches up, and takes the readers over.
            let next = index(&cutover.to_string());
            let frontier = current.frontier();
            next.install_base(frontier, recomputed(&current, frontier)).unwrap();
            publish_history(&next, frontier, &current);
            serving.cutover(next).unwrap();
            assert!(current.is_retired());
        }
    }
    // On a busy machine the readers get their turn too.
    let start = Instant::now();
    while reads.load(Ordering::Relaxed) < 300 && start.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(1));
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.join().unwrap() > 0);
    }
    let mut seen = 0;
    read_once(&serving, &mut seen);
    assert_eq!(seen, bank.epoch - 1, "the last epoch is served");
}

/// Publishes a restored dataflow's rows below its boundary: its base again.
fn publish_history(next: &Index, boundary: u64, current: &Index) {
    for (view, shard, batch) in recomputed(current, boundary) {
        next.publish(view, shard, batch);
    }
    assert!(next.base_checked().unwrap());
}

#[test]
fn a_version_that_is_behind_does_not_take_over() {
    let mut bank = Bank::new();
    let old = index("1");
    bank.publish(&old, 3);
    let serving = Serving::new(old);
    let behind = index("2");
    Bank::new().publish(&behind, 2);
    let error = serving.cutover(behind).unwrap_err();
    assert!(error.is_conflict() && error.to_string().contains("version 2"), "{error}");
    assert_eq!(serving.index().version(), "1");
    assert!(!serving.index().is_retired());
}

#[test]
fn an_expired_lease_is_an_error_and_frees_its_batches() {
    let options =
        IndexOptions { lease_length: Duration::from_millis(50), ..IndexOptions::default() };
    let schema = RowSchema::of::<u64, i64>();
    let views = vec![ViewInfo { name: "balances".into(), schema }];
    let index = Index::new("1", views, 1, options).unwrap();
    let row = (row::encode(&1u64), row::encode(&1i64));
    index.publish(0, 0, ViewBatch::from_updates(0, 1, vec![(row.clone(), 0, 1)]));
    let snapshot = index.snapshot(Read::Latest).unwrap();
    assert_eq!(snapshot.get(0, &row.0).unwrap().len(), 1);
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(25));
        snapshot.renew().unwrap();
    }
    assert_eq!(index.status().leases, 1);
    let start = Instant::now();
    while index.status().leases > 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "the lease never expires");
        std::thread::sleep(Duration::from_millis(10));
    }
    let error = snapshot.get(0, &row.0).unwrap_err();
    assert!(error.is_missing() && error.to_string().contains("expired"), "{error}");
    assert!(snapshot.renew().is_err() && snapshot.scan(0).next().unwrap().is_err());
}

#[test]
fn subscribers_resume_by_token_and_learn_of_a_new_version() {
    let mut bank = Bank::new();
    let old = index("1");
    bank.publish(&old, 10);
    let mut changes = old.changes(1, 0).unwrap();
    let all = changes.next(Duration::ZERO).unwrap().unwrap();
    assert_eq!(all.len(), 19, "one row, then a retraction and a row per epoch");
    assert!(changes.next(Duration::from_millis(1)).unwrap().is_none());
    let token = changes.token();
    assert_eq!(token.to_string(), "1@10");

    let waiting = old.clone();
    let thread = std::thread::spawn(move || {
        let mut changes = waiting.resume(1, &token).unwrap();
        let next = changes.next(Duration::from_mins(1)).unwrap().unwrap();
        (next, changes)
    });
    bank.publish(&old, 1);
    let (next, mut changes) = thread.join().unwrap();
    assert_eq!((next.len(), next[0].epoch), (2, 10));

    let mut again = Bank::new();
    let new = index("2");
    again.publish(&new, 11);
    let serving = Serving::new(old);
    serving.cutover(new.clone()).unwrap();
    let error = changes.next(Duration::from_mins(1)).unwrap_err();
    assert!(error.is_conflict(), "{error}");
    assert!(new.resume(1, &changes.token()).err().unwrap().is_conflict());
}

#[test]
fn who_waits_for_an_epoch_is_answered_by_the_version_that_reaches_it() {
    let mut bank = Bank::new();
    let old = index("1");
    bank.publish(&old, 3);
    let serving = Arc::new(Serving::new(old.clone()));
    let waiting = Arc::clone(&serving);
    let thread = std::thread::spawn(move || {
        let snapshot = waiting.snapshot(Read::AtLeast(5, Duration::from_mins(1))).unwrap();
        (snapshot.version().to_owned(), snapshot.epoch())
    });
    let next = index("2");
    Bank::new().publish(&next, 7);
    serving.cutover(next).unwrap();
    assert_eq!(thread.join().unwrap(), ("2".to_owned(), Some(6)));
    // What the old version still publishes is seen by nobody.
    bank.publish(&old, 4);
    assert_eq!(old.frontier(), 3);
}
