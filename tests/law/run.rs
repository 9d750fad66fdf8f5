//! Runs a dataflow over a log and compares the index with the twin's answers.

use std::fmt;
use std::path::Path;

use diptych::System;
use diptych::dataflow::Definition;
use diptych::log::{Append, Pending, Writer};
use diptych::serving::{Index, IndexOptions, Read};
use diptych::system::{BatchOptions, Boundary, Cluster, ServeOptions};
use proptest::sample;

use crate::naive::{ByteRows, Fact, History, batches};
use crate::subject::{Answers, Subject};

/// A log, and the expected answers of every view at every epoch.
pub(crate) struct Log {
    pub(crate) definition: Definition,
    pub(crate) history: History,
    /// `answers[t]` are those of the epochs up to and including `t`.
    pub(crate) answers: Vec<Answers>,
}

impl Log {
    pub(crate) fn new(subject: &Subject, history: History) -> Log {
        let upto = |epoch: usize| subject.twin(&history[..=epoch]);
        let answers = (0..history.len()).map(upto).collect();
        Log { definition: subject.definition(), history, answers }
    }

    fn upper(&self) -> u64 {
        self.history.len() as u64
    }

    /// Appends epochs `from..to`.
    fn append(&self, writer: &Writer, from: usize, to: usize) -> Result<(), String> {
        for epoch in from..to {
            let batches = batches(&self.history[epoch]);
            let append = Append { batches, ..Append::default() };
            let ack = writer.append(append).and_then(Pending::wait).map_err(shown)?;
            equal("the epoch of an append", &ack.epoch, &(epoch as u64))?;
        }
        Ok(())
    }

    fn write(&self, system: &System, sealed: usize) -> Result<(), String> {
        let writer = system.writer().map_err(shown)?;
        let sealed = sealed.min(self.history.len());
        self.append(&writer, 0, sealed)?;
        writer.seal().map_err(shown)?;
        self.append(&writer, sealed, self.history.len())?;
        writer.close().map_err(shown)
    }

    /// The whole log in memory: the first `sealed` epochs in a sealed segment.
    pub(crate) fn in_memory(&self, sealed: usize) -> Result<System, String> {
        let system = System::in_memory();
        self.write(&system, sealed)?;
        Ok(system)
    }

    /// The whole log in a directory: the first `sealed` epochs in a sealed segment.
    pub(crate) fn on_disk(&self, directory: &Path, sealed: usize) -> Result<System, String> {
        let system = System::open(directory);
        self.write(&system, sealed)?;
        Ok(system)
    }

    /// Leaves a batch view of `[0, upto)`. At half of the boundaries, even and odd ones, state that
    /// can stay in files is made epoch by epoch, each of which continues the files of the one
    /// before.
    pub(crate) fn batch(&self, system: &System, upto: usize, w: usize) -> Result<(), String> {
        let memory = (upto / 2).is_multiple_of(2).then_some(1);
        let (cluster, upto) = (Cluster::local(w), Some(upto as u64));
        let options = BatchOptions { cluster, upto, memory, ..BatchOptions::default() };
        system.batch(&self.definition, &options).map(drop).map_err(shown)
    }

    /// Checks every epoch, and the changes from the first to the last.
    pub(crate) fn check_speed_alone(&self, system: &System, w: usize) -> Result<(), String> {
        let what = format!("speed alone, {w} workers");
        let index = self.check(system, Boundary::InPlace(0), Cluster::local(w), &what)?;
        self.check_changes(&index)
    }

    pub(crate) fn check_in_place(&self, system: &System, s: usize, w: usize) -> Result<(), String> {
        let what = format!("history in place up to {s}, {w} workers");
        let boundary = Boundary::InPlace(s as u64);
        self.check(system, boundary, Cluster::local(w), &what).map(drop)
    }

    pub(crate) fn check_restored(&self, system: &System, s: usize, w: usize) -> Result<(), String> {
        let what = format!("restored at {s}, {w} workers");
        let boundary = Boundary::Restore(s as u64);
        self.check(system, boundary, Cluster::local(w), &what).map(drop)
    }

    /// Serves the whole log from the boundary on, and compares every epoch that the index answers.
    pub(crate) fn check(
        &self,
        system: &System,
        boundary: Boundary,
        cluster: Cluster,
        what: &str,
    ) -> Result<Index, String> {
        // What is restored at an odd boundary reads the batch view's rows in place.
        let views_in_files = matches!(boundary, Boundary::Restore(s) if s % 2 == 1);
        let index = IndexOptions { views_in_files, ..IndexOptions::default() };
        let options = ServeOptions::default().boundary(boundary).cluster(cluster).index(index);
        let served = system
            .serve(std::slice::from_ref(&self.definition), options.until(self.upper()))
            .map_err(shown)?;
        let name = self.definition.name();
        served.wait_beyond(name, self.upper() - 1).map_err(|error| format!("{what}: {error}"))?;
        let index = served.index(name).map_err(shown)?;
        served.stop().map_err(shown)?;
        let first = match boundary {
            Boundary::InPlace(s) | Boundary::Restore(s) => s.saturating_sub(1),
            Boundary::Newest => index.boundary().saturating_sub(1),
        };
        self.compare(&index, first, what)?;
        Ok(index)
    }

    /// Compares every epoch of the index from `first` on, oldest last, so that old epochs are also
    /// read after new ones.
    pub(crate) fn compare(&self, index: &Index, first: u64, what: &str) -> Result<(), String> {
        for epoch in (first..self.upper()).rev() {
            let found = answers(index, epoch).map_err(|error| format!("{what}: {error}"))?;
            equal(&format!("{what}, at epoch {epoch}"), &found, &self.answers[epoch as usize])?;
        }
        Ok(())
    }

