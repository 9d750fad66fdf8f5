//! Nodes with too few ties are taken away, one after another.

use std::collections::{BTreeMap, BTreeSet};

use diptych::dataflows::{Tie, draw_k_core, k_core};
use diptych::serving::Snapshot;
use diptych::testing::Story;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::each_epoch::{each_epoch, feed, same, size, so_far};

/// The core number of each node that has ties.
fn core_numbers(ties: &[Tie]) -> BTreeMap<i64, i64> {
    let mut times = BTreeMap::<(i64, i64), i64>::new();
    for tie in ties.iter().filter(|tie| tie.a != tie.b) {
        *times.entry((tie.a.min(tie.b), tie.a.max(tie.b))).or_default() += tie.diff;
    }
    let mut friends = BTreeMap::<i64, BTreeSet<i64>>::new();
    for (a, b) in times.into_iter().filter(|(_, times)| *times > 0).map(|(tie, _)| tie) {
        friends.entry(a).or_default().insert(b);
        friends.entry(b).or_default().insert(a);
    }
    let mut numbers: BTreeMap<i64, i64> = friends.keys().map(|node| (*node, 0)).collect();
    for k in 1.. {
        while let Some((&node, _)) = friends.iter().find(|(_, friends)| friends.len() < k) {
            for friend in friends.remove(&node).unwrap() {
                friends.get_mut(&friend).unwrap().remove(&node);
            }
        }
        if friends.is_empty() {
            break;
        }
        friends.keys().for_each(|node| *numbers.get_mut(node).unwrap() = k as i64);
    }
    numbers
}

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
