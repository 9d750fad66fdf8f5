//! The index answers like a list of all updates, whatever is published, merged and replaced.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use diptych::row::{ByteRange, RowSchema};
use diptych::serving::{
    Change, Cursor, Digest, Filling, Index, IndexOptions, Page, Publish, Read, Row, Snapshot,
    StoredBase, StoredView, ViewBatch, ViewInfo, shard_of,
};
use proptest::prelude::*;

const VIEWS: usize = 2;
const PATIENCE: Duration = Duration::from_secs(20);

/// The naive twin: every update ever made.
#[derive(Clone, Default)]
struct Model {
    updates: Vec<(usize, Vec<u8>, Vec<u8>, u64, isize)>,
}

impl Model {
    fn rows(&self, view: usize, at: u64) -> BTreeMap<(Vec<u8>, Vec<u8>), isize> {
        let mut rows = BTreeMap::new();
        for (v, key, value, time, diff) in &self.updates {
            if *v == view && *time <= at {
                *rows.entry((key.clone(), value.clone())).or_default() += diff;
            }
        }
        rows.retain(|_, times| *times != 0);
        rows
    }

    fn changes(&self, view: usize, from: u64, upper: u64) -> Vec<Change> {
        let mut sums: BTreeMap<(u64, Vec<u8>, Vec<u8>), isize> = BTreeMap::new();
        for (v, key, value, time, diff) in &self.updates {
            if *v == view && (from..upper).contains(time) {
                *sums.entry((*time, key.clone(), value.clone())).or_default() += diff;
            }
        }
        let changes = sums.into_iter().filter(|(_, diff)| *diff != 0);
        changes.map(|((epoch, key, value), diff)| Change { epoch, key, value, diff }).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// One (view, shard) goes on by some epochs, with updates (key, value, epoch offset, diff).
    Publish { list: usize, epochs: u64, updates: Vec<(u16, u8, u64, isize)> },
    /// Waits for background merges.
    Settle,
    /// Recomputes everything below the frontier, less some epochs, and puts it in place: in memory,
    /// or as rows that are read from files.
    Replace { back: u64, stored: bool },
    /// Reads at an epoch this far below the frontier.
    Read { back: u64, low: u16, high: u16 },
    /// Reads changes from this far below the frontier.
    Changes { back: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let update = (0u16..300, 0u8..3, 0u64..3, prop_oneof![Just(1isize), Just(1), Just(-1)]);
    let few = prop::collection::vec(update.clone(), 0..6);
    let many = prop::collection::vec(update, 80..200);
    let updates = prop_oneof![6 => few, 1 => many];
    prop_oneof![
        12 => (0usize..6, 1u64..4, updates)
            .prop_map(|(list, epochs, updates)| Step::Publish { list, epochs, updates }),
        1 => Just(Step::Settle),
        2 => (0u64..4, any::<bool>()).prop_map(|(back, stored)| Step::Replace { back, stored }),
        3 => (0u64..8, 0u16..300, 0u16..300)
            .prop_map(|(back, low, high)| Step::Read { back, low, high }),
        1 => (0u64..12).prop_map(|back| Step::Changes { back }),
    ]
}

/// Keys of two lengths; the short ones are prefixes of some long ones.
fn key(number: u16) -> Vec<u8> {
    if number.is_multiple_of(7) { vec![(number / 7) as u8] } else { number.to_be_bytes().to_vec() }
}

fn check_snapshot(snapshot: &Snapshot, model: &Model, low: &[u8], high: &[u8]) {
    for view in 0..VIEWS {
        let Some(at) = snapshot.epoch() else {
            assert_eq!(snapshot.scan(view).count(), 0);
            continue;
        };
        let expected = model.rows(view, at);
        let row = |((key, value), times): (&(Vec<u8>, Vec<u8>), &isize)| Row {
            key: key.clone(),
            value: value.clone(),
            multiplicity: *times,
        };
        let all: Vec<Row> = snapshot.scan(view).map(Result::unwrap).collect();
        assert_eq!(all, expected.iter().map(row).collect::<Vec<_>>(), "scan at {at}");

        let range = ByteRange::between(low.to_vec()..high.to_vec());
        let inside = |range: &ByteRange| -> Vec<Row> {
            expected.iter().filter(|((key, _), _)| range.contains(key)).map(row).collect()
        };
        let ranged: Vec<Row> = snapshot.range(view, range.clone()).map(Result::unwrap).collect();
        assert_eq!(ranged, inside(&range), "range at {at}");
        let prefixed: Vec<Row> = snapshot.prefix(view, &low[..1]).map(Result::unwrap).collect();
        assert_eq!(prefixed, inside(&ByteRange::prefix(&low[..1])), "prefix at {at}");

        let mut paged = Vec::new();
        let mut cursor = None;
        loop {
            let page = snapshot.page(view, &range, cursor.as_ref(), 3).unwrap();
            assert!(page.rows.len() <= 3);
            paged.extend(page.rows);
            let Some(next) = page.next else { break };
            cursor = Some(Cursor::from_bytes(&next.to_bytes()).unwrap());
        }
        assert_eq!(paged, ranged, "pages at {at}");

        let keys: Vec<Vec<u8>> = (0..300).rev().step_by(11).map(key).collect();
        let many = snapshot.multi_get(view, &keys).unwrap();
        for (key, values) in keys.iter().zip(many) {
            assert_eq!(values, snapshot.get(view, key).unwrap());
            let of_key = expected.iter().filter(|((k, _), _)| k == key);
            let expected: Vec<_> = of_key.map(|((_, v), times)| (v.clone(), *times)).collect();
            assert_eq!(values, expected, "key {key:?} at {at}");
        }
    }
}

/// A stored view whose rows are in a map.
struct SortedRows(BTreeMap<(Vec<u8>, Vec<u8>), isize>);

impl StoredView for SortedRows {
    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8], isize)) -> diptych::Result<()> {
        let of_key = self.0.iter().filter(|((one, _), _)| one == key);
        of_key.for_each(|((_, value), times)| visit(value, *times));
        Ok(())
    }

    fn page(
        &self,
        range: &ByteRange,
        behind: Option<&Cursor>,
        limit: usize,
    ) -> diptych::Result<Page> {
        let mut filling = Filling::new(behind, limit);
        for ((key, value), times) in &self.0 {
            if !range.contains(key) || behind.is_some_and(|cursor| cursor.is_behind(key, value)) {
                continue;
            }
            if filling.is_full() {
                return filling.end(true);
            }
            filling.push(key, value, *times)?;
        }
        filling.end(false)
    }

    fn rows(&self) -> u64 {
        self.0.len() as u64
    }

    fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        self.0.iter().for_each(|((key, value), times)| digest.add(key, value, *times));
        digest
    }
}