    /// Checks that the index's changes add up to the answers, epoch by epoch.
    fn check_changes(&self, index: &Index) -> Result<(), String> {
        for (id, view) in index.views().iter().enumerate() {
            let mut changes = index.changes(id, 0).map_err(shown)?;
            let mut all = Vec::new();
            while changes.token().epoch < self.upper() {
                all.extend(
                    changes.next(std::time::Duration::ZERO).map_err(shown)?.into_iter().flatten(),
                );
            }
            let mut rows = ByteRows::new();
            for epoch in 0..self.upper() {
                for change in all.iter().filter(|change| change.epoch == epoch) {
                    let row = [&change.key[..], &change.value[..]].concat();
                    *rows.entry(row).or_default() += change.diff as i64;
                }
                rows.retain(|_, times| *times != 0);
                let expected = &self.answers[epoch as usize][&view.name];
                let what = format!("the changes of {} up to epoch {epoch}", view.name);
                equal(&what, &rows, expected)?;
            }
        }
        Ok(())
    }

    /// Appends while the dataflow is live: events appended before it starts are fed in place.
    pub(crate) fn check_while_appending(&self, chance: u64, w: usize) -> Result<(), String> {
        let before = (chance % (self.upper() + 1)) as usize;
        let what = format!("appended live from {before} on, {w} workers");
        let system = System::in_memory();
        let writer = system.writer().map_err(shown)?;
        self.append(&writer, 0, before)?;
        let options = ServeOptions::default().cluster(Cluster::local(w)).writer(&writer);
        let definitions = std::slice::from_ref(&self.definition);
        let served = system.serve(definitions, options).map_err(shown)?;
        self.append(&writer, before, self.history.len())?;
        let name = self.definition.name();
        served.wait_beyond(name, self.upper() - 1).map_err(|error| format!("{what}: {error}"))?;
        let index = served.index(name).map_err(shown)?;
        self.compare(&index, before.saturating_sub(1) as u64, &what)?;
        served.stop().map_err(shown)
    }
}

/// Serves the dataflows of several logs with the same history in one computation. The first
/// `present` epochs are there when it starts; every dataflow has a batch view at a boundary of its
/// own among them, or none.
pub(crate) fn check_together(
    logs: &[Log],
    boundaries: &[sample::Index],
    present: usize,
    w: usize,
) -> Result<(), String> {
    let system = System::in_memory();
    let writer = system.writer().map_err(shown)?;
    let Some(any) = logs.first() else { return Ok(()) };
    any.append(&writer, 0, present)?;
    let mut first = Vec::new();
    for (log, boundary) in logs.iter().zip(boundaries) {
        let boundary = boundary.index(present + 1);
        if boundary > 0 {
            log.batch(&system, boundary, 1 + boundary % 2)?;
        }
        // Without a batch view, all that is present is history.
        let start = if boundary > 0 { boundary } else { present };
        first.push(start.saturating_sub(1) as u64);
    }
    let definitions: Vec<_> = logs.iter().map(|log| log.definition.clone()).collect();
    let index = IndexOptions { views_in_files: present % 2 == 1, ..IndexOptions::default() };
    let options = ServeOptions::default().cluster(Cluster::local(w)).writer(&writer).index(index);
    let served = system.serve(&definitions, options).map_err(shown)?;
    any.append(&writer, present, any.history.len())?;
    for (log, first) in logs.iter().zip(first) {
        let name = log.definition.name();
        let what = format!("{name} beside others from {first} on, {present} present, {w} workers");
        served.wait_beyond(name, log.upper() - 1).map_err(|error| format!("{what}: {error}"))?;
        log.compare(&served.index(name).map_err(shown)?, first, &what)?;
    }
    served.stop().map_err(shown)
}

/// All views of an index at an epoch, in one snapshot.
pub(crate) fn answers(index: &Index, epoch: u64) -> Result<Answers, String> {
    let snapshot = index.snapshot(Read::AsOf(epoch)).map_err(shown)?;
    let mut all = Answers::new();
    for (id, view) in index.views().iter().enumerate() {
        let mut rows = ByteRows::new();
        for row in snapshot.scan(id) {
            let row = row.map_err(shown)?;
            let bytes = [&row.key[..], &row.value[..]].concat();
            if rows.insert(bytes, row.multiplicity as i64).is_some() {
                return Err(format!("{}: a scan gives a row twice", view.name));
            }
        }
        all.insert(view.name.clone(), rows);
    }
    Ok(all)
}

/// Puts facts into another order.
pub(crate) fn shuffle(facts: &mut [Fact], chance: u64) {
    let mut state = chance | 1;
    for end in (1..facts.len()).rev() {
        facts.swap(end, next(&mut state) as usize % (end + 1));
    }
}

/// The same facts in another order, cut into other epochs, at least one.
pub(crate) fn recut(history: &History, chance: u64) -> History {
    let mut facts = history.concat();
    shuffle(&mut facts, chance);
    let mut state = chance | 1;
    let mut epochs = vec![Vec::new()];
    for fact in facts {
        while next(&mut state) % 5 < 2 {
            epochs.push(Vec::new());
        }
        epochs.last_mut().expect("an epoch").push(fact);
    }
    epochs
}

/// Marsaglia's xorshift, which is random enough for a shuffle.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 8
}

fn equal<T: PartialEq + fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}:\n   found {found:?}\nexpected {expected:?}"))
}

fn shown(error: impl fmt::Display) -> String {
    error.to_string()
}
