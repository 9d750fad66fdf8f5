//! Checks after a kill: every acknowledged transfer is there, none that was not sent, and views
//! equal the results of a few loops over the log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use diptych::System;
use diptych::batch_view::{BatchView, Identity};
use diptych::io::RealDisk;
use diptych::log::{Reader, Writer};
use diptych::row;
use diptych::serving::{Digest, Index, IndexOptions, Read};
use diptych::system::ServeOptions;
use diptych::time::Epoch;

use super::Journal;
use super::child::{FLOW, PRODUCERS, VERSION, append_by_producer, flow, producer, transfer};

/// The numbers of the transfers of each epoch.
type Log = Vec<Vec<i64>>;

/// Opens the directory after a kill as the next process does, checks it, appends to it, and checks
/// again.
pub(crate) fn check(dir: &Path, journal: &mut Journal, what: &str) {
    let system = System::open(dir);
    let writer = system.writer().unwrap_or_else(|error| panic!("{what}: {error}"));
    let log = compare_log(&system, journal, what);
    compare_producers(&writer, &log, what);
    let batch_views = compare_batch_views(&system, &log, what);
    let flow = flow(journal.in_files);
    let index = IndexOptions { views_in_files: journal.in_files, ..IndexOptions::default() };
    let options = ServeOptions::default().writer(&writer).index(index);
    let served = system.serve(std::slice::from_ref(&flow), options);
    let served = served.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(served.passed_over().count(), 0, "{what}: a kill leaves no damage");
    let index = served.index(FLOW).expect("an index");
    let restored = log.len() as Epoch;
    if let Some(last) = restored.checked_sub(1) {
        served.wait_beyond(FLOW, last).unwrap_or_else(|error| panic!("{what}: {error}"));
        compare_views(&index, &log, what);
    }
    let newest = batch_views.last().copied();
    assert_eq!(index.boundary(), newest.unwrap_or(restored), "{what}: not the newest batch view");
    let id = journal.sent.last().map_or(0, |last| last + 1);
    let epoch = append_by_producer(&writer, &[transfer(id)]).expect("it goes on");
    journal.sent.insert(id);
    journal.acked.insert((id, epoch));
    served.wait_beyond(FLOW, epoch).unwrap_or_else(|error| panic!("{what}: {error}"));
    let log = compare_log(&system, journal, what);
    compare_views(&index, &log, what);
    compare_producers(&writer, &log, what);
    served.stop().expect("stopped");
    writer.close().expect("closed");
}

/// Checks the directory after a kill without changing it: by a reader, and by serving from it.
pub(crate) fn check_by_reader(dir: &Path, journal: &Journal, what: &str) {
    let system = System::open(dir);
    match system.reader() {
        // Killed before there was a log.
        Err(_) if journal.acked.is_empty() => return,
        // A torn mark: readers are told that a writer has to come first.
        Err(error) if error.to_string().contains("open the log for writing once") => return,
        _ => {}
    }
    let log = compare_log(&system, journal, what);
    compare_batch_views(&system, &log, what);
    let Some(last) = (log.len() as Epoch).checked_sub(1) else { return };
    let options = ServeOptions::default().until(last + 1);
    let served = system.serve(&[flow(journal.in_files)], options);
    let served = served.unwrap_or_else(|error| panic!("{what}: {error}"));
    served.wait_beyond(FLOW, last).unwrap_or_else(|error| panic!("{what}: {error}"));
    compare_views(&served.index(FLOW).expect("an index"), &log, what);
    served.stop().expect("stopped");
}

/// Reads the log, after a comparison with the journal.
fn compare_log(system: &System, journal: &Journal, what: &str) -> Log {
    let reader = system.reader().unwrap_or_else(|error| panic!("{what}: {error}"));
    let log = read(&reader).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut found = BTreeSet::new();
    for (epoch, ids) in log.iter().enumerate() {
        for id in ids {
            assert!(journal.sent.contains(id), "{what}: {id} was never sent");
            assert!(found.insert((*id, epoch as Epoch)), "{what}: {id} is there twice");
        }
    }
    let ids: BTreeSet<i64> = found.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), found.len(), "{what}: a transfer is in two epochs");
    let lost: Vec<_> = journal.acked.difference(&found).collect();
    assert!(lost.is_empty(), "{what}: acknowledged and lost: {lost:?}");
    log
}