struct Run {
    index: Index,
    shards: usize,
    history: u64,
    model: Model,
    uppers: Vec<u64>,
    frontier: u64,
}

impl Run {
    fn new(shards: usize, history: u64, recent: usize) -> Self {
        Run::bounded(shards, history, recent, IndexOptions::default().history_bytes)
    }

    fn bounded(shards: usize, history: u64, recent: usize, history_bytes: usize) -> Self {
        let view = |name: &str| ViewInfo { name: name.into(), schema: RowSchema::default() };
        let options = IndexOptions {
            history_epochs: history,
            history_bytes,
            recent_updates: recent,
            recent_bytes: recent.saturating_mul(200),
            ..IndexOptions::default()
        };
        let index = Index::new("1", vec![view("a"), view("b")], shards, options).unwrap();
        let uppers = vec![0; VIEWS * shards];
        Run { index, shards, history, model: Model::default(), uppers, frontier: 0 }
    }

    fn publish(&mut self, list: usize, epochs: u64, updates: &[(u16, u8, u64, isize)]) {
        let list = list % self.uppers.len();
        let (view, shard) = (list / self.shards, list % self.shards);
        let lower = self.uppers[list];
        let mut batch = Vec::new();
        for (number, value, offset, diff) in updates {
            let (key, time) = (key(*number), lower + offset % epochs);
            if shard_of(&key, self.shards) == shard {
                self.model.updates.push((view, key.clone(), vec![*value], time, *diff));
                batch.push(((key, vec![*value]), time, *diff));
            }
        }
        self.uppers[list] += epochs;
        self.index.publish(view, shard, ViewBatch::from_updates(lower, lower + epochs, batch));
        let least = self.uppers.iter().copied().min().unwrap();
        assert_eq!(self.index.frontier(), least);
        assert!(least >= self.frontier);
        self.frontier = least;
    }

