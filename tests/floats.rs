//! Floats behind a barrier: as keys, ranked, and summed exactly, in every order and both layers.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use diptych::dataflow::CollectionExt;
use diptych::event::Float;
use diptych::folds::{FloatSum, Max};
use diptych::testing::{Live, Story};
use diptych::{Dataflow, Event};
use proptest::collection::vec;
use proptest::prelude::*;

/// A measurement, or the retraction of one.
#[derive(Event, Clone, Debug)]
struct Reading {
    sensor: i64,
    value: f64,
    weight: i64,
}

fn floats(df: &mut Dataflow<'_>) {
    let readings = df.events::<Reading>("readings");
    let signed = readings.clone().weighted(|r| r.weight);
    let sums = signed.clone().map(|r| (r.sensor, FloatSum::of(r.value))).sum("sums");
    df.view("sums", sums.map(|(sensor, sum)| (sensor, sum.get())));
    let counts = signed.map(|r| (r.sensor, Float::new(r.value))).count("values");
    let top = counts.clone().top_k(2, |((sensor, value), n)| (sensor, (Reverse(value), n)));
    df.view("counts", counts.map(|((sensor, value), n)| ((value, sensor), n)));
    df.view("top", top.map(|(place, (Reverse(value), n))| (place, (value, n))));
    let greatest = readings.map(|r| (r.sensor, Float::new(r.value))).fold::<Max<_>, _>("max");
    df.view("greatest", greatest.map(|(sensor, max)| (sensor, max.get())));
}

/// Numbers whose plain sums depend on the order, infinities, and NaN.
fn reading() -> impl Strategy<Value = Reading> {
    let numbers = vec![0.1, 0.2, 0.3, -0.0, 0.0, 1e16, -1e16, 1e300, f64::INFINITY, f64::NAN];
    let value = prop_oneof![prop::sample::select(numbers), -1.0..1.0];
    (0_i64..2, value, prop::sample::select(vec![1_i64, 1, 2, -1]))
        .prop_map(|(sensor, value, weight)| Reading { sensor, value, weight })
}

#[test]
fn the_law_holds_for_floats() {
    let stories = vec(vec(reading(), 0..5), 1..5).prop_map(|all| Story::of("readings", &all));
    diptych::testing::assert_law!(("floats", floats), stories, 24);
}

/// Halves, so that a plain sum is exact, too.
#[test]
fn sums_are_the_plain_ones_where_those_are_exact() -> diptych::Result<()> {
    let mut live = Live::start(("floats", floats))?;
    let mut plain = BTreeMap::new();
    for n in 0..100_i64 {
        let reading = Reading { sensor: n % 3, value: (n - 50) as f64 / 2.0, weight: 1 };
        *plain.entry(reading.sensor).or_insert(0.0) += reading.value;
        live.feed("readings", &[reading])?;
        let expected = plain.iter().map(|(sensor, sum)| (*sensor, Float::new(*sum)));
        assert_eq!(live.rows::<i64, Float>("sums")?, expected.collect::<Vec<_>>());
    }
    // A plain sum of these is 0.
    let big = [1e16, 1.0, -1e16].map(|value| Reading { sensor: 9, value, weight: 1 });
    live.feed("readings", &big)?;
    assert_eq!(live.rows::<i64, f64>("sums")?.last(), Some(&(9, 1.0)));
    Ok(())
}
