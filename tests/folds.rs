//! Every monoid of `folds` in both layers, through restarts, orders and epochs. The unit tests
//! beside each monoid check what it computes.

use diptych::folds::{
    Bloom, Count, First, Histogram, HyperLogLog, Last, Max, Mean, Min, Quantiles, Set, Sum, Top,
    Variance, hash,
};
use diptych::testing::Story;
use diptych::{Dataflow, Event};
use proptest::collection::vec;
use proptest::prelude::*;

mod scale;

#[derive(Event, Clone, Debug)]
struct Fact {
    key: i64,
    order: i64,
    n: i64,
}

type Moments = (Count, Sum<i64>, Mean<i64>, Variance<i64>);
type Ends = (Min<i64>, Max<i64>, First<i64, i64>, Last<i64, i64>, Top<i64, 2>);

fn folds(df: &mut Dataflow) {
    let facts = df.events::<Fact>("facts");
    let moments = facts.clone().map(|f| (f.key, ((), f.n, f.n, f.n)));
    let moments =
        moments.fold::<Moments, i64>("moments").map(|(key, (count, sum, mean, spread))| {
            (key, (count.get(), sum.get(), mean.decimal::<3>(), spread.decimal::<3>()))
        });
    df.view("moments", moments);
    let ends = facts.clone().map(|f| (f.key, (f.n, f.n, (f.order, f.n), (f.order, f.n), f.n)));
    let ends = ends.fold::<Ends, i64>("ends").map(|(key, (min, max, first, last, top))| {
        (key, (min.get(), max.get(), first.get(), last.get(), format!("{:?}", top.get())))
    });
    df.view("ends", ends);
    let sets = facts.clone().map(|f| (f.key, (f.n, f.n)));
    let sets = sets.fold::<(Set<i64>, Histogram<i64>), i64>("sets");
    let shown = |(set, times): (Set<i64>, Histogram<i64>)| format!("{set:?} {times:?}");
    df.view("sets", sets.map(move |(key, sets)| (key, shown(sets))));
    let sketches = facts.map(|f| (f.key, (hash(&f.n), hash(&f.n), f.n)));
    let sketches = sketches.fold::<(HyperLogLog<4>, Bloom<64>, Quantiles<3>), i64>("sketches");
    // Whole, as they are stored: nothing of them may depend on what came first.
    df.view("sketches", sketches.map(|(key, sketches)| (key, format!("{sketches:?}"))));
}

#[test]
fn every_monoid_keeps_the_law() {
    let fact = (0_i64..3, 0_i64..3, -40_i64..40).prop_map(|(key, order, n)| Fact { key, order, n });
    let epochs = vec(vec(fact, 0..8), 1..6);
    let stories = epochs.prop_map(|epochs| Story::of("facts", &epochs));
    diptych::testing::assert_law!(("folds", folds), stories, scale::scaled(16, 1_000) as u32);
}
