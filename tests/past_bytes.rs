//! The memory that an index keeps for readers of earlier epochs is bounded, and given back.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

#[path = "scale/mod.rs"]
mod scale;

use std::time::{Duration, Instant};

use diptych::row::RowSchema;
use diptych::serving::{
    Index, IndexOptions, Publish, Read, Snapshot, ViewBatch, ViewInfo, ViewStatus,
};

const PATIENCE: Duration = Duration::from_mins(2);
const MIB: usize = 1 << 20;

fn index(options: IndexOptions) -> Index {
    let views = vec![ViewInfo { name: "v".into(), schema: RowSchema::default() }];
    Index::new("1", views, 1, options).unwrap()
}

fn bounded(history_bytes: usize) -> Index {
    let leased_bytes = 2 * history_bytes;
    index(IndexOptions { history_bytes, leased_bytes, ..IndexOptions::default() })
}

fn key(key: u64) -> Vec<u8> {
    key.to_be_bytes().to_vec()
}

fn value(key: u64, epoch: u64) -> Vec<u8> {
    format!("the value of {key:08} at {epoch:08}").into_bytes()
}

/// Publishes the next epoch, in which all `keys` get another value.
fn turn(index: &Index, keys: u64) {
    let epoch = index.frontier();
    let mut updates = Vec::new();
    for number in 0..keys {
        updates.push(((key(number), value(number, epoch)), epoch, 1));
        if epoch > 0 {
            updates.push(((key(number), value(number, epoch - 1)), epoch, -1));
        }
    }
    index.publish(0, 0, ViewBatch::from_updates(epoch, epoch + 1, updates));
}

fn view(index: &Index) -> ViewStatus {
    index.status().views.remove(0)
}

/// Checks that a snapshot answers the values of all keys at its epoch.
fn check(snapshot: &Snapshot, keys: u64) {
    let at = snapshot.epoch().unwrap();
    for number in (0..keys).step_by(97) {
        let expected = vec![(value(number, at), 1)];
        assert_eq!(snapshot.get(0, &key(number)).unwrap(), expected, "key {number} at {at}");
    }
    assert_eq!(snapshot.scan(0).count() as u64, keys, "at {at}");
}

#[test]
fn hot_keys_cost_the_bound_however_many_epochs() {
    // In the long run with the bounds that everybody has.
    let (keys, epochs, index) = if scale::is_long() {
        (5_001, 2_997, index(IndexOptions::default()))
    } else {
        (1_000, 1_000, bounded(4 * MIB))
    };
    let bound = if scale::is_long() { 64 * MIB } else { 4 * MIB };
    let (mut past, mut memory) = (0, 0);
    for _ in 0..epochs {
        turn(&index, keys);
        let view = view(&index);
        (past, memory) = (past.max(view.past_bytes), memory.max(view.memory_bytes));
    }
    assert!(index.settle(PATIENCE));
    let view = view(&index);
    println!("{keys} keys, {epochs} epochs: at most {past} of {memory} bytes, then {view:?}");
    // Merges may be behind while epochs come; when nothing is due, the bound holds.
    assert!(view.past_bytes <= 2 * bound, "{view:?}");
    assert!(view.memory_bytes <= 4 * bound, "{view:?}");
    assert!(view.recent_bytes <= 32 * MIB, "{view:?}");
    // Some epochs are left, and all answer exactly.
    let (since, upper) = (index.since(), index.frontier());
    assert!(since > 0 && since < upper - 5, "[{since}, {upper})");
    for epoch in [since, since + 1, u64::midpoint(since, upper), upper - 1] {
        check(&index.snapshot(Read::AsOf(epoch)).unwrap(), keys);
    }
    let gone = index.snapshot(Read::AsOf(since - 1)).err().unwrap();
    assert!(gone.is_missing(), "{gone}");
}

#[test]
fn rows_that_stay_keep_the_past() {
    let index = bounded(MIB);
    for epoch in 0..200 {
        let rows = (0..1_000).map(|row| ((key(epoch * 1_000 + row), value(row, epoch)), epoch, 1));
        index.publish(0, 0, ViewBatch::from_updates(epoch, epoch + 1, rows.collect()));
    }
    assert!(index.settle(PATIENCE));
    assert_eq!((index.since(), view(&index).past_bytes), (0, 0));
    assert_eq!(index.snapshot(Read::AsOf(0)).unwrap().scan(0).count(), 1_000);
}