    fn base(&self, at: u64) -> Vec<(usize, usize, ViewBatch)> {
        let mut base = Vec::new();
        for view in 0..VIEWS {
            let rows = self.model.rows(view, at - 1);
            for shard in 0..self.shards {
                let mine = rows.iter().filter(|((k, _), _)| shard_of(k, self.shards) == shard);
                let updates = mine.map(|(row, times)| (row.clone(), at - 1, *times)).collect();
                base.push((view, shard, ViewBatch::from_updates(0, at, updates)));
            }
        }
        base
    }

    fn stored_base(&self, at: u64) -> StoredBase {
        let view = |view| {
            let rows = SortedRows(self.model.rows(view, at - 1));
            let mut digest = Digest::default();
            rows.0.iter().for_each(|((key, value), times)| digest.add(key, value, *times));
            (Arc::new(rows) as Arc<dyn StoredView>, digest)
        };
        (0..VIEWS).map(view).collect()
    }

    fn replace(&mut self, back: u64, stored: bool) {
        let Some(at) = self.frontier.checked_sub(back).filter(|at| *at > 0) else { return };
        let since = self.index.since();
        let Ok(pin) = self.index.pin(at) else {
            assert!(at - 1 < self.index.since(), "a pin at {at} above since {since} is refused");
            return;
        };
        let mut wrong = self.base(at);
        let extra = vec![((b"never".to_vec(), vec![]), at - 1, 1)];
        wrong[0].2 = ViewBatch::from_updates(0, at, extra);
        assert!(self.index.replace_base(&pin, wrong).unwrap_err().is_damaged());
        if stored {
            let mut wrong = self.stored_base(at);
            wrong[1].1.add(b"never", b"", 1);
            assert!(self.index.replace_stored_base(&pin, wrong).unwrap_err().is_damaged());
            self.index.replace_stored_base(&pin, self.stored_base(at)).unwrap();
        } else {
            self.index.replace_base(&pin, self.base(at)).unwrap();
        }
        assert_eq!(self.index.is_stored(), stored);
        assert!(self.index.since() >= at - 1 && self.index.boundary() >= at);
    }

    fn read(&self, back: u64, low: u16, high: u16) {
        let (low, high) = (key(low.min(high)), key(low.max(high)));
        let latest = self.index.snapshot(Read::Latest).unwrap();
        check_snapshot(&latest, &self.model, &low, &high);
        let Some(at) = self.frontier.checked_sub(back + 1) else { return };
        match latest.at(at) {
            Ok(snapshot) => check_snapshot(&snapshot, &self.model, &low, &high),
            Err(error) => assert!(at < latest.since() && error.is_missing(), "{error}"),
        }
        match self.index.snapshot(Read::AsOf(at)) {
            Ok(snapshot) => check_snapshot(&snapshot, &self.model, &low, &high),
            Err(error) => {
                assert!(at < self.index.since() && error.is_missing(), "{error}");
                let history = self.history;
                assert!(self.index.since() < self.frontier.max(1), "since with {history} epochs");
            }
        }
    }

    /// The difference of two snapshots is the sum of the changes between them.
    fn difference(&self, back: u64) {
        let latest = self.index.snapshot(Read::Latest).unwrap();
        let at = self.frontier.saturating_sub(back + 1).max(latest.since());
        let Ok(older) = latest.at(at) else { return };
        let mut expected = self.model.rows(0, self.frontier - 1);
        for (row, times) in self.model.rows(0, at) {
            *expected.entry(row).or_default() -= times;
        }
        expected.retain(|_, times| *times != 0);
        let rows = older.difference(0, &latest, 0).map(|row| {
            let row = row.unwrap();
            ((row.key, row.value), row.multiplicity)
        });
        let rows: Vec<_> = rows.collect();
        assert!(rows.iter().cloned().eq(expected), "from {at} to the last");
        if let Some(((key, value), _)) = rows.first().cloned() {
            let cursor = Cursor::after(key, value);
            let rest = older.difference_behind(0, &latest, 0, Some(&cursor));
            let rest = rest.map(|row| row.map(|row| ((row.key, row.value), row.multiplicity)));
            assert!(rest.map(Result::unwrap).eq(rows[1..].iter().cloned()), "behind the first");
        }
    }

