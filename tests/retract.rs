//! The law with retractions: an event that a later epoch takes back does not count from that epoch
//! on, in every layer, and answers at earlier epochs stay the same.
//!
//! Random logs in which epochs take earlier events back, sealed and reopened anywhere, for every
//! built-in dataflow and for random programs (which have `latest`, `distinct_by` and folds). A
//! dataflow that cannot undo a retraction stops exactly at the epoch before it; a batch run, a
//! restart and the rebuild beside the readers skip the retracted events.

mod naive;

#[allow(dead_code, reason = "the law needs more of it")]
#[path = "law/subject.rs"]
mod subject;

#[allow(dead_code, reason = "the law needs more of it")]
#[path = "law/run.rs"]
mod run;

use std::time::Duration;

use arrow_array::BooleanArray;
use diptych::log::{Append, FoundEvents, Pending, Reader, Writer};

use diptych::System;
use diptych::system::{BatchOptions, Boundary, Cluster, RebuildOptions, Rebuilt, ServeOptions};
use diptych::time::Epoch;
use naive::{Fact, History, batches, bytes_of, cases, generate, scaled, twins};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use run::Log;
use subject::Subject;

/// One step of a log.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Fact>),
    /// Takes back some facts of one stream, and appends others in the same epoch.
    Retract(Vec<Index>, Vec<Fact>),
    Seal,
    Reopen,
}

#[derive(Clone, Debug)]
struct Case {
    subject: Subject,
    steps: Vec<Step>,
    workers: [usize; 3],
    split: [Index; 2],
}

fn steps(history: impl Strategy<Value = History>) -> impl Strategy<Value = Vec<Step>> {
    let extra = prop_oneof![
        6 => prop::collection::vec(any::<Index>(), 1..5).prop_map(|of| Step::Retract(of, vec![])),
        1 => Just(Step::Seal),
        1 => Just(Step::Reopen),
    ];
    let extra = prop::collection::vec((any::<Index>(), extra, any::<bool>()), 1..6);
    (history, extra).prop_map(|(history, extra)| {
        let mut steps: Vec<_> = history.into_iter().map(Step::Append).collect();
        for (at, step, instead) in extra {
            let at = at.index(steps.len());
            let step = match (step, &mut steps[at]) {
                // What stood there is appended in the same epoch.
                (Step::Retract(of, _), Step::Append(facts)) if instead => {
                    let facts = std::mem::take(facts);
                    Step::Retract(of, facts)
                }
                (step, _) => step,
            };
            steps.insert(at + 1, step);
        }
        steps
    })
}

fn case(subject: impl Strategy<Value = (Subject, Vec<Step>)>) -> impl Strategy<Value = Case> {
    let worker = || select(vec![1, 1, 2, 3]);
    let workers = [worker(), worker(), worker()];
    (subject, workers, [any::<Index>(), any::<Index>()])
        .prop_map(|((subject, steps), workers, split)| Case { subject, steps, workers, split })
}

fn builtin(name: String) -> impl Strategy<Value = (Subject, Vec<Step>)> {
    steps(generate::history(&name)).prop_map(move |s| (Subject::Builtin(name.clone()), s))
}