/// Nothing else happens after the rows are gone: no further epoch, no restart.
#[test]
fn rows_that_are_retracted_give_their_memory_back() {
    const ROWS: u64 = 100_000;
    for epochs in [1, 50] {
        let index = bounded(MIB);
        let rows = |part: u64, epoch: u64, diff: isize| {
            let rows = (0..ROWS).filter(move |row| row % epochs == part);
            rows.map(move |row| ((key(row), value(row, 0)), epoch, diff))
        };
        let all = (0..epochs).flat_map(|part| rows(part, 0, 1));
        index.publish(0, 0, ViewBatch::from_updates(0, 1, all.collect()));
        assert!(index.settle(PATIENCE));
        let full = view(&index).memory_bytes;
        for part in 0..epochs {
            let gone = rows(part, part + 1, -1).collect();
            index.publish(0, 0, ViewBatch::from_updates(part + 1, part + 2, gone));
        }
        let until = Instant::now() + PATIENCE;
        while view(&index).memory_bytes > 3 * MIB {
            assert!(Instant::now() < until, "{full} bytes, then {:?}", view(&index));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(index.snapshot(Read::Latest).unwrap().scan(0).count(), 0);
    }
}

/// A checkpoint pins an epoch for a cut, but does not hold updates without end.
#[test]
fn a_bounded_pin_is_let_go_and_a_firm_one_is_not() {
    const KEYS: u64 = 500;
    for firm in [false, true] {
        let index = bounded(MIB);
        for _ in 0..10 {
            turn(&index, KEYS);
        }
        let at = index.frontier();
        let rows = (0..KEYS).map(|number| ((key(number), value(number, at - 1)), at - 1, 1));
        let base = vec![(0, 0, ViewBatch::from_updates(0, at, rows.collect()))];
        let pin = if firm { index.pin(at) } else { index.pin_within(at) }.unwrap();
        for _ in 0..200 {
            turn(&index, KEYS);
        }
        assert!(index.settle(PATIENCE));
        let past = view(&index).past_bytes;
        println!("firm: {firm}, since {}, {past} bytes", index.since());
        assert_eq!(pin.is_let_go(), !firm, "since {}", index.since());
        assert_eq!(past > 4 * MIB, firm, "{past} bytes");
        match index.replace_base(&pin, base) {
            Ok(()) => assert_eq!((firm, index.boundary()), (true, at)),
            // It says nothing of what is served.
            Err(error) => assert!(!firm && error.is_missing(), "{error}"),
        }
        check(&index.snapshot(Read::Latest).unwrap(), KEYS);
        drop(pin);
        assert!(index.settle(PATIENCE));
        assert!(view(&index).past_bytes <= 2 * MIB, "{:?}", view(&index));
    }
}

#[test]
fn leases_hold_back_a_bounded_past() {
    const KEYS: u64 = 500;
    let index = bounded(MIB);
    for _ in 0..10 {
        turn(&index, KEYS);
    }
    let held = index.snapshot(Read::Latest).unwrap();
    held.keep().unwrap();
    let at = held.epoch().unwrap();
    let until = Instant::now() + PATIENCE;
    while index.since() <= at {
        assert!(Instant::now() < until, "the lease holds all back: {:?}", index.status());
        turn(&index, KEYS);
        std::thread::sleep(Duration::from_millis(5));
    }
    // It holds its own batches, and answers on.
    check(&held, KEYS);
    assert_eq!(held.epoch().unwrap(), at);
    check(&index.snapshot(Read::Latest).unwrap(), KEYS);
    assert!(index.settle(PATIENCE));
    assert!(view(&index).past_bytes <= 4 * MIB, "{:?}", index.status());
}

/// A reader of the newest epoch is not cut off by the next one, even if the epochs before take more
/// than all history may: so it is after a start that fed many epochs.
#[test]
fn a_snapshot_outlives_the_next_epoch_of_a_hot_index() {
    const KEYS: u64 = 5_000;
    let index = bounded(MIB / 16);
    for _ in 0..20 {
        turn(&index, KEYS);
        let held = index.snapshot(Read::Latest).unwrap();
        turn(&index, KEYS);
        assert!(index.settle(PATIENCE));
        check(&held, KEYS);
    }
}

/// A merge replaces all batches that a reader holds: that ends no lease, however many bytes it
/// takes.
#[test]
fn a_lease_on_many_rows_outlives_a_merge() {
    const KEYS: u64 = 20_000;
    let index = bounded(MIB / 8);
    let rows = |keys: std::ops::Range<u64>, epoch: u64| {
        let row = |number| ((key(number), value(number, 0)), epoch, 1);
        ViewBatch::from_updates(epoch, epoch + 1, keys.map(row).collect())
    };
    index.publish(0, 0, rows(0..KEYS, 0));
    let held = index.snapshot(Read::Latest).unwrap();
    check(&held, KEYS);
    for turn in 1..4 {
        index.publish(0, 0, rows(turn * KEYS..(turn + 1) * KEYS, turn));
    }
    assert!(index.settle(PATIENCE));
    let batches = view(&index).batches;
    assert!(batches < 4, "nothing was merged: {:?}", index.status());
    // Leases are looked at several times meanwhile.
    std::thread::sleep(Duration::from_secs(1));
    check(&held, KEYS);
}

/// History keeps few epochs apart, and an epoch with a place given out stays.
#[test]
fn a_place_outlives_the_stated_history() {
    const KEYS: u64 = 50;
    let options = IndexOptions { history_epochs: 3, ..IndexOptions::default() };
    let index = index(options);
    for _ in 0..10 {
        turn(&index, KEYS);
    }
    index.snapshot(Read::Latest).unwrap().keep_epoch();
    for _ in 0..100 {
        turn(&index, KEYS);
        assert!(index.settle(PATIENCE));
    }
    assert_eq!(index.since(), 9);
    check(&index.snapshot(Read::AsOf(9)).unwrap(), KEYS);
}
