//! Core numbers of the graph of people who mention one another in real tweets.

use std::collections::BTreeMap;

use dataflows::{Tie, k_core};
use diptych::testing::Live;

use crate::lines::Real;
use crate::naive::scaled;
use crate::taken_away::core_numbers;

const EPOCHS: usize = 30;

/// Mentions become known epoch by epoch; in the end every third is forgotten again.
#[test]
fn core_numbers_of_those_who_mention_one_another() {
    let Some(real) = Real::read("graph_mentions.csv.zst") else { return };
    let mentions = scaled(9_000, 200_000) as usize;
    let mut numbers = BTreeMap::<String, i64>::new();
    let mut number = |name: &String| {
        let next = numbers.len() as i64;
        *numbers.entry(name.clone()).or_insert(next)
    };
    let ties: Vec<Tie> = real
        .records()
        .take(mentions)
        .map(|fields| Tie { a: number(&fields[1]), b: number(&fields[2]), diff: 1 })
        .collect();
    let forgotten: Vec<_> = ties.iter().step_by(3).map(|t| Tie { diff: -1, ..t.clone() }).collect();

    let mut live = Live::start(("k_core", k_core)).expect("live");
    let part = ties.len().div_ceil(EPOCHS);
    let mut so_far = Vec::new();
    for (epoch, some) in ties.chunks(part).chain(forgotten.chunks(part)).enumerate() {
        live.feed("ties", some).expect("fed");
        so_far.extend_from_slice(some);
        if epoch == EPOCHS / 2 {
            live.restart(2).expect("restarted");
        }
        if epoch % 10 == 9 {
            let found = live.rows::<i64, i64>("core_numbers").expect("rows");
            let expected: Vec<_> = core_numbers(&so_far).into_iter().collect();
            assert!(expected.iter().any(|(_, core)| *core > 2), "nobody is in the thick");
            assert!(found == expected, "core numbers at epoch {epoch}");
        }
    }
}
