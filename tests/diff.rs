//! A planted bug: `diff` lists exactly the rows that a plain program lists.

use std::collections::BTreeMap;

use dataflows::{Line, word_count};
use diptych::dataflow::Definition;
use diptych::row::decode;
use diptych::sources::append;
use diptych::system::{BatchOptions, ViewDiff, diff};
use diptych::{Dataflow, System};
use proptest::prelude::*;

/// The same function after a careless change: upper case is folded, and long words are dropped.
fn careless(df: &mut Dataflow<'_>) {
    let words = df.events::<Line>("lines").flat_map(|line, out| {
        let words = line.text.split_whitespace().filter(|word| word.len() < 4);
        out.extend(words.map(str::to_lowercase));
    });
    df.version("careless");
    df.view("counts", words.count("words")).columns(&["word", "n"]);
}

fn counts(lines: &[String], word: impl Fn(&str) -> Option<String>) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for word in lines.iter().flat_map(|line| line.split_whitespace()).filter_map(word) {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// The count before and after of each word for which they differ.
type Changes = BTreeMap<String, (Option<i64>, Option<i64>)>;

fn expected(lines: &[String]) -> Changes {
    let before = counts(lines, |word| Some(word.to_owned()));
    let after = counts(lines, |word| (word.len() < 4).then(|| word.to_lowercase()));
    let words = before.keys().chain(after.keys()).cloned();
    let pair = |word: String| {
        let pair = (before.get(&word).copied(), after.get(&word).copied());
        (word, pair)
    };
    words.map(pair).filter(|(_, (before, after))| before != after).collect()
}

fn found(lines: &[String]) -> Result<(ViewDiff, Changes), diptych::Error> {
    let system = System::in_memory();
    let writer = system.writer()?;
    for text in lines {
        append(&writer, "lines", &[Line { text: text.clone() }])?;
    }
    let (old, new) =
        (Definition::new("word_count", word_count), Definition::new("word_count", careless));
    let mut sides = Vec::new();
    for flow in [&old, &new] {
        system.batch(flow, &BatchOptions::default())?;
        let version = flow.describe()?.version;
        sides.push(system.batch_view("word_count", &version, lines.len() as u64)?);
    }
    let view = diff(&sides[0], &sides[1], usize::MAX)?.remove(0);
    let mut changes = Changes::new();
    for key in &view.samples {
        let row =
            |rows: &[diptych::serving::Row]| -> Result<Option<(String, i64)>, diptych::Error> {
                assert!(rows.len() <= 1, "{rows:?}");
                rows.first().map(|row| Ok((decode(&row.key)?, decode(&row.value)?))).transpose()
            };
        let (before, after) = (row(&key.before)?, row(&key.after)?);
        let word = before.as_ref().or(after.as_ref()).map(|(word, _)| word.clone());
        let word = word.expect("a difference has a row");
        changes.insert(word, (before.map(|(_, n)| n), after.map(|(_, n)| n)));
    }
    Ok((view, changes))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn a_planted_bug_is_listed_row_for_row(
        lines in proptest::collection::vec("([aAbB]{1,2}|[a-c]{3,5}| ){0,6}", 1..12),
    ) {
        let (view, changes) = found(&lines).expect("compared");
        let expected = expected(&lines);
        prop_assert_eq!(&changes, &expected);
        let count = |keep: fn(&(Option<i64>, Option<i64>)) -> bool| {
            expected.values().filter(|pair| keep(pair)).count() as u64
        };
        prop_assert_eq!(view.added, count(|pair| pair.0.is_none()));
        prop_assert_eq!(view.removed, count(|pair| pair.1.is_none()));
        prop_assert_eq!(view.changed, count(|pair| pair.0.is_some() && pair.1.is_some()));
    }
}

/// Rows of a view whose columns changed cannot be compared: the columns are named.
#[test]
fn a_view_with_other_columns_is_named() {
    let wider = |df: &mut Dataflow<'_>| {
        let lines = df.events::<Line>("lines").map(|line| (line.text.len() as u64, 1_i64));
        df.version("wider");
        df.view("counts", lines.sum("lengths")).columns(&["length", "n"]);
    };
    let system = System::in_memory();
    let writer = system.writer().expect("a writer");
    append(&writer, "lines", &[Line { text: "a".into() }]).expect("appended");
    let flows = [Definition::new("word_count", word_count), Definition::new("word_count", wider)];
    let sides = flows.map(|flow| {
        system.batch(&flow, &BatchOptions::default()).expect("a batch view");
        let version = flow.describe().expect("it compiles").version;
        system.batch_view("word_count", &version, 1).expect("it is there")
    });
    let views = diff(&sides[0], &sides[1], 1).expect("compared");
    let note = views[0].incomparable.clone().unwrap_or_default();
    assert!(note.contains("word: string") && note.contains("length: u64"), "{note}");
}
