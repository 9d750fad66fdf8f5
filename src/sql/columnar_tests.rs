//! Tests of columns against rows: for random updates at random epochs both give the same, and the
//! ranges derived from conditions never miss a key.

use arrow_array::ArrayRef;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, col, lit};
use proptest::prelude::*;

use super::access_path::{Access, access};
use super::column_cache::ColumnCache;
use super::columnar_snapshot::Image;
use diptych_row::{self as row, ByteRange, Datum, RowArrays, RowSchema};
use diptych_serving::{
    Index, IndexOptions, Publish, Read, Snapshot, ViewBatch, ViewInfo, ViewUpdate, shard_of,
};

type Key = (u8, Option<String>);
type Value = (i64, Option<bool>);

fn schema() -> RowSchema {
    RowSchema::of::<Key, Value>()
}

/// Rows of arrays as text.
fn shown(arrays: &[ArrayRef], rows: usize) -> Vec<String> {
    let options = FormatOptions::new().with_null("-");
    let show: Vec<_> = arrays
        .iter()
        .map(|array| ArrayFormatter::try_new(array.as_ref(), &options).expect("shown"))
        .collect();
    let row = |at| show.iter().map(|c| c.value(at).to_string()).collect::<Vec<_>>().join("|");
    (0..rows).map(row).collect()
}

/// The naive twin: every row of the range, as often as it is there.
fn by_rows(snapshot: &Snapshot, range: &ByteRange, wanted: &[usize]) -> Vec<String> {
    let mut arrays = RowArrays::new(&schema(), wanted, 0);
    for row in snapshot.range(0, range.clone()) {
        let row = row.expect("a row");
        for _ in 0..row.multiplicity.max(0) {
            arrays.push(&row.key, &row.value).expect("of the schema");
        }
    }
    let rows = arrays.rows();
    let mut shown = shown(&arrays.finish().expect("arrays"), rows);
    shown.sort();
    shown
}

fn by_columns(
    cache: &ColumnCache,
    snapshot: &Snapshot,
    range: &ByteRange,
    wanted: &[usize],
) -> Vec<String> {
    let shards = snapshot.batches(0).expect("a lease");
    let upper = snapshot.upper();
    let ranges = [range.clone()];
    let ranges = (*range != ByteRange::all()).then_some(&ranges[..]);
    let image = Image::of(cache, &shards, upper, ranges, &schema(), wanted).expect("an image");
    let mut all = Vec::new();
    for piece in image.pieces() {
        let mut rest = Some(piece);
        while rest.is_some() {
            let (arrays, rows) = image.arrays(&mut rest, wanted).expect("arrays");
            all.extend(shown(&arrays, rows));
        }
    }
    assert_eq!(all.len(), image.rows(), "the number of rows is known before they are read");
    all.sort();
    all
}

type Updates = Vec<((u8, u8, i8, u8), i8)>;

fn batches(epochs: &[Updates], shards: usize) -> Vec<Vec<Vec<ViewUpdate>>> {
    let mut all = Vec::new();
    for (epoch, updates) in epochs.iter().enumerate() {
        let mut by_shard = vec![Vec::new(); shards];
        for ((a, b, c, d), diff) in updates {
            let text = ["", "a", "a\0b", "z"].get(usize::from(*b)).map(|text| (*text).to_owned());
            let key = row::encode::<Key>(&(*a, text));
            let value = row::encode::<Value>(&(i64::from(*c), [None, Some(true)][usize::from(*d)]));
            let shard = shard_of(&key, shards);
            by_shard[shard].push(((key, value), epoch as u64, isize::from(*diff)));
        }
        all.push(by_shard);
    }
    all
}

