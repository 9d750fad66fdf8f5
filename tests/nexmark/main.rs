//! Nexmark: for every query, the batch answer, the speed answer after many epochs, that of a naive
//! program and `DuckDB`'s are equal, on the same rows.
//!
//! `DIPTYCH_LONGTEST=1 cargo test --release --test nexmark -- --nocapture` runs a million events in
//! a thousand epochs.

mod drawn;
mod duckdb;
mod law;
#[path = "../python/mod.rs"]
mod python;
mod reports;
#[path = "../scale/mod.rs"]
mod scale;
#[path = "../gallery/drawn.rs"]
mod stream;
mod twin;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dataflows::nexmark;
use diptych::System;
use diptych::dataflow::Definition;
use diptych::row::Datum;
use diptych::serving::{Read, Snapshot};
use diptych::system::{BatchOptions, Boundary, Cluster, ServeOptions};
use diptych::time::Epoch;

use drawn::Drawn;

/// The short name: `q5` of `nexmark_q5`.
fn short(name: &str) -> String {
    name.trim_start_matches("nexmark_").to_owned()
}

/// The rows of the only view, sorted, as the twins write them. Checks that no event was refused.
fn rows(snapshot: &Snapshot) -> Vec<String> {
    let (errors, answers): (Vec<_>, Vec<_>) =
        snapshot.views().iter().enumerate().partition(|(_, view)| view.name == "errors");
    let refused: usize = errors.iter().map(|(id, _)| snapshot.scan(*id).count()).sum();
    assert_eq!((answers.len(), refused), (1, 0), "one view, and nothing refused");
    let (id, view) = answers[0];
    let cell = |datum: Datum| match datum {
        Datum::Timestamp(at) => at.micros().to_string(),
        other => other.to_string(),
    };
    let mut rows = Vec::new();
    for row in snapshot.scan(id) {
        let row = row.expect("a row");
        let cells = view.schema.decode(&row.key, &row.value).expect("a row of its schema");
        let cells: Vec<_> = cells.into_iter().map(cell).collect();
        assert!(row.multiplicity > 0, "{cells:?} is there {} times", row.multiplicity);
        rows.extend(std::iter::repeat_n(cells.join("|"), row.multiplicity as usize));
    }
    rows.sort_unstable();
    rows
}

/// The naive program's answers, computed once.
struct Twins<'d> {
    drawn: &'d Drawn,
    known: BTreeMap<(String, usize), Vec<String>>,
}

impl Twins<'_> {
    fn after(&mut self, name: &str, epochs: usize) -> Vec<String> {
        let drawn = self.drawn;
        let known = self.known.entry((name.to_owned(), epochs));
        known.or_insert_with(|| twin::twin(&short(name), &drawn.until(epochs - 1))).clone()
    }
}

fn same(what: &str, found: &[String], mut expected: Vec<String>) {
    expected.sort_unstable();
    let differ = found.iter().zip(&expected).find(|(found, expected)| found != expected);
    assert!(differ.is_none(), "{what}: (found, expected) is {differ:?}");
    assert_eq!(found.len(), expected.len(), "{what}");
}

/// Serves queries together, epoch by epoch, from the start with one worker or from batch views at
/// an epoch with two, and compares at some epochs, the last among them; returns how long the epochs
/// took, and the last answers.
fn live(
    system: &System,
    queries: &[Definition],
    twins: &mut Twins<'_>,
    (every, from): (usize, usize),
) -> (Duration, Vec<Vec<String>>) {
    let drawn = twins.drawn;
    let upper = drawn.epochs as Epoch;
    let (workers, boundary) = match from as Epoch {
        0 => (1, Boundary::InPlace(0)),
        from => (2, Boundary::Restore(from)),
    };
    if from > 0 {
        let options = BatchOptions { upto: Some(from as Epoch), ..BatchOptions::default() };
        for query in queries {
            let made = system.batch(query, &options).expect("a batch view");
            assert_eq!(made.boundary, from as Epoch);
        }
    }
    let start = Instant::now();
    let options = ServeOptions::default().boundary(boundary).cluster(Cluster::local(workers));
    let options = options.until(upper);
    let served = system.serve(queries, options).expect("served");
    let caught_up = |query: &Definition| served.wait_beyond(query.name(), upper - 1);
    queries.iter().try_for_each(caught_up).expect("all epochs");
    let took = start.elapsed();
    let mut last = Vec::new();
    for query in queries {
        let name = query.name();
        let index = served.index(name).expect("served");
        for epochs in (from.max(1)..=drawn.epochs).filter(|epochs| epochs % every == 0) {
            let snapshot = index.snapshot(Read::AsOf(epochs as Epoch - 1)).expect("rows");
            let found = rows(&snapshot);
            let what = format!("{name}, {epochs} epochs, the first {from} from a batch view");
            same(&what, &found, twins.after(name, epochs));
            if epochs == drawn.epochs {
                assert!(!found.is_empty(), "{name} has no rows");
                last.push(found);
            }
        }
    }
    served.stop().expect("stopped");
    (took, last)
}

#[test]
fn every_query_has_one_answer() {
    let (events, epochs, together) =
        if scale::is_long() { (1_000_000, 1_000, 1) } else { (3_000, 30, 20) };
    let drawn = Drawn::new(events, epochs);
    let system = drawn.log();
    let mut duckdb = duckdb::answers(&drawn.until(epochs - 1));
    let every = if scale::is_long() { epochs } else { 10 };
    let queries: Vec<Definition> = nexmark::all().collect();
    for queries in queries.chunks(together) {
        let mut twins = Twins { drawn: &drawn, known: BTreeMap::new() };
        let (took, lasts) = live(&system, queries, &mut twins, (every, 0));
        println!("{epochs} epochs, {} queries together: {took:.1?}", queries.len());
        let (took, restored) = live(&system, queries, &mut twins, (every, epochs / 2));
        println!("from batch views at the half: {took:.1?}");
        assert!(restored == lasts, "twins are equal, and rows are not");
        for (query, last) in queries.iter().zip(lasts) {
            let start = Instant::now();
            let batch = system.recompute(query, epochs as Epoch, Cluster::local(2), true);
            let batch = batch.expect("a batch").snapshot(Read::Latest).expect("rows");
            let took = start.elapsed();
            let name = query.name();
            same(&format!("{name}, batch"), &rows(&batch), last.clone());
            let answer = duckdb.as_mut().and_then(|answers| answers.remove(&short(name)));
            if let Some(answer) = answer {
                same(&format!("{name}, DuckDB"), &last, answer);
            }
            println!("{name}: {} rows, batch {took:.1?}", last.len());
        }
    }
}

/// Late events, hot auctions, and ids that are used before their auction comes.
#[test]
fn the_generator_keeps_its_proportions() {
    let all = nexmark::draw(1, 50_000);
    assert_eq!((all.people.len(), all.auctions.len(), all.bids.len()), (1_000, 3_000, 46_000));
    assert_eq!(all, nexmark::draw(1, 50_000));
    assert_ne!(all.bids, nexmark::draw(2, 50_000).bids);
    let late = all.bids.windows(2).filter(|pair| pair[1].date_time < pair[0].date_time).count();
    assert!((3_000..6_000).contains(&late), "{late} bids are late");
    let hot = all.bids.iter().filter(|bid| bid.auction % 100 == 0).count();
    assert!((22_000..25_000).contains(&hot), "{hot} bids are on hot auctions");
    let known = |id| all.auctions.iter().any(|auction| auction.id == id);
    assert!(all.bids[..100].iter().any(|bid| bid.auction > 1_006 && known(bid.auction)));
}