    fn changes(&self, back: u64) {
        let from = self.frontier.saturating_sub(back);
        for view in 0..VIEWS {
            let Ok(mut changes) = self.index.changes(view, from) else {
                assert!(from <= self.index.since());
                continue;
            };
            let mut all = Vec::new();
            let end = loop {
                match changes.next(Duration::ZERO) {
                    Ok(Some(some)) => all.extend(some),
                    end => break end,
                }
            };
            if let Err(error) = end {
                // A merge moved `since` past the subscriber after it had begun.
                assert!(error.is_missing() && changes.token().epoch <= self.index.since());
                continue;
            }
            assert_eq!(all, self.model.changes(view, from, self.frontier), "from {from}");
            assert_eq!(changes.token().epoch, self.frontier.max(from));
            self.parts(view, from, all);
        }
    }

    /// Parts of any size are the same changes, and only whole epochs move the token.
    fn parts(&self, view: usize, from: u64, expected: Vec<Change>) {
        for max in [1, 3, 1_000] {
            let Ok(mut changes) = self.index.changes(view, from) else { continue };
            let (mut all, mut whole) = (Vec::new(), 0);
            let end = loop {
                match changes.part(max) {
                    Ok(Some(part)) => {
                        let token = changes.token().epoch;
                        assert!(part.changes.len() <= max.max(1), "{max}: {part:?}");
                        assert!(part.changes.iter().all(|c| (c.epoch < token) == part.complete));
                        all.extend(part.changes);
                        whole = if part.complete { all.len() } else { whole };
                    }
                    end => break end,
                }
            };
            if end.is_ok() {
                assert_eq!((whole, &all), (expected.len(), &expected), "from {from}, max {max}");
                assert_eq!(changes.token().epoch, self.frontier.max(from));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn answers_like_the_list_of_all_updates(
        shards in 1usize..4,
        history in prop_oneof![1u64..4, Just(10_000)],
        recent in prop_oneof![Just(0), 1usize..50, Just(100_000)],
        bytes in prop_oneof![Just(0), 1usize..2_000, Just(64 << 20)],
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut run = Run::bounded(shards, history, recent, bytes);
        for step in steps {
            match step {
                Step::Publish { list, epochs, updates } => run.publish(list, epochs, &updates),
                Step::Settle => prop_assert!(run.index.settle(PATIENCE)),
                Step::Replace { back, stored } => run.replace(back, stored),
                Step::Read { back, low, high } => run.read(back, low, high),
                Step::Changes { back } => {
                    run.changes(back);
                    run.difference(back);
                }
            }
        }
        run.read(0, 0, 299);
        prop_assert!(run.index.settle(PATIENCE));
        run.read(1, 50, 120);
        run.changes(5);
    }
}

#[test]
fn many_epochs_are_few_batches() {
    let mut run = Run::new(2, 100, 1_000);
    for epoch in 0..2_000u64 {
        for list in 0..run.uppers.len() {
            run.publish(list, 1, &[((epoch * 7 % 300) as u16, (epoch % 3) as u8, 0, 1)]);
        }
    }
    assert!(run.index.settle(PATIENCE));
    let status = run.index.status();
    for (id, view) in status.views.iter().enumerate() {
        assert_eq!(view.rows, run.model.rows(id, 2_000).values().sum::<isize>(), "{view:?}");
        // Sizes at least double from one batch to the next.
        assert!(view.batches <= 2 * 12, "{view:?}");
        assert!(view.updates < 2_000, "history below since is merged: {view:?}");
    }
    assert_eq!((status.upper, status.leases), (2_000, 0));
    assert!(status.since >= 1_800 && status.since < 2_000, "{status:?}");
    run.read(50, 3, 200);
}

/// Keys with a new value at every epoch: read at the end, where all but the last cancel out, and
/// inside of history, where they do not.
#[test]
fn a_key_that_changes_at_every_epoch() {
    let mut run = Run::new(2, 200, 1_000);
    for epoch in 0..700u64 {
        for list in 0..run.uppers.len() {
            let mut updates = Vec::new();
            for key in [2, 13, 79, 90] {
                let every = u64::from(key) % 4 + 1;
                if epoch % every == 0 {
                    let value = |epoch: u64| (epoch * 7 % 251) as u8;
                    updates.push((key, value(epoch), 0, 1));
                    if epoch >= every {
                        updates.push((key, value(epoch - every), 0, -1));
                    }
                }
            }
            run.publish(list, 1, &updates);
        }
        if epoch % 50 == 49 {
            for back in [0, 1, 3, 60] {
                run.read(back, 0, 299);
            }
        }
    }
    assert!(run.index.settle(PATIENCE));
    for back in [0, 1, 2, 30, 150, 199] {
        run.read(back, 0, 299);
    }
}