fn updates() -> impl Strategy<Value = Updates> {
    let row = (0_u8..40, 0_u8..5, -2_i8..2, 0_u8..2);
    prop::collection::vec((row, prop_oneof![4 => Just(1_i8), 2 => Just(-1), 1 => 2_i8..5]), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn columns_say_what_rows_say(
        epochs in prop::collection::vec(updates(), 1..12),
        shards in 1_usize..3,
        reads in prop::collection::vec((0_usize..12, 0_usize..12, 0_u8..40, 0_u8..40), 1..8),
        settle in any::<bool>(),
        history in 1_u64..12,
    ) {
        let views = vec![ViewInfo { name: "v".into(), schema: schema() }];
        let options = IndexOptions { history_epochs: history, ..IndexOptions::default() };
        let index = Index::new("1", views, shards, options).expect("an index");
        let cache = ColumnCache::default();
        for (epoch, by_shard) in batches(&epochs, shards).into_iter().enumerate() {
            let lower = epoch as u64;
            for (shard, updates) in by_shard.into_iter().enumerate() {
                index.publish(0, shard, ViewBatch::from_updates(lower, lower + 1, updates));
            }
            if settle {
                index.settle(std::time::Duration::from_secs(5));
            }
            for (_, at, low, high) in reads.iter().filter(|(when, ..)| *when == epoch) {
                let snapshot = match index.snapshot(Read::AsOf(*at as u64)) {
                    Ok(snapshot) => snapshot,
                    Err(_) => index.snapshot(Read::Latest).expect("a snapshot"),
                };
                let low = row::encode(low);
                let high = row::encode(high);
                let range = ByteRange::between(&low[..]..&high[..]);
                for (range, wanted) in
                    [(ByteRange::all(), vec![0, 1, 2, 3]), (range, vec![3, 1])]
                {
                    prop_assert_eq!(
                        by_columns(&cache, &snapshot, &range, &wanted),
                        by_rows(&snapshot, &range, &wanted)
                    );
                }
            }
        }
        cache.sweep();
        drop(index);
    }
}

/// A condition on one of the key columns of `(u8, Option<String>)`.
#[derive(Clone, Debug)]
enum Condition {
    Number(u8, u8),
    Numbers(Vec<u8>),
    Text(u8, String),
    Absent,
    Like(String),
}

impl Condition {
    fn expr(&self) -> Expr {
        let number = |n: u8| lit(ScalarValue::UInt8(Some(n)));
        let compare = |op: u8, left: Expr, right: Expr| match op {
            0 => left.eq(right),
            1 => left.lt(right),
            2 => left.lt_eq(right),
            3 => left.gt(right),
            _ => right.lt_eq(left),
        };
        match self {
            Condition::Number(op, n) => compare(*op, col("key_0"), number(*n)),
            Condition::Numbers(some) => {
                col("key_0").in_list(some.iter().map(|n| number(*n)).collect(), false)
            }
            Condition::Text(op, text) => compare(*op, col("key_1"), lit(text.clone())),
            Condition::Absent => col("key_1").is_null(),
            Condition::Like(prefix) => col("key_1").like(lit(format!("{prefix}%"))),
        }
    }

    fn holds(&self, (number, text): &Key) -> bool {
        fn compare<T: Ord>(op: u8, left: &T, right: &T) -> bool {
            match op {
                0 => left == right,
                1 => left < right,
                2 => left <= right,
                3 => left > right,
                _ => left >= right,
            }
        }
        match (self, text) {
            (Condition::Number(op, n), _) => compare(*op, number, n),
            (Condition::Numbers(some), _) => some.contains(number),
            (Condition::Text(op, wanted), Some(text)) => compare(*op, text, wanted),
            (Condition::Like(prefix), Some(text)) => text.starts_with(prefix),
            (Condition::Absent, text) => text.is_none(),
            (_, None) => false,
        }
    }
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        (0_u8..5, 0_u8..6).prop_map(|(op, n)| Condition::Number(op, n)),
        prop::collection::vec(0_u8..6, 0..4).prop_map(Condition::Numbers),
        (0_u8..5, "[ab\0]{0,2}").prop_map(|(op, text)| Condition::Text(op, text)),
        Just(Condition::Absent),
        "[ab]{0,2}".prop_map(Condition::Like),
    ]
}

proptest! {
    #[test]
    fn access_never_misses_a_key(
        conditions in prop::collection::vec(condition(), 0..4),
        keys in prop::collection::vec(
            (0_u8..6, prop::option::of("[ab\0]{0,3}")), 1..40),
    ) {
        let filters: Vec<Expr> = conditions.iter().map(Condition::expr).collect();
        let access = access(&schema(), &filters);
        for key in &keys {
            let bytes = row::encode::<Key>(key);
            let read = match &access {
                Access::Whole => true,
                Access::Keys(keys) => keys.contains(&bytes),
                Access::Ranges(ranges) => ranges.iter().any(|range| range.contains(&bytes)),
            };
            let holds = conditions.iter().all(|condition| condition.holds(key));
            prop_assert!(read || !holds, "{key:?} is not in {access:?}");
        }
    }
}

#[test]
fn conditions_on_all_key_columns_are_keys() {
    let filters =
        [Condition::Numbers(vec![1, 2]).expr(), Condition::Text(0, "a".to_owned()).expr()];
    let encode = |n: u8| {
        schema().encode_key(&[Datum::UInt(n.into()), Datum::String("a".into())]).expect("a key")
    };
    assert_eq!(access(&schema(), &filters), Access::Keys(vec![encode(1), encode(2)]));
    let Access::Ranges(ranges) = access(&schema(), &[Condition::Number(0, 7).expr()]) else {
        panic!("one column of two is a range");
    };
    assert_eq!(ranges, [ByteRange::prefix(&[7])]);
}

#[test]
fn columns_of_dropped_batches_go() {
    let views = vec![ViewInfo { name: "v".into(), schema: schema() }];
    let index = Index::new("1", views, 1, IndexOptions::default()).expect("an index");
    let rows = batches(&[vec![((1, 1, 1, 1), 1)]], 1).remove(0).remove(0);
    index.publish(0, 0, ViewBatch::from_updates(0, 1, rows));
    let cache = ColumnCache::default();
    let snapshot = index.snapshot(Read::Latest).expect("a snapshot");
    assert_eq!(by_columns(&cache, &snapshot, &ByteRange::all(), &[0]), ["1"]);
    assert!(cache.bytes() > 0);
    drop((snapshot, index));
    // The thread that merges may hold the batches for a moment.
    for _ in 0..500 {
        cache.sweep();
        if cache.bytes() == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{} bytes of columns outlive their batches", cache.bytes());
}
