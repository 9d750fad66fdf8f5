//! Promise 1 near the ends of every type: whether a result is out of range is decided by the
//! contents, not by the way there.
//!
//! Each case is one barrier, or one operator behind one, over numbers near both ends. Its output at
//! every epoch is compared with whole numbers that have no ends: a row where the result is in
//! range, a row of `errors` where it is not. The events come in another order the second time, and
//! from a batch view that another number of workers wrote.

mod naive;

#[path = "ends_of_types/expected.rs"]
mod expected;
#[path = "ends_of_types/flows.rs"]
mod flows;
#[path = "ends_of_types/golden.rs"]
mod golden;
#[path = "ends_of_types/golden_flow.rs"]
mod golden_flow;

use std::collections::BTreeMap;

use diptych::dataflow::Definition;
use diptych::event::{Decimal, Timestamp};
use diptych::log::{Append, Pending};
use diptych::serving::{Index, Read};
use diptych::system::{BatchOptions, Boundary, Cluster, ServeOptions};
use diptych::testing::Live;
use diptych::{Dataflow, System};
use naive::{cases, scaled};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use flows::{Fact, Kind};

/// The output of a dataflow: its rows, and its refusals (where, and why).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answer {
    rows: BTreeMap<(i64, String), i64>,
    refused: BTreeMap<(String, String), i64>,
}

#[derive(Clone, Debug)]
struct Case {
    kind: Kind,
    history: Vec<Vec<Fact>>,
    workers: [usize; 3],
    split: u64,
    shuffle: u64,
}

