//! Checks `k_core` against core numbers computed by removing nodes.

use std::collections::BTreeMap;

use dataflows::{Tie, draw_k_core, k_core};
use diptych::serving::Snapshot;
use diptych::testing::Story;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::drawn::Drawn;
use crate::follow::{follow, same, size};
use crate::taken_away::core_numbers;

/// Compares all views with those of the twin for the events so far.
pub(crate) fn check(snapshot: &Snapshot, ties: &[Tie]) {
    let numbers = core_numbers(ties);
    let mut cores = BTreeMap::<i64, i64>::new();
    for k in 1..=numbers.values().copied().max().unwrap_or(0) {
        cores.insert(k, numbers.values().filter(|number| **number >= k).count() as i64);
    }
    same(snapshot, "core_numbers", numbers);
    same(snapshot, "cores", cores);
}

#[test]
fn the_law_holds() {
    let tie = (0_i64..6, 0_i64..6, prop::sample::select(&[1_i64, 1, 1, 2, -1]));
    let tie = tie.prop_map(|(a, b, diff)| Tie { a, b, diff });
    let stories = vec(vec(tie, 0..9), 1..5).prop_map(|all| Story::of("ties", &all));
    diptych::testing::assert_law!(("k_core", k_core), stories, 8);
}

#[test]
fn every_epoch_is_what_plain_loops_say() {
    let (events, epochs) = size();
    let ties = draw_k_core(7, events);
    assert_eq!(ties.len(), events);
    let tied = Drawn { stream: "ties", events: &ties, epochs };
    let each = |epoch| vec![tied.rows(epoch)];
    follow(("k_core", k_core), epochs, each, |epoch, snapshot| {
        check(snapshot, tied.until(epoch));
    });
    assert!(core_numbers(&ties).values().any(|number| *number > 3), "nobody is in the thick");
}