/// Compares the producers' next sequence numbers with their epochs in the log.
fn compare_producers(writer: &Writer, log: &Log, what: &str) {
    for number in 0..PRODUCERS {
        let id = producer(number);
        let first = log.iter().filter_map(|ids| ids.first());
        let appended = first.filter(|first| producer(**first) == id).count() as u64;
        let due = writer.next_sequence(&id);
        assert_eq!(due.unwrap_or_else(|error| panic!("{what}: {error}")), appended, "{what}: {id}");
    }
}

fn read(reader: &Reader) -> diptych::Result<Log> {
    let mut log = Log::new();
    for sealed in reader.epochs(0, reader.upper()?)? {
        let mut ids = Vec::new();
        for chunk in sealed?.chunks {
            let column = |name: &str| {
                let column = chunk.rows.column_by_name(name).expect("the column");
                column.as_primitive::<Int64Type>().values().to_vec()
            };
            let (id, to, amount) = (column("id"), column("to_account"), column("amount"));
            for (row, id) in id.into_iter().enumerate() {
                let sent = transfer(id);
                assert_eq!((sent.to_account, sent.amount), (to[row], amount[row]), "transfer {id}");
                ids.push(id);
            }
        }
        log.push(ids);
    }
    Ok(log)
}

/// The sum of each account, and the sum of all.
fn naive(epochs: &[Vec<i64>]) -> (BTreeMap<i64, i64>, Option<i64>) {
    let mut sums = BTreeMap::new();
    for id in epochs.iter().flatten() {
        let sent = transfer(*id);
        *sums.entry(sent.to_account).or_default() += sent.amount;
    }
    let total = (!sums.is_empty()).then(|| sums.values().sum());
    (sums, total)
}

/// Compares all views at the boundary, in the middle and at the end.
fn compare_views(index: &Index, log: &Log, what: &str) {
    let upper = log.len() as Epoch;
    let first = index.boundary().max(1) - 1;
    assert_eq!(index.frontier(), upper, "{what}");
    for at in [first, first.midpoint(upper - 1), upper - 1] {
        let snapshot = index.snapshot(Read::AsOf(at));
        let snapshot = snapshot.unwrap_or_else(|error| panic!("{what}: {error}"));
        let (sums, total) = naive(&log[..=at as usize]);
        let credits = snapshot.rows::<i64, i64>("credits").expect("rows");
        let expected: Vec<_> = sums.into_iter().map(|row| (row, 1)).collect();
        assert_eq!(credits, expected, "{what}: credits at epoch {at}");
        let found = snapshot.rows::<(), i64>("total").expect("rows");
        let expected: Vec<_> = total.into_iter().map(|total| (((), total), 1)).collect();
        assert_eq!(found, expected, "{what}: total at epoch {at}");
    }
}

/// Compares every batch view with the events below its boundary; gives the boundaries.
fn compare_batch_views(system: &System, log: &Log, what: &str) -> Vec<Epoch> {
    let identity = Identity::new(FLOW, VERSION);
    let boundaries = BatchView::boundaries(&RealDisk, system.root(), &identity);
    let boundaries = boundaries.unwrap_or_else(|error| panic!("{what}: {error}"));
    for boundary in &boundaries {
        let view = system.batch_view(FLOW, VERSION, *boundary);
        let view = view.and_then(|view| view.verify().map(|()| view));
        let view = view.unwrap_or_else(|error| panic!("{what}: {error}"));
        let (sums, total) = naive(&log[..*boundary as usize]);
        let mut credits = Digest::default();
        for (account, sum) in &sums {
            credits.add(&row::encode(account), &row::encode(sum), 1);
        }
        let mut all = Digest::default();
        if let Some(total) = &total {
            all.add(&row::encode(&()), &row::encode(total), 1);
        }
        let found = ["credits", "total"].map(|name| view.view_size(name).expect("the view").1);
        assert_eq!(found, [credits, all], "{what}: the batch view at {boundary}");
    }
    boundaries
}
