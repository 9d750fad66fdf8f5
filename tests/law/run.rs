//! Runs a dataflow over a log and compares what the index says with the twin's answers.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use diptych::log::{Append, Pending, Writer};
use diptych::serving::{Index, Read};
use diptych::{BatchOptions, Boundary, Cluster, Dataflow, Definition, ServeOptions, System};

use crate::naive::{ByteRows, Fact, History, Program, batches, bytes_of, twins};

/// A dataflow with a twin.
#[derive(Clone)]
pub(crate) enum Subject {
    /// One of `dataflows/`, by name.
    Builtin(String),
    /// Made by chance.
    Random(Program),
    /// A wrong function under the name, and with the twin, of a built-in one.
    Wrong(String, fn(&mut Dataflow<'_>)),
}

/// All views as bytes, by name.
pub(crate) type Answers = BTreeMap<String, ByteRows>;

/// A log, and what every view of its subject must be at every epoch.
pub(crate) struct Log {
    pub(crate) definition: Definition,
    pub(crate) history: History,
    /// `answers[t]` is about the epochs up to and with `t`.
    pub(crate) answers: Vec<Answers>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Builtin(name) => write!(f, "{name}"),
            Subject::Random(program) => program.fmt(f),
            Subject::Wrong(name, _) => write!(f, "not {name}"),
        }
    }
}

impl Subject {
    fn definition(&self) -> Definition {
        match self {
            Subject::Builtin(name) => diptych::dataflows::all()
                .into_iter()
                .find(|definition| definition.name() == name)
                .unwrap_or_else(|| panic!("there is no dataflow {name}")),
            Subject::Random(program) => {
                let program = program.clone();
                Definition::new("random", move |df| program.draw(df))
            }
            Subject::Wrong(name, function) => Definition::new(name.as_str(), *function),
        }
    }

    fn twin(&self, history: &[Vec<Fact>]) -> Answers {
        let epochs = history.iter().enumerate();
        let facts: Vec<(u64, &Fact)> = epochs
            .flat_map(|(epoch, facts)| facts.iter().map(move |fact| (epoch as u64, fact)))
            .collect();
        let answer = match self {
            Subject::Builtin(name) | Subject::Wrong(name, _) => {
                let facts: Vec<&Fact> = facts.into_iter().map(|(_, fact)| fact).collect();
                twins::twin(name, &facts)
            }
            Subject::Random(program) => program.twin(&facts),
        };
        answer.iter().map(|(name, rows)| (name.clone(), bytes_of(rows))).collect()
    }

    /// Whether answers name epochs: those of rejected rows.
    pub(crate) fn sees_epochs(&self) -> bool {
        matches!(self, Subject::Random(_))
    }
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

    /// Leaves a batch view of `[0, upto)`.
    pub(crate) fn batch(&self, system: &System, upto: usize, w: usize) -> Result<(), String> {
        let (cluster, upto) = (Cluster::local(w), Some(upto as u64));
        let options = BatchOptions { cluster, upto, ..BatchOptions::default() };
        system.batch(&self.definition, &options).map(drop).map_err(shown)
    }

    /// Every epoch, and the changes from the first to the last.
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

    /// Serves the whole log from the boundary on, and compares every epoch that can be asked for.
    pub(crate) fn check(
        &self,
        system: &System,
        boundary: Boundary,
        cluster: Cluster,
        what: &str,
    ) -> Result<Index, String> {
        let options = ServeOptions::default().boundary(boundary).cluster(cluster);
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

    /// Compares every epoch of the index from `first` on, oldest last, so that reading an old one
    /// after a new one is exercised too.
    pub(crate) fn compare(&self, index: &Index, first: u64, what: &str) -> Result<(), String> {
        for epoch in (first..self.upper()).rev() {
            let found = answers(index, epoch).map_err(|error| format!("{what}: {error}"))?;
            equal(&format!("{what}, at epoch {epoch}"), &found, &self.answers[epoch as usize])?;
        }
        Ok(())
    }

    /// The changes that the index gives out add up to the answers, epoch by epoch.
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

    /// Appends while the dataflow is live: what is appended before it starts is fed in place.
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

/// Marsaglia's xorshift: chance enough to shuffle.
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