fn shown(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The contents of a log: the facts of each epoch, and the epoch that took each of them back.
#[derive(Default)]
struct Written {
    facts: Vec<Vec<(Fact, Option<Epoch>)>>,
}

impl Written {
    fn add(&mut self, epoch: Epoch, facts: &[Fact]) {
        // A retraction may be preceded by an empty epoch.
        self.facts.resize(epoch as usize, Vec::new());
        self.facts.push(facts.iter().map(|fact| (fact.clone(), None)).collect());
    }

    /// The facts that count as of an epoch, by epoch.
    fn standing(&self, at: usize) -> History {
        let stands = |by: &Option<Epoch>| by.is_none_or(|by| by > at as Epoch);
        let of = |facts: &Vec<(Fact, Option<Epoch>)>| {
            facts.iter().filter(|(_, by)| stands(by)).map(|(fact, _)| fact.clone()).collect()
        };
        self.facts[..=at].iter().map(of).collect()
    }

    /// Facts of one stream that still count, in the order of the log: epoch, position in the
    /// stream.
    fn choose(&self, of: &[Index]) -> Option<(&'static str, Vec<(usize, usize)>)> {
        let all = self.facts.iter().flatten().filter(|(_, by)| by.is_none());
        let all: Vec<_> = all.map(|(fact, _)| fact.stream()).collect();
        let stream = *all.get(of.first()?.index(all.len().max(1)))?;
        let mut places = Vec::new();
        for (epoch, facts) in self.facts.iter().enumerate() {
            let facts = facts.iter().filter(|(fact, _)| fact.stream() == stream);
            let standing = facts.enumerate().filter(|(_, (_, by))| by.is_none());
            places.extend(standing.map(|(place, _)| (epoch, place)));
        }
        let mut chosen: Vec<_> = of.iter().map(|index| places[index.index(places.len())]).collect();
        chosen.sort_unstable();
        chosen.dedup();
        Some((stream, chosen))
    }

    fn take_back(&mut self, stream: &str, chosen: &[(usize, usize)], by: Epoch) {
        for (epoch, place) in chosen {
            let facts = self.facts[*epoch].iter_mut();
            let (_, gone) = facts
                .filter(|(fact, _)| fact.stream() == stream)
                .nth(*place)
                .expect("it was chosen");
            assert_eq!(gone.replace(by), None);
        }
    }
}

/// The events at these positions.
fn find(reader: &Reader, stream: &str, chosen: &[(usize, usize)]) -> diptych::Result<FoundEvents> {
    let upper = reader.upper()?;
    let mut seen = std::collections::BTreeMap::<Epoch, usize>::new();
    reader.find(stream, 0..upper, |chunk| {
        let wanted = (0..chunk.len()).map(|row| {
            let epoch = chunk.epochs.at(row);
            let place = seen.entry(epoch).or_default();
            *place += 1;
            Some(chosen.contains(&(epoch as usize, *place - 1)))
        });
        Ok(wanted.collect::<BooleanArray>())
    })
}

/// Does one step.
fn step(
    system: &System,
    writer: &mut Writer,
    written: &mut Written,
    one: &Step,
) -> Result<(), String> {
    match one {
        Step::Append(facts) => {
            let append = Append { batches: batches(facts), ..Append::default() };
            let ack = writer.append(append).and_then(Pending::wait).map_err(shown)?;
            written.add(ack.epoch, facts);
        }
        Step::Retract(of, facts) => {
            let instead = Append { batches: batches(facts), ..Append::default() };
            let Some((stream, chosen)) = written.choose(of) else { return Ok(()) };
            let reader = system.reader().map_err(shown)?;
            let found = find(&reader, stream, &chosen).map_err(shown)?;
            if found.len() != chosen.len() {
                return Err(format!("found {} of {chosen:?} in {stream}", found.len()));
            }
            let pending = writer.retract(&found, "a mistake", instead).map_err(shown)?;
            let epoch = pending.wait().map_err(shown)?.epoch;
            written.add(epoch, facts);
            written.take_back(stream, &chosen, epoch);
            let again = writer.retract(&found, "again", Append::default()).map_err(shown)?.wait();
            let again = again.map_err(shown).expect_err("retracted twice");
            if !again.contains("already") {
                return Err(again);
            }
        }
        Step::Seal => drop(writer.seal().map_err(shown)?),
        Step::Reopen => {}
    }
    Ok(())
}

fn log_of(subject: &Subject, written: &Written) -> Log {
    let epochs = 0..written.facts.len();
    let answers = epochs.clone().map(|at| match subject {
        Subject::Builtin(name) if name == "trending" => {
            let standing = written.standing(at).concat();
            let seen = written.facts[..=at].iter().flatten().map(|(fact, _)| fact);
            let (standing, seen): (Vec<_>, Vec<_>) = (standing.iter().collect(), seen.collect());
            let answer = twins::trending(&standing, &seen);
            answer.iter().map(|(name, rows)| (name.clone(), bytes_of(rows))).collect()
        }
        _ => subject.twin(&written.standing(at)),
    });
    let answers = answers.collect();
    let history = epochs.map(|_| Vec::new()).collect();
    Log { definition: subject.definition(), history, answers }
}

fn write(case: &Case) -> Result<(System, Log), String> {
    let system = System::in_memory();
    let mut writer = system.writer().map_err(shown)?;
    let mut written = Written::default();
    for one in &case.steps {
        if let Step::Reopen = one {
            writer.close().map_err(shown)?;
            writer = system.writer().map_err(shown)?;
        }
        step(&system, &mut writer, &mut written, one)?;
    }
    writer.close().map_err(shown)?;
    Ok((system, log_of(&case.subject, &written)))
}

/// Follows the log epoch by epoch; a dataflow may stop, but only at a retraction that it cannot
/// undo, and exactly there.
fn follow(log: &Log, system: &System, boundary: Boundary, w: usize) -> Result<bool, String> {
    let upper = log.answers.len() as Epoch;
    let what = format!("{boundary:?}, {w} workers");
    let options = ServeOptions::default().boundary(boundary).cluster(Cluster::local(w));
    let definitions = std::slice::from_ref(&log.definition);
    let served = system.serve(definitions, options.until(upper)).map_err(shown)?;
    let name = log.definition.name();
    let outcome = served.wait_beyond(name, upper - 1);
    let index = served.index(name).map_err(shown)?;
    let (stood, upto) = match (outcome, served.rebuilding(name)) {
        (Ok(()), None) => (false, upper),
        (Err(_), Some(why)) => {
            let epoch = why.split_whitespace().nth(1).and_then(|epoch| epoch.parse().ok());
            let epoch: Epoch = epoch.ok_or(format!("{what}: {why}"))?;
            while index.frontier() < epoch {
                index.wait_beyond(index.frontier(), Duration::from_millis(10));
            }
            (true, epoch)
        }
        (Err(error), None) => return Err(format!("{what}: {error}")),
        (Ok(()), Some(why)) => return Err(format!("{what}: complete, and yet {why}")),
    };
    if index.frontier() != upto {
        return Err(format!("{what}: at {}, not {upto}", index.frontier()));
    }
    served.stop().map_err(shown)?;
    let first = match boundary {
        Boundary::InPlace(s) | Boundary::Restore(s) => s.saturating_sub(1),
        Boundary::Newest => index.boundary().saturating_sub(1),
    };
    for epoch in first..upto {
        let found = run::answers(&index, epoch).map_err(|error| format!("{what}: {error}"))?;
        let expected = &log.answers[epoch as usize];
        if found != *expected {
            return Err(format!(
                "{what}, epoch {epoch}:\n   found {found:?}\nexpected {expected:?}"
            ));
        }
    }
    Ok(stood)
}

fn inverts(subject: &Subject) -> bool {
    matches!(subject, Subject::Builtin(name) if !["tweets_dedup", "orders"].contains(&&**name))
}

fn holds(case: &Case) -> Result<(), String> {
    let (system, log) = write(case)?;
    let upper = log.answers.len();
    if upper == 0 {
        return Ok(());
    }
    let [one, two, three] = case.workers;
    let mut stood = follow(&log, &system, Boundary::InPlace(0), one)?;
    let in_place = case.split[0].index(upper + 1);
    stood |= follow(&log, &system, Boundary::InPlace(in_place as Epoch), two)?;
    // From the events alone, whatever was taken back.
    log.check_in_place(&system, upper, three)?;
    let split = case.split[1].index(upper) + 1;
    log.batch(&system, split, two)?;
    stood |= follow(&log, &system, Boundary::Restore(split as Epoch), three)?;
    if stood && inverts(&case.subject) {
        return Err("it stood still, though all it accumulates has an inverse".into());
    }
    // What is left to choose is chosen right: a restart, and a batch run that continues another.
    if follow(&log, &system, Boundary::Newest, one)? {
        return Err("a restart stood still".into());
    }
    if split < upper {
        let (upto, cluster) = (Some(upper as Epoch), Cluster::local(three));
        let options = BatchOptions { cluster, upto, incremental: true, ..BatchOptions::default() };
        system.batch(&log.definition, &options).map_err(shown)?;
    }
    follow(&log, &system, Boundary::Restore(upper as Epoch), two).map(drop)
}

#[test]
fn builtin_dataflows() {
    let names: Vec<_> = dataflows::all().iter().map(|d| d.name().to_owned()).collect();
    let strategy = case(select(names).prop_flat_map(builtin));
    cases("retract", "builtin_dataflows", scaled(60, 6_000), strategy, holds);
}

#[test]
fn random_programs() {
    let program = naive::program_strategy::program();
    let history = steps(generate::program_history());
    let subject = (program, history).prop_map(|(program, s)| (Subject::Random(program), s));
    cases("retract", "random_programs", scaled(60, 6_000), case(subject), holds);
}

/// A live dataflow that cannot undo a retraction is recomputed beside its readers, and goes on.
fn mends(case: &Case) -> Result<(), String> {
    let system = System::in_memory();
    let mut writer = system.writer().map_err(shown)?;
    let mut written = Written::default();
    let definition = case.subject.definition();
    let [w, ..] = case.workers;
    let options = ServeOptions::default().cluster(Cluster::local(w));
    let flows = std::slice::from_ref(&definition);
    let served = system.serve(flows, options).map_err(shown)?;
    let options = RebuildOptions { look: Duration::from_millis(2), ..RebuildOptions::default() };
    let (sender, told) = std::sync::mpsc::channel();
    let tell = move |outcome: Rebuilt| drop(sender.send(format!("{outcome:?}")));
    let rebuilds = system.rebuild_under_readers(&served, flows, options, tell).map_err(shown)?;
    let name = definition.name();
    for one in &case.steps {
        if matches!(one, Step::Reopen) {
            continue;
        }
        step(&system, &mut writer, &mut written, one)?;
        let Some(last) = written.facts.len().checked_sub(1) else { continue };
        let serving = served.serving(name).map_err(shown)?;
        let snapshot = serving.snapshot(diptych::serving::Read::Latest);
        // Whatever is seen meanwhile is what it was then.
        if let Some(epoch) = snapshot.ok().and_then(|snapshot| snapshot.epoch())
            && epoch as usize <= last
            && let Ok(found) = run::answers(&serving.index(), epoch)
            && found != case.subject.twin(&written.standing(epoch as usize))
        {
            return Err(format!("at epoch {epoch} while it went on: {found:?}"));
        }
    }
    let Some(last) = written.facts.len().checked_sub(1) else { return Ok(()) };
    served.wait_beyond(name, last as Epoch).map_err(shown)?;
    let index = served.index(name).map_err(shown)?;
    let found = run::answers(&index, last as Epoch)?;
    drop(rebuilds);
    let told: Vec<String> = told.try_iter().collect();
    if found != case.subject.twin(&written.standing(last)) {
        return Err(format!("at the end, after {told:?}: {found:?}"));
    }
    if let Some(failed) = told.iter().find(|told| told.starts_with("Failed")) {
        return Err(failed.clone());
    }
    let began = told.iter().filter(|told| told.starts_with("Recovering")).count();
    let ended = told.iter().filter(|told| told.starts_with("Recovered")).count();
    if inverts(&case.subject) && began > 0 || began != ended {
        return Err(format!("{told:?}"));
    }
    // What it leaves is a checkpoint like any other.
    system.conclude(served).map_err(shown)?;
    writer.close().map_err(shown)?;
    let log = log_of(&case.subject, &written);
    follow(&log, &system, Boundary::Newest, w).map(drop)
}

#[test]
fn what_cannot_be_undone_is_recomputed_beside_its_readers() {
    let names = vec!["tweets_dedup", "orders", "bank"];
    let strategy = case(select(names).prop_flat_map(|name| builtin(name.to_owned())));
    let test = "what_cannot_be_undone_is_recomputed_beside_its_readers";
    cases("retract", test, scaled(16, 1_000), strategy, mends);
}

fn lines(texts: &[&str]) -> Vec<Fact> {
    let line = |text: &&str| dataflows::Line { text: (*text).to_owned() }.into();
    texts.iter().map(line).collect()
}

#[test]
fn what_may_not_be_retracted_is_refused() {
    let system = System::in_memory();
    let mut writer = system.writer().expect("a writer");
    let mut written = Written::default();
    let first = Step::Append(lines(&["a", "b", "a"]));
    step(&system, &mut writer, &mut written, &first).expect("appended");
    let reader = system.reader().expect("a reader");
    let found = find(&reader, "lines", &[(0, 0), (0, 2)]).expect("found");
    let none = find(&reader, "nothing", &[(0, 0)]).expect("an unknown stream has no events");
    let error = writer.retract(&none, "why", Append::default()).expect_err("nothing");
    assert!(error.is_missing(), "{error}");
    let error = writer.retract(&found, "", Append::default()).expect_err("no reason");
    assert!(error.to_string().contains("reason"), "{error}");
    let other = System::in_memory().writer().expect("another log");
    let error = other.retract(&found, "why", Append::default()).expect_err("another log");
    assert!(error.is_conflict() && error.to_string().contains("another log"), "{error}");
    let retract = |writer: &Writer, found: &FoundEvents| {
        writer.retract(found, "twice", Append::default()).and_then(Pending::wait)
    };
    let ack = retract(&writer, &found).expect("retracted");
    let error = retract(&writer, &found).expect_err("twice");
    let text = error.to_string();
    assert!(error.is_conflict() && text.contains("by epoch 1 already"), "{text}");
    // Nor after the writer has been opened again, over frames or a segment.
    for _ in 0..2 {
        writer.seal().expect("sealed");
        writer.close().expect("closed");
        writer = system.writer().expect("reopened");
        assert!(retract(&writer, &found).is_err_and(|error| error.is_conflict()));
        assert!(find(&reader, "lines", &[(0, 0)]).expect("looked").is_empty());
    }
    let all = reader.retractions(0, reader.upper().expect("upper")).expect("retractions");
    let [one] = &all[..] else { panic!("{all:?}") };
    assert_eq!((one.epoch, &*one.reason, one.events.len()), (ack.epoch, "twice", 2));
    let stat = reader.streams();
    assert_eq!((stat[0].rows, stat[0].retracted), (3, 2));
}
