//! Core numbers by their definition: nodes with too few ties are removed.

use std::collections::{BTreeMap, BTreeSet};

use dataflows::Tie;

/// The core number of each node that has ties.
pub(crate) fn core_numbers(ties: &[Tie]) -> BTreeMap<i64, i64> {
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
        loop {
            let few = friends.iter().filter(|(_, friends)| friends.len() < k);
            let few: Vec<i64> = few.map(|(node, _)| *node).collect();
            if few.is_empty() {
                break;
            }
            for node in few {
                for friend in friends.remove(&node).expect("it was there") {
                    friends.get_mut(&friend).expect("ties have two ends").remove(&node);
                }
            }
        }
        if friends.is_empty() {
            break;
        }
        for node in friends.keys() {
            numbers.insert(*node, k as i64);
        }
    }
    numbers
}
