//! Each id once, within a retention: against the most obvious program at every epoch, through
//! restarts and in both layers, with copies that come late, early, and after all others are gone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scale;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use diptych::dataflow::{Definition, Keep, PairsExt};
use diptych::event::Timestamp;
use diptych::serving::Read;
use diptych::sources::append;
use diptych::system::{BatchOptions, Cluster};
use diptych::testing::{Live, Story};
use diptych::{Dataflow, Event, System};
use proptest::prelude::*;
use scale::scaled;

const KEEP: u32 = 20;
const STEP: i64 = 5;
const SECOND: i64 = 1_000_000;

#[derive(Event, Clone, Debug)]
struct Payment {
    id: i64,
    /// Seconds of 1970: far behind any clock, so that no clock limits it.
    at: Timestamp,
    cents: i64,
}

fn once(df: &mut Dataflow) {
    let keep = Keep::seconds(KEEP).step(Duration::from_secs(STEP.unsigned_abs()));
    let kept = df.events::<Payment>("payments").retain(|p| p.at, keep);
    let once = kept.map(|p| (p.id, p.cents)).distinct_by("once", |(id, _)| *id);
    df.view("once", once.clone());
    // What is built on it has to follow.
    df.view("total", once.map(|(_, cents)| ((), cents)).sum_values());
}

/// The least copy that is kept of each id that has one.
fn twin(payments: &[Payment]) -> BTreeMap<i64, i64> {
    let second = |p: &Payment| p.at.micros() / SECOND;
    let Some(newest) = payments.iter().map(second).max() else { return BTreeMap::new() };
    let horizon = (newest - i64::from(KEEP)).div_euclid(STEP) * STEP;
    let mut rows = BTreeMap::new();
    for payment in payments {
        if second(payment) >= horizon {
            let row = rows.entry(payment.id).or_insert(payment.cents);
            *row = payment.cents.min(*row);
        }
    }
    rows
}

/// Epochs seven seconds apart; copies of a few ids lie up to half a minute behind, or a little
/// ahead.
fn epochs() -> impl Strategy<Value = Vec<Vec<Payment>>> {
    let payment = (0_i64..5, prop_oneof![4 => -8_i64..3, 1 => -40_i64..-8], 1_i64..4);
    let epochs = prop::collection::vec(prop::collection::vec(payment, 0..5), 1..12);
    epochs.prop_map(|epochs| {
        let payments = |(now, epoch): (i64, Vec<(i64, i64, i64)>)| {
            let at = move |behind| Timestamp::from_seconds(1_000 + 7 * now + behind);
            epoch.into_iter().map(move |(id, behind, cents)| Payment { id, at: at(behind), cents })
        };
        (0..).zip(epochs).map(|epoch| payments(epoch).collect()).collect()
    })
}

/// Feeds the epochs, restarts where told to, and compares after each, and each again at the end:
/// those before the last restart are then recomputed by the batch layer.
fn check(epochs: &[Vec<Payment>], restarts: &[(usize, usize)]) -> Result<(), TestCaseError> {
    let mut live = Live::start(("once", once))?;
    let expected = |epoch: usize| {
        let rows = twin(&epochs[..=epoch].concat());
        let total = (!rows.is_empty()).then(|| ((), rows.values().sum::<i64>()));
        (rows.into_iter().collect::<Vec<_>>(), total.into_iter().collect::<Vec<_>>())
    };
    for (epoch, payments) in epochs.iter().enumerate() {
        live.feed("payments", payments)?;
        let (rows, total) = expected(epoch);
        prop_assert_eq!(live.rows::<i64, i64>("once")?, rows, "epoch {}", epoch);
        prop_assert_eq!(live.rows::<(), i64>("total")?, total, "epoch {}", epoch);
        for (_, workers) in restarts.iter().filter(|(at, _)| *at == epoch) {
            live.restart(*workers)?;
            prop_assert_eq!(live.rows::<i64, i64>("once")?, expected(epoch).0, "restarted");
        }
    }
    for epoch in 0..epochs.len() {
        let rows = live.rows_at::<i64, i64>(epoch as u64, "once")?;
        prop_assert_eq!(rows, expected(epoch).0, "epoch {} once more", epoch);
    }
    Ok(())
}

