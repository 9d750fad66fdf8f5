//! Core numbers by taking nodes away.

use std::collections::BTreeMap;

use diptych::dataflows::{Tie, draw_k_core, k_core};
use diptych::serving::Snapshot;
use diptych::testing::Story;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::each_epoch::{each_epoch, feed, same, size, so_far};
use crate::taken_away::core_numbers;

fn check(snapshot: &Snapshot, ties: &[Tie]) {
    let numbers = core_numbers(ties);
    let mut cores = BTreeMap::<i64, i64>::new();
    for k in 1..=numbers.values().copied().max().unwrap_or(0) {
        cores.insert(k, numbers.values().filter(|number| **number >= k).count() as i64);
    }
    same(snapshot, "core_numbers", &numbers);
    same(snapshot, "cores", &cores);
}

#[test]
fn the_law_holds() {
    let tie = (0_i64..6, 0_i64..6, prop::sample::select(&[1_i64, 1, 1, 2, -1]));
    let tie = tie.prop_map(|(a, b, diff)| Tie { a, b, diff });
    let stories = vec(vec(tie, 0..9), 1..5).prop_map(|all| Story::of("ties", &all));
    diptych::assert_law!(("k_core", k_core), stories, 8);
}

#[test]
fn as_by_taking_away() {
    let (events, parts) = size();
    let ties = draw_k_core(7, events);
    assert_eq!(ties.len(), events);
    each_epoch(
        "k_core",
        k_core,
        parts,
        |live, part| feed(live, "ties", &ties, (part, parts)),
        |part, snapshot| check(snapshot, so_far(&ties, part + 1, parts)),
    );
    assert!(core_numbers(&ties).values().any(|number| *number > 3), "nobody is in the thick");
}
