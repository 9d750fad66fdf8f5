//! Promise 1, the law: batch = speed continued = index, at every epoch.
//!
//! For every dataflow f, log, s <= t, order of events inside an epoch, and number of workers and
//! processes: `batch(f, log[..t]) == speed(batch(f, log[..s]), log[s..t]) == index.at(t)`. Each
//! case is checked three times, every time at every epoch and against a naive twin (`naive/`):
//!
//! 1. the speed layer alone, from the first epoch on, and the changes it gives out;
//! 2. the events of each epoch in another order, split at s: history fed in place, or through the
//!    files of a batch view that another number of workers wrote;
//! 3. all events in another order, cut into other epochs, appended while they are served.

mod naive;

#[path = "law/subject.rs"]
mod subject;

#[path = "law/run.rs"]
mod run;

#[path = "law/processes.rs"]
mod processes;

#[path = "law/found.rs"]
mod found;

#[path = "law/large.rs"]
mod large;

use naive::generate;
use naive::{History, cases, scaled};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use run::Log;
use subject::Subject;

/// One case: a dataflow, a log, and the places and workers that compute it.
#[derive(Clone, Debug)]
struct Case {
    subject: Subject,
    history: History,
    /// The numbers of workers: alone; in the batch layer; behind the split; with other epochs.
    workers: [usize; 4],
    split: Index,
    place: Place,
    /// The seed of the other orders and other epochs.
    shuffle: u64,
}

/// The place where the halves of a split meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In one computation: history is fed in place.
    Inside,
    /// Through files, in memory.
    Memory,
    /// Through files on a disk.
    Disk,
}

fn case(subject: impl Strategy<Value = (Subject, History)>) -> impl Strategy<Value = Case> {
    let workers = || select(vec![1, 1, 2, 2, 4]);
    let workers = [workers(), workers(), workers(), workers()];
    let place =
        prop_oneof![4 => Just(Place::Inside), 3 => Just(Place::Memory), 1 => Just(Place::Disk)];
    (subject, workers, any::<Index>(), place, any::<u64>()).prop_map(
        |((subject, history), workers, split, place, shuffle)| Case {
            subject,
            history,
            workers,
            split,
            place,
            shuffle,
        },
    )
}

fn builtin(name: String) -> impl Strategy<Value = (Subject, History)> {
    generate::history(&name).prop_map(move |history| (Subject::Builtin(name.clone()), history))
}

fn any_builtin() -> impl Strategy<Value = Case> {
    let names: Vec<_> = dataflows::all().iter().map(|d| d.name().to_owned()).collect();
    case(select(names).prop_flat_map(builtin))
}

fn any_program() -> impl Strategy<Value = Case> {
    let program = naive::program_strategy::program();
    case(
        (program, generate::program_history())
            .prop_map(|(program, history)| (Subject::Random(program), history)),
    )
}

/// The law for one case.
fn holds(case: &Case) -> Result<(), String> {
    let last = case.history.len() - 1;
    let log = Log::new(&case.subject, case.history.clone());
    let system = log.in_memory(last / 2)?;
    log.check_speed_alone(&system, case.workers[0])?;

    let mut reordered = case.history.clone();
    for (epoch, facts) in reordered.iter_mut().enumerate() {
        run::shuffle(facts, case.shuffle ^ epoch as u64);
    }
    let reordered = Log::new(&case.subject, reordered);
    let split = case.split.index(last + 2);
    match case.place {
        Place::Inside => {
            let system = reordered.in_memory(split)?;
            reordered.check_in_place(&system, split, case.workers[2])?;
        }
        Place::Memory | Place::Disk => {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let system = match case.place {
                Place::Disk => reordered.on_disk(directory.path(), split)?,
                _ => reordered.in_memory(split)?,
            };
            let split = split.max(1);
            reordered.batch(&system, split, case.workers[1])?;
            reordered.check_restored(&system, split, case.workers[2])?;
        }
    }

    let recut = Log::new(&case.subject, run::recut(&case.history, case.shuffle));
    if !case.subject.sees_epochs() && recut.answers.last() != log.answers.last() {
        return Err("the naive twin depends on order: mend it".into());
    }
    recut.check_while_appending(case.shuffle, case.workers[3])
}

#[test]
fn builtin_dataflows() {
    cases("law", "builtin_dataflows", scaled(140, 14_000), any_builtin(), holds);
}