#[test]
fn an_id_is_the_least_of_its_copies_that_are_kept() {
    let restarts = prop::collection::vec((0_usize..12, 1_usize..4), 0..3);
    let config = ProptestConfig::with_cases(scaled(40, 5_000) as u32);
    proptest!(config, |(epochs in epochs(), restarts in restarts)| {
        check(&epochs, &restarts)?;
    });
}

#[test]
fn it_may_restart_twice_at_one_place() {
    let payment = Payment { id: 1, at: Timestamp::from_seconds(1_000), cents: 1 };
    check(&[vec![payment], vec![]], &[(0, 1), (0, 3), (1, 2)]).unwrap();
}

#[test]
fn the_law_holds() {
    let stories = epochs().prop_map(|epochs| Story::of("payments", &epochs));
    diptych::testing::assert_law!(("once", once), stories, scaled(12, 1_000) as u32);
}

#[test]
fn what_is_promised_of_one_id() {
    let payment = |id, second, cents| Payment { id, at: Timestamp::from_seconds(second), cents };
    let mut live = Live::start(("once", once)).unwrap();
    let mut feed = |payments: &[Payment]| {
        live.feed("payments", payments).unwrap();
        live.rows::<i64, i64>("once").unwrap()
    };
    assert_eq!(feed(&[payment(1, 100, 5), payment(1, 100, 5)]), [(1, 5)]);
    assert_eq!(feed(&[payment(1, 110, 7)]), [(1, 5)], "the least of two");
    assert_eq!(feed(&[payment(2, 125, 1)]), [(1, 7), (2, 1)], "the first is too old");
    assert_eq!(feed(&[payment(1, 100, 3)]), [(1, 7), (2, 1)], "too old when it comes");
    assert_eq!(feed(&[payment(3, 140, 1)]), [(2, 1), (3, 1)], "none is kept");
    assert_eq!(feed(&[payment(1, 139, 9)]), [(1, 9), (2, 1), (3, 1)], "it is new");
}

/// Ids have no end; the state is bounded.
#[test]
fn state_is_bounded_by_the_retention() {
    let place = tempfile::tempdir().unwrap();
    let (system, flow) = (System::open(place.path()), Definition::new("once", once));
    let writer = system.writer().unwrap();
    let sizes: Vec<u64> = (0..4)
        .map(|round| {
            // Twenty ids a second, each twice: 400 to 500 of them are kept.
            let at = |id| Timestamp::from_seconds(1_000 + id / 20);
            let ids =
                (round * 2_000..(round + 1) * 2_000).chain(round * 2_000..(round + 1) * 2_000);
            let payments: Vec<_> = ids.map(|id| Payment { id, at: at(id), cents: 1 }).collect();
            append(&writer, "payments", &payments).unwrap();
            let boundary = system.batch(&flow, &BatchOptions::default()).unwrap().boundary;
            let index = system.recompute(&flow, boundary, Cluster::local(1), false).unwrap();
            let rows = index.snapshot(Read::Latest).unwrap().rows::<i64, i64>("once").unwrap();
            assert!((400..=500).contains(&rows.len()), "{} ids", rows.len());
            accumulated(&place.path().join("views/once"), boundary)
        })
        .collect();
    println!("bytes of accumulations after 2,000, 4,000, 6,000, 8,000 ids: {sizes:?}");
    assert!(sizes.iter().all(|size| *size < sizes[0] * 11 / 10), "{sizes:?}");
}

/// Bytes of the accumulations at a boundary, of any version.
fn accumulated(flow: &Path, boundary: u64) -> u64 {
    let versions = std::fs::read_dir(flow).unwrap().map(|version| version.unwrap().path());
    let files = versions.flat_map(|version| std::fs::read_dir(version).unwrap());
    let files = files.map(Result::unwrap).filter(|file| {
        let name = file.file_name().to_string_lossy().into_owned();
        name.starts_with(&format!("{boundary:020}.accumulation."))
    });
    files.map(|file| file.metadata().unwrap().len()).sum()
}