fn fact() -> impl Strategy<Value = Fact> {
    let ends = |least: i128, most: i128| {
        let near = vec![least, least + 1, least / 2, -1, 0, 1, 7, most / 2, most - 1, most];
        select(near)
    };
    let whole = ends(i64::MIN.into(), i64::MAX.into()).prop_map(|n| n as i64);
    let small = ends(i32::MIN.into(), i32::MAX.into()).prop_map(|n| n as i32);
    let most = 10_i128.pow(38) - 1;
    let digits = ends(-most, most).prop_map(|n| Decimal::new(n).expect("38 digits"));
    let few = i64::from(i32::MAX);
    let weights = vec![i64::MIN, i64::MAX, i64::MAX / 2, few, few + 1, -few, -1, 1, 1, 1, 2, 0];
    (0_i64..2, whole, small, digits, select(weights), 0_i64..25).prop_map(
        |(key, n, small, digits, weight, second)| {
            let at = Timestamp::from_seconds(second);
            Fact { id: 0, key, n, small, digits, weight, at }
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let history = vec(vec(fact(), 0..4), 1..5).prop_map(|mut history| {
        let facts = history.iter_mut().flatten();
        facts.zip(0..).for_each(|(fact, id)| fact.id = id);
        history
    });
    let workers = || select(vec![1, 1, 1, 2, 3]);
    let workers = [workers(), workers(), workers()];
    (select(Kind::ALL.to_vec()), history, workers, any::<u64>(), any::<u64>()).prop_map(
        |(kind, history, workers, split, shuffle)| Case { kind, history, workers, split, shuffle },
    )
}

fn written(history: &[Vec<Fact>]) -> diptych::Result<System> {
    let system = System::in_memory();
    let writer = system.writer()?;
    for facts in history {
        let batches = vec![("facts".into(), flows::rows(facts))];
        writer.append(Append { batches, ..Append::default() }).and_then(Pending::wait)?;
    }
    writer.close()?;
    Ok(system)
}

/// Compares all output at each epoch from `first` on with the expected output.
fn compare(index: &Index, first: u64, case: &Case, what: &str) -> Result<(), String> {
    let shown = |error: diptych::Error| format!("{what}: {error}");
    for epoch in first..case.history.len() as u64 {
        let snapshot = index.snapshot(Read::AsOf(epoch)).map_err(shown)?;
        let mut found = Answer::default();
        for ((key, text), times) in snapshot.rows::<i64, String>("out").map_err(shown)? {
            *found.rows.entry((key, text)).or_default() += times as i64;
        }
        if snapshot.views().iter().any(|view| view.name == "errors") {
            let errors = snapshot.rows::<(u64, String, String), i64>("errors").map_err(shown)?;
            for (((epoch, place, reason), n), times) in errors {
                assert_eq!((epoch, n), (u64::MAX, 1), "{place}: {reason}");
                *found.refused.entry((place, reason)).or_default() += times as i64;
            }
        }
        let facts: Vec<_> = case.history[..=epoch as usize].iter().flatten().collect();
        let expected = case.kind.expected(&facts);
        if found != expected {
            return Err(format!("{what}, at epoch {epoch}: {found:?}\nexpected {expected:?}"));
        }
    }
    Ok(())
}

fn serve(
    system: &System,
    definition: &Definition,
    boundary: Boundary,
    (workers, upper): (usize, u64),
) -> diptych::Result<Index> {
    let options =
        ServeOptions::default().boundary(boundary).cluster(Cluster::local(workers)).until(upper);
    let served = system.serve(std::slice::from_ref(definition), options)?;
    served.wait_beyond(definition.name(), upper - 1)?;
    let index = served.index(definition.name())?;
    served.stop()?;
    Ok(index)
}

fn shuffle(facts: &mut [Fact], mut seed: u64) {
    for end in (1..facts.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        facts.swap(end, (seed >> 33) as usize % (end + 1));
    }
}

fn holds(case: &Case) -> Result<(), String> {
    let shown = |error: diptych::Error| error.to_string();
    let definition = case.kind.definition();
    let upper = case.history.len() as u64;
    let [alone, before, behind] = case.workers;
    let system = written(&case.history).map_err(shown)?;
    let index = serve(&system, &definition, Boundary::InPlace(0), (alone, upper)).map_err(shown)?;
    compare(&index, 0, case, &format!("epoch by epoch, {alone} workers"))?;

    let mut reordered = case.history.clone();
    reordered.iter_mut().for_each(|facts| shuffle(facts, case.shuffle));
    let system = written(&reordered).map_err(shown)?;
    let split = case.split % upper + 1;
    let cluster = Cluster::local(before);
    let options = BatchOptions { cluster, upto: Some(split), ..BatchOptions::default() };
    system.batch(&definition, &options).map_err(shown)?;
    let restored = Boundary::Restore(split);
    let index = serve(&system, &definition, restored, (behind, upper)).map_err(shown)?;
    compare(&index, split - 1, case, &format!("{before} workers up to {split}, then {behind}"))
}

#[test]
fn what_leaves_the_range_of_a_type_is_a_matter_of_contents() {
    let test = "what_leaves_the_range_of_a_type_is_a_matter_of_contents";
    cases("ends_of_types", test, scaled(256, 20_000), case(), holds);
}

/// The greatest, then one more, then one less: out of range in between, and a row again.
#[test]
fn a_result_that_comes_back_into_range_is_a_row_again() {
    let fact = |id, n| Fact {
        id,
        key: 1,
        n,
        small: 0,
        digits: Decimal::ZERO,
        weight: 1,
        at: Timestamp::from_seconds(1),
    };
    let history = vec![vec![fact(0, i64::MAX)], vec![fact(1, 1)], vec![fact(2, -1)]];
    for kind in [Kind::Sum, Kind::Behind, Kind::FoldedSum, Kind::FoldedBehind, Kind::Weighted] {
        let answers: Vec<_> = (1..=3)
            .map(|upto| kind.expected(&history[..upto].iter().flatten().collect::<Vec<_>>()))
            .collect();
        let lengths = |answer: &Answer| (answer.rows.len(), answer.refused.len());
        assert_eq!(answers.iter().map(lengths).collect::<Vec<_>>(), [(1, 0), (0, 1), (1, 0)]);
        for split in 0..3 {
            let history = history.clone();
            let case = Case { kind, history, workers: [1, 2, 3], split, shuffle: 1 };
            holds(&case).unwrap_or_else(|failure| panic!("{kind:?}: {failure}"));
        }
    }
}

/// Any client that may append can append these; the bank goes on, and starts again.
#[test]
fn no_amount_ends_the_bank() -> diptych::Result<()> {
    let transfer = |id, from_account, to_account, amount| dataflows::Transfer {
        id,
        from_account,
        to_account,
        amount,
        ts: 0,
    };
    let mut live = Live::start(("bank", dataflows::bank))?;
    let errors = |live: &Live| -> diptych::Result<Vec<String>> {
        let rows = live.rows::<(u64, String, String), i64>("errors")?;
        Ok(rows.into_iter().map(|((_, place, reason), _)| format!("{place}, {reason}")).collect())
    };
    live.feed("transfers", &[transfer(1, 1, 2, i64::MIN)])?;
    assert_eq!(live.rows::<i64, i64>("credits")?, [(2, i64::MIN)]);
    assert_eq!(live.rows::<i64, i64>("balance_outer")?, [(2, i64::MIN)]);
    let beyond = "key (1, 9223372036854775808): more than the column holds";
    assert_eq!(errors(&live)?, [format!("balance_outer, {beyond}")]);
    live.feed("transfers", &[transfer(2, 3, 4, i64::MAX), transfer(3, 3, 4, 1)])?;
    for workers in [1, 2, 3] {
        live.restart(workers)?;
        assert_eq!(live.rows::<i64, i64>("credits")?, [(2, i64::MIN)]);
        assert_eq!(live.rows::<(), i64>("total")?, [((), 0)]);
        let beyond = |place, key| format!("{place}, key ({key}, 9223372036854775808): more than");
        let found = errors(&live)?;
        let expected = [("balance_outer", 1), ("balance_outer", 4), ("credits", 4), ("debits", 3)];
        for (found, (place, key)) in found.iter().zip(expected) {
            assert!(found.starts_with(&beyond(place, key)), "{found}");
        }
        assert_eq!(found.len(), expected.len(), "{found:?}");
    }
    live.feed("transfers", &[transfer(4, 3, 4, -1), transfer(5, 2, 1, -1)])?;
    assert_eq!(live.rows::<i64, i64>("credits")?, [(1, -1), (2, i64::MIN), (4, i64::MAX)]);
    assert_eq!(errors(&live)?, Vec::<String>::new());
    Ok(())
}

/// A key that is too long has no row in any view; the view goes on, and is stored.
#[test]
fn a_key_that_is_too_long_is_an_error_row() -> diptych::Result<()> {
    let line = |text: String| dataflows::Line { text };
    let mut live = Live::start(("words", |df: &mut Dataflow<'_>| {
        let lines = df.events::<dataflows::Line>("lines").map(|line| line.text.to_owned());
        df.view("lines", lines.count("lines"));
    }))?;
    let most = diptych::limits::KEY_BYTES_MAX - 2; // two bytes end a text
    live.feed("lines", &[line("a".repeat(most)), line("b".repeat(most + 1)), line("c".into())])?;
    for workers in [2, 1] {
        let rows = live.rows::<String, i64>("lines")?;
        let lengths: Vec<_> = rows.iter().map(|(text, n)| (text.len(), *n)).collect();
        assert_eq!(lengths, [(most, 1), (1, 1)]);
        let errors = live.rows::<(u64, String, String), i64>("errors")?;
        let [((u64::MAX, place, reason), 1)] = &errors[..] else { panic!("{errors:?}") };
        assert_eq!(place, "view lines");
        assert!(reason.starts_with("key \"bbb") && reason.contains("a key of 1048577 bytes"));
        assert!(reason.len() < 400, "{reason}");
        live.restart(workers)?;
    }
    Ok(())
}
