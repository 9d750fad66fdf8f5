//! A naive log, for the tests of ingest.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use diptych::event::{Date, Event};
use diptych::io::{SimClock, SimDisk};
use diptych::log::{Ack, Append, Writer, WriterOptions};
use diptych::sources::{AppendTo, FileReport, IngestOptions, Report, ingest};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A log in a few lines: one epoch per append, each producer's requests once and in order.
#[derive(Default)]
pub(super) struct NaiveLog {
    pub(super) appends: RefCell<Vec<Append>>,
    pub(super) epochs: RefCell<HashMap<(String, u64), u64>>,
    /// The appends left until the process "is killed".
    pub(super) left: Cell<Option<usize>>,
    pub(super) calls: Cell<usize>,
    /// Requests below this are too old to be repeated.
    pub(super) forgotten: Cell<u64>,
}

impl AppendTo for NaiveLog {
    fn append(&self, append: Append) -> diptych::Result<impl FnOnce() -> diptych::Result<Ack>> {
        self.calls.set(self.calls.get() + 1);
        let killed = self.left.get() == Some(0);
        self.left.set(self.left.get().map(|left| left.saturating_sub(1)));
        let producer = append.producer.clone().expect("ingest names its producer");
        let (epochs, epoch) = (&mut *self.epochs.borrow_mut(), self.appends.borrow().len() as u64);
        let known = epochs.get(&(producer.id.clone(), producer.sequence)).copied();
        let before = producer.sequence.checked_sub(1).map(|s| (producer.id.clone(), s));
        let gap = before.is_some_and(|before| !epochs.contains_key(&before));
        if !killed && !gap && known.is_none() {
            epochs.insert((producer.id, producer.sequence), epoch);
            self.appends.borrow_mut().push(append);
        }
        let forgotten = known.is_some() && producer.sequence < self.forgotten.get();
        Ok(move || match known {
            _ if forgotten => Err(conflict()),
            _ if gap => Err(conflict()),
            _ if killed => Err(killed_error()),
            Some(epoch) => Ok(Ack { epoch, repeated: true }),
            None => Ok(Ack { epoch, repeated: false }),
        })
    }

    fn next_sequence(&self, producer: &str) -> diptych::Result<u64> {
        let epochs = self.epochs.borrow();
        Ok(epochs.keys().filter(|(id, _)| id == producer).count() as u64)
    }

    fn offset(&self, source: &str) -> diptych::Result<Option<String>> {
        let appends = self.appends.borrow();
        let mut offsets = appends.iter().rev().flat_map(|append| append.offsets.iter().rev());
        Ok(offsets.find(|(of, _)| of == source).map(|(_, offset)| offset.clone()))
    }
}

/// The error that a second writer gets.
pub(super) fn conflict() -> diptych::Error {
    let disk = SimDisk::new();
    let _first = writer(&disk);
    let (disk, clock) = (Arc::new(disk.clone()), Arc::new(SimClock::at(0)));
    let second = Writer::open(disk, clock, "log", WriterOptions::default());
    second.map(drop).expect_err("a conflict")
}

pub(super) fn writer(disk: &SimDisk) -> Writer {
    let (disk, clock) = (Arc::new(disk.clone()), Arc::new(SimClock::at(0)));
    Writer::open(disk, clock, "log", WriterOptions::default()).expect("a log")
}

pub(super) fn killed_error() -> diptych::Error {
    "killed".parse::<Date>().expect_err("no day")
}

impl NaiveLog {
    pub(super) fn batches(&self) -> Vec<RecordBatch> {
        let appends = self.appends.borrow();
        appends
            .iter()
            .flat_map(|append| append.batches.iter().map(|(_, rows)| rows.clone()))
            .collect()
    }

    pub(super) fn events<E: Event>(&self) -> Vec<E> {
        let mut events = Vec::new();
        for batch in self.batches() {
            let columns = E::columns(&batch).expect("the declared schema");
            events.extend((0..batch.num_rows()).map(|row| E::to_owned(E::row(&columns, row))));
        }
        events
    }
}

pub(super) fn run(
    log: &NaiveLog,
    schema: &SchemaRef,
    paths: &[&Path],
    options: &IngestOptions,
) -> diptych::Result<Report> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    ingest(log, "things", schema, &paths, options, &mut |_| {})
}

pub(super) fn one<E: Event>(log: &NaiveLog, path: &Path) -> diptych::Result<FileReport> {
    run(log, &E::schema(), &[path], &IngestOptions::default()).map(|report| report.files[0].clone())
}

pub(super) fn file(dir: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).expect("a writable temporary directory");
    path
}

pub(super) fn dir() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}
