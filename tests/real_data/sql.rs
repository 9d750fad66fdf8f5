//! The views of `retail`, `baskets` and `tweets` on the real files, against SQL over the very same
//! files: `DuckDB` reads them itself. Our answers are those of a server that followed the file
//! epoch by epoch, in the middle and at its end, and of a batch run over all of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use diptych::System;
use diptych::dataflow::Definition;
use diptych::log::Append;
use diptych::serving::{Read, Snapshot};
use diptych::system::{Cluster, ServeOptions};

use crate::lines::{Real, path};
use crate::naive::{Fact, batches, is_long};
use crate::python;

/// The number of epochs in which the file is appended.
const EPOCHS: usize = 80;

/// Rows as texts between tabs, by view, each as often as it is there.
type Answer = BTreeMap<String, BTreeMap<String, i64>>;

#[test]
fn retail_and_baskets_equal_sql() {
    let rows = if is_long() { usize::MAX } else { 60_000 };
    equals_sql(
        "retail_transactions.csv.zst",
        &["retail", "baskets"],
        super::lines::invoice_line,
        rows,
    );
}

#[test]
fn tweets_equal_sql() {
    equals_sql("tweets_sample_2016-10.csv.zst", &["tweets"], super::lines::tweet, usize::MAX);
}

fn equals_sql(file: &str, names: &[&str], fact: fn(&[String]) -> Fact, rows: usize) {
    let Some(real) = Real::read(file) else { return };
    let facts: Vec<Fact> = real.records().take(rows).map(|fields| fact(&fields)).collect();
    let first = facts.len() / EPOCHS * (EPOCHS / 2);
    let Some(expected) = sql(file, [first, facts.len()]) else { return };
    let built_in = dataflows::all().into_iter().chain(dataflows::gallery());
    let flows: Vec<Definition> = built_in.filter(|flow| names.contains(&flow.name())).collect();
    assert_eq!(flows.len(), names.len());

    let place = tempfile::tempdir().expect("a directory");
    let system = System::open(place.path());
    let writer = Arc::new(system.writer().expect("a writer"));
    let served = system.serve(&flows, ServeOptions::default().writer(&writer)).expect("served");
    let (old, new) = facts.split_at(first);
    let mut half = 0;
    for (facts, epochs) in [(old, EPOCHS / 2), (new, EPOCHS.div_ceil(2))] {
        let before = writer.upper();
        for some in facts.chunks(facts.len().div_ceil(epochs)) {
            let request = Append { batches: batches(some), ..Append::default() };
            writer.append(request).expect("accepted").wait().expect("durable");
        }
        assert!(writer.upper() - before >= epochs as u64 / 2, "not epoch by epoch");
        half = if before == 0 { writer.upper() - 1 } else { half };
    }
    let last = writer.upper() - 1;
    for flow in &flows {
        served.wait_beyond(flow.name(), last).expect("visible");
        let live = served.index(flow.name()).expect("served");
        let at = |read| live.snapshot(read).expect("rows");
        agree("live, halfway", &at(Read::AsOf(half)), &expected[0]);
        agree("live, at the end", &at(Read::Latest), &expected[1]);
    }
    served.stop().expect("stopped");
    for flow in &flows {
        let batch = system.recompute(flow, last + 1, Cluster::local(2), true).expect("computed");
        agree("batch", &batch.snapshot(Read::Latest).expect("rows"), &expected[1]);
    }
}

fn agree(what: &str, snapshot: &Snapshot, expected: &Answer) {
    for (id, view) in snapshot.views().iter().enumerate() {
        let mut found = BTreeMap::<String, i64>::new();
        for row in snapshot.scan(id) {
            let row = row.expect("a row");
            let cells = view.schema.decode(&row.key, &row.value).expect("its columns");
            let cells: Vec<String> = cells.iter().map(ToString::to_string).collect();
            *found.entry(cells.join("\t")).or_default() += row.multiplicity as i64;
        }
        if view.name == "errors" {
            assert!(found.is_empty(), "{what}: refused: {found:?}");
            continue;
        }
        let expected = &expected[&view.name];
        assert!(expected.len() > 20, "{}: {} rows", view.name, expected.len());
        let wrong = expected.iter().find(|(row, times)| found.get(*row) != Some(times));
        assert!(wrong.is_none(), "{what}: {}: SQL has {wrong:?}", view.name);
        let wrong = found.keys().find(|row| !expected.contains_key(*row));
        assert!(wrong.is_none(), "{what}: {}: SQL has no {wrong:?}", view.name);
    }
}

/// The answers of SQL over this many first rows of a file; none, and a reason printed, where there
/// is no `DuckDB`.
fn sql(file: &str, rows: [usize; 2]) -> Option<[Answer; 2]> {
    let views = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_data/views.sql");
    let [first, all] = rows.map(|rows| rows.to_string());
    let file = path(file).expect("it was read");
    let arguments = [file.as_os_str(), views.as_os_str(), first.as_ref(), all.as_ref()];
    let printed = python::duckdb("real_data/ask.py", &arguments)?;
    let mut answers = BTreeMap::<usize, Answer>::new();
    for line in printed.lines() {
        let mut parts = line.splitn(3, '\t');
        let mut part = || parts.next().expect("three parts").to_owned();
        let (of, view, row) = (part().parse().expect("a number"), part(), part());
        let of_view = answers.entry(of).or_default().entry(view).or_default();
        *of_view.entry(row).or_default() += 1;
    }
    Some(rows.map(|rows| answers.remove(&rows).expect("an answer for each")))
}