#[test]
fn random_programs() {
    cases("law", "random_programs", scaled(116, 11_600), any_program(), holds);
}

/// Every s of one log, for each built-in dataflow, through files.
#[test]
fn every_split() {
    let workers = [1, 2, 4, 2];
    for definition in dataflows::all() {
        let name = definition.name().to_owned();
        let strategy = builtin(name.clone()).prop_filter("long", |(_, h)| h.len() >= 5);
        cases("law", "every_split", scaled(2, 100), strategy, |(subject, history)| {
            let log = Log::new(subject, history[..history.len().min(12)].to_vec());
            let upper = log.history.len();
            let system = log.in_memory(upper / 2)?;
            for split in 1..=upper {
                log.batch(&system, split, workers[split % 3])?;
                log.check_restored(&system, split, workers[split % 3 + 1])?;
                log.check_in_place(&system, split, workers[(split + 1) % 3])?;
            }
            Ok(())
        });
    }
}

/// Epochs without events, before, between and after the others, and logs of nothing else.
#[test]
fn empty_epochs() {
    let subject = Subject::Builtin("bank".into());
    let strategy = generate::history("bank").prop_map(|history| {
        let mut sparse = vec![Vec::new(); history.len() * 3 + 2];
        for (index, epoch) in history.into_iter().enumerate() {
            sparse[index * 3 + 1] = epoch;
        }
        sparse
    });
    cases("law", "empty_epochs", scaled(4, 100), strategy, |history| {
        for history in [history.clone(), vec![Vec::new(); history.len()]] {
            let log = Log::new(&subject, history);
            let upper = log.history.len();
            let system = log.in_memory(upper / 2)?;
            log.check_speed_alone(&system, 2)?;
            log.batch(&system, upper / 2, 2)?;
            log.check_restored(&system, upper / 2, 1)?;
        }
        Ok(())
    });
}

/// All built-in dataflows in one computation over one log. Some are restored at boundaries of their
/// own, the others fed in place; new epochs arrive meanwhile.
#[test]
fn all_dataflows_together() {
    let definitions = dataflows::all();
    let history = |definition: &diptych::dataflow::Definition| generate::history(definition.name());
    let histories: Vec<_> = definitions.iter().map(history).collect();
    let strategy = (histories, prop::collection::vec(any::<Index>(), definitions.len()));
    let strategy = (strategy, 1_usize..5, any::<Index>());
    cases("law", "all_dataflows_together", scaled(12, 1_000), strategy, |case| {
        let ((histories, boundaries), workers, present) = case;
        let epochs = histories.iter().map(Vec::len).max().unwrap_or(0);
        let all = |epoch: usize| histories.iter().filter_map(move |h| h.get(epoch)).flatten();
        let mixed: History = (0..epochs).map(|epoch| all(epoch).cloned().collect()).collect();
        let subjects = definitions.iter().map(|d| Subject::Builtin(d.name().into()));
        let logs: Vec<_> = subjects.map(|subject| Log::new(&subject, mixed.clone())).collect();
        run::check_together(&logs, boundaries, present.index(epochs + 1), *workers)
    });
}

/// The twins notice errors: a wrong function does not pass for the right one.
#[test]
fn a_wrong_function_is_noticed() {
    let wrong: [(&str, fn(&mut diptych::Dataflow<'_>)); 2] = [
        ("words are counted once per line", |df| {
            let words = df.events::<dataflows::Line>("lines").flat_map(|line, out| {
                let words: std::collections::BTreeSet<_> = line.text.split_whitespace().collect();
                out.extend(words.into_iter().map(str::to_owned));
            });
            let counts = words.count("words");
            df.view("counts", counts).columns(&["word", "n"]);
        }),
        ("some words are lost", |df| {
            let lines = df.events::<dataflows::Line>("lines");
            let words = lines.filter(|line| line.text != "a").flat_map(|line, out| {
                out.extend(line.text.split_whitespace().map(str::to_owned));
            });
            let counts = words.count("words");
            df.view("counts", counts).columns(&["word", "n"]);
        }),
    ];
    for (what, function) in wrong {
        let subject = Subject::Wrong("word_count".into(), function);
        let noticed = (0..40).any(|seed| {
            let history = cases::sample(&generate::history("word_count"), seed);
            let log = Log::new(&subject, history);
            let system = log.in_memory(0).expect("a log in memory");
            log.check_speed_alone(&system, 1).is_err()
        });
        assert!(noticed, "nobody noticed that {what}");
    }
}
