//! Runs a dataflow on a generated history, epoch by epoch, and compares each epoch with a naive
//! program over all events so far.

use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::RecordBatch;
use diptych::System;
use diptych::dataflow::Definition;
use diptych::log::Append;
use diptych::row::Columns;
use diptych::serving::{IndexOptions, Read, Snapshot};
use diptych::system::{BatchOptions, Boundary, Cluster, ServeOptions};
use diptych::time::Epoch;

use crate::scale::scaled;

/// The number of epochs of a run: few on each change, else as many as asked for.
pub(crate) fn epochs(each_change: u64) -> usize {
    scaled(each_change, 2_000).max(3) as usize
}

/// The numbers of events and of epochs of a run over few epochs, whose twin reads all events at
/// each.
pub(crate) fn size() -> (usize, usize) {
    (scaled(1_200, 20_000) as usize, scaled(12, 50).max(3) as usize)
}

/// Serves a third of the epochs with one worker; then makes a batch view, restores it and serves
/// the rest with two. `check` gets every epoch, and that of the batch view twice.
pub(crate) fn follow(
    definition: impl Into<Definition>,
    epochs: usize,
    rows: impl Fn(usize) -> Vec<(Arc<str>, RecordBatch)>,
    mut check: impl FnMut(usize, &Snapshot),
) {
    let (definition, system) = (definition.into(), System::in_memory());
    let writer = system.writer().expect("a writer");
    let third = epochs / 3;
    let restored = Boundary::Restore(third as Epoch);
    for (part, boundary) in [(0..third, Boundary::InPlace(0)), (third..epochs, restored)] {
        if part.start > 0 {
            let options = BatchOptions { cluster: Cluster::local(2), ..BatchOptions::default() };
            let report = system.batch(&definition, &options).expect("a batch view");
            assert_eq!(report.boundary, part.start as Epoch);
        }
        let index = IndexOptions { history_epochs: 1, ..IndexOptions::default() };
        let options = ServeOptions::default()
            .cluster(Cluster::local(if part.start == 0 { 1 } else { 2 }))
            .boundary(boundary)
            .index(index)
            .writer(&writer);
        let served = system.serve(std::slice::from_ref(&definition), options).expect("served");
        let index = served.index(definition.name()).expect("an index");
        for epoch in part.start.saturating_sub(1)..part.end {
            if part.contains(&epoch) {
                let append = Append { batches: rows(epoch), ..Append::default() };
                writer.append(append).expect("room").wait().expect("appended");
            }
            served.wait_beyond(definition.name(), epoch as Epoch).expect("computed");
            let snapshot = index.snapshot(Read::Latest).expect("a snapshot");
            assert_eq!(snapshot.epoch(), Some(epoch as Epoch));
            check(epoch, &snapshot);
        }
        served.stop().expect("stopped");
    }
}

/// Checks that a view has these rows, in order, each once.
pub(crate) fn same<K, V>(
    snapshot: &Snapshot,
    view: &str,
    expected: impl IntoIterator<Item = (K, V)>,
) where
    K: Columns + Ord + Debug,
    V: Columns + Ord + Debug,
{
    let found = snapshot.rows::<K, V>(view).expect("of these columns");
    let expected: Vec<((K, V), isize)> = expected.into_iter().map(|row| (row, 1)).collect();
    let first = found.iter().zip(&expected).find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{view} at {:?}: {} rows, not {}; the first that differ: {first:?}",
        snapshot.epoch(),
        found.len(),
        expected.len()
    );
}
