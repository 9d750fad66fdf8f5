//! Promise 15: bad records are data; a panic names the event and stops only its dataflow.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use dataflows::{self, Line};
use diptych::dataflow::Definition;
use diptych::log::{Append, Chunk};
use diptych::serving::Read;
use diptych::sources::append;
use diptych::system::{BatchOptions, Boundary, Cluster, ServeOptions};
use diptych::time::Epoch;
use diptych::{Dataflow, System};
use serde::{Deserialize, Serialize};

/// Numbers in a stream of text: a text that is not a number is an error row.
fn numbers(df: &mut Dataflow) {
    let numbers = df.events::<Line>("lines").try_map(|line| {
        line.text.parse::<i64>().map_err(|error| format!("{:?}: {error}", line.text))
    });
    // Two barriers behind one fallible operator: an error is reported once.
    let sum = numbers.clone().map(|n| ((), n)).sum("sum");
    let parity = numbers.map(|n| n % 2 == 0).count("parity");
    df.view("sum", sum);
    df.view("parity", parity);
}

/// `n` lines of an epoch, of which one in a hundred is garbage.
fn lines(epoch: Epoch, n: u64) -> Vec<Line> {
    let text = |i: u64| {
        let number = epoch * n + i;
        if number.is_multiple_of(100) {
            format!("garbage {}", number % 7)
        } else {
            number.to_string()
        }
    };
    (0..n).map(|i| Line { text: text(i) }).collect()
}

type Errors = BTreeMap<(Epoch, String, String), i64>;

fn expected(epochs: u64, n: u64) -> (i64, Errors) {
    let (mut sum, mut errors) = (0, Errors::new());
    for epoch in 0..epochs {
        for line in lines(epoch, n) {
            match line.text.parse::<i64>() {
                Ok(number) => sum += number,
                Err(error) => {
                    let reason = format!("{:?}: {error}", line.text);
                    *errors.entry((epoch, "lines".to_owned(), reason)).or_default() += 1;
                }
            }
        }
    }
    (sum, errors)
}

#[test]
fn bad_records_are_the_same_error_rows_in_both_layers() -> diptych::Result<()> {
    let (epochs, n) = (50, 2_000);
    let flow = Definition::new("numbers", numbers);
    let system = System::in_memory();
    let writer = system.writer()?;
    for epoch in 0..epochs {
        append(&writer, "lines", &lines(epoch, n))?;
        if epoch == 30 {
            // From here on the rows of many epochs are read at once.
            writer.seal()?;
        }
    }
    let (sum, errors) = expected(epochs, n);
    assert_eq!(errors.values().sum::<i64>() as u64, epochs * n / 100);
    for (boundary, workers) in [(0, 2), (21, 1), (epochs, 3)] {
        let options = ServeOptions::default()
            .boundary(Boundary::InPlace(boundary))
            .cluster(Cluster::local(workers))
            .until(epochs);
        let served = system.serve(std::slice::from_ref(&flow), options)?;
        served.wait_beyond("numbers", epochs - 1)?;
        let snapshot = served.index("numbers")?.snapshot(Read::Latest)?;
        assert_eq!(snapshot.lookup::<(), i64>("sum", &())?, [(sum, 1)]);
        let rows = snapshot.rows::<(Epoch, String, String), i64>("errors")?;
        let rows: Errors = rows.into_iter().map(|((key, n), _)| (key, n)).collect();
        assert_eq!(rows, errors, "boundary {boundary}, {workers} workers");
    }
    Ok(())
}

/// Panics on a word.
fn touchy(df: &mut Dataflow) {
    let lines = df.events::<Line>("lines").map(|line| {
        assert!(line.text != "boom", "I cannot stand that word");
        line.text.len() as u64
    });
    let lengths = lines.count("lengths");
    df.view("lengths", lengths);
}

#[test]
fn a_panic_in_the_front_stops_only_that_dataflow() -> diptych::Result<()> {
    for workers in [1, 3] {
        let system = System::in_memory();
        let writer = system.writer()?;
        let flows =
            [Definition::new("touchy", touchy), Definition::new("words", dataflows::word_count)];
        let options = ServeOptions::default().cluster(Cluster::local(workers)).writer(&writer);
        let served = system.serve(&flows, options)?;
        let line = |text: &str| [Line { text: text.to_owned() }];
        let good = append(&writer, "lines", &line("fine"))?;
        served.wait_beyond("touchy", good)?;
        // Neither the first nor the last of its epoch.
        let several = ["one", "two", "boom", "three"].map(|text| Line { text: text.to_owned() });
        let bad = append(&writer, "lines", &several)?;
        let after = append(&writer, "lines", &line("fine"))?;

        let error = served.wait_beyond("touchy", after).expect_err("the dataflow panicked");
        assert!(error.is_panic(), "{error}");
        let message = error.to_string();
        for part in ["touchy", "\"lines\"", &format!("epoch {bad}"), "text: boom", "that word"] {
            assert!(message.contains(part), "{message:?} does not say {part:?}");
        }
        // The other dataflow goes on; the panicked one still answers as of before the panic.
        served.wait_beyond("words", after)?;
        let words = served.index("words")?.snapshot(Read::Latest)?;
        assert_eq!(words.lookup::<String, i64>("counts", &"fine".to_owned())?, [(2, 1)]);
        let touchy = served.index("touchy")?;
        assert!(touchy.frontier() <= bad, "epoch {bad} was never completed");
        let lengths = touchy.snapshot(Read::AsOf(good))?;
        assert_eq!(lengths.lookup::<u64, i64>("lengths", &4)?, [(1, 1)]);
        served.stop()?;
    }
    Ok(())
}

#[test]
fn a_batch_run_over_an_event_that_panics_names_it_and_leaves_nothing() -> diptych::Result<()> {
    let system = System::in_memory();
    let writer = system.writer()?;
    for text in ["a", "b", "boom", "c"] {
        append(&writer, "lines", &[Line { text: text.to_owned() }])?;
    }
    let flow = Definition::new("touchy", touchy);
    for workers in [1, 2] {
        let options = BatchOptions { cluster: Cluster::local(workers), ..BatchOptions::default() };
        let error = system.batch(&flow, &options).expect_err("the function panics");
        let message = error.to_string();
        assert!(error.is_panic() && message.contains("epoch 2"), "{message}");
        assert!(message.contains("text: boom"), "{message}");
        // Then from a segment, whose rows are read at once.
        writer.seal()?;
        let (found, _) = system.newest(&flow.describe()?, 4)?;
        assert!(found.is_none(), "a batch view was left behind");
    }
    Ok(())
}

/// Panics behind the barrier.
fn brittle(df: &mut Dataflow) {
    let words = df.events::<Line>("lines").map(|line| line.text.to_owned()).count("words");
    let checked = words.map(|(word, n)| {
        assert!(word != "boom", "a barrier cannot stop me");
        (word, n)
    });
    df.view("words", checked);
}

fn line(text: &str) -> [Line; 1] {
    [Line { text: text.to_owned() }]
}

/// The error names the dataflow, an operator, the epoch, and the panic's message.
fn names(error: &diptych::Error, dataflow: &str, epoch: &str) {
    assert!(error.is_panic() && error.exit_code() == 9, "{error}");
    let message = error.to_string();
    for part in [&format!("dataflow {dataflow:?}"), "operator \"FlatMap\"", "cannot stop me"] {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
    // A worker may not have heard yet that others are done with the epochs before.
    let last = epoch.trim_start_matches("epoch ");
    let among = message.contains("epochs ") && message.contains(&format!(" to {last}: "));
    assert!(message.contains(epoch) || among, "{message:?} does not say {epoch:?}");
}

#[test]
fn a_panic_behind_the_barrier_stops_only_that_dataflow() -> diptych::Result<()> {
    // Wherever it stands among the others, it is the one that is blamed.
    for (place, workers) in [(0, 1), (1, 2), (2, 3)] {
        let system = System::in_memory();
        let writer = system.writer()?;
        let mut flows = vec![
            Definition::new("words", dataflows::word_count),
            Definition::new("more_words", dataflows::word_count),
        ];
        flows.insert(place, Definition::new("brittle", brittle));
        let options = ServeOptions::default().cluster(Cluster::local(workers)).writer(&writer);
        let served = system.serve(&flows, options)?;
        let good = append(&writer, "lines", &line("fine"))?;
        served.wait_beyond("brittle", good)?;
        let bad = append(&writer, "lines", &line("boom"))?;
        let error = served.wait_beyond("brittle", bad).expect_err("the dataflow panicked");
        names(&error, "brittle", &format!("epoch {bad}"));
        let mut last = bad;
        for _ in 0..100 {
            last = append(&writer, "lines", &line("fine"))?;
        }
        for other in ["words", "more_words"] {
            served.wait_beyond(other, last)?;
            assert!(served.failure(other).is_none());
            let words = served.index(other)?.snapshot(Read::Latest)?;
            assert_eq!(words.lookup::<String, i64>("counts", &"fine".to_owned())?, [(101, 1)]);
        }
        let brittle = served.index("brittle")?;
        assert_eq!(brittle.frontier(), bad, "it stands still at the epoch before");
        let words = brittle.snapshot(Read::Latest)?;
        assert_eq!(words.lookup::<String, i64>("words", &"fine".to_owned())?, [(1, 1)]);
        served.stop()?;
    }
    Ok(())
}

#[test]
fn every_run_beside_what_serves_is_ended_by_a_panic_with_an_error() -> diptych::Result<()> {
    let flow = Definition::new("brittle", brittle);
    let system = System::in_memory();
    let writer = system.writer()?;
    append(&writer, "lines", &line("fine"))?;
    append(&writer, "lines", &line("boom"))?;
    append(&writer, "lines", &line("fine"))?;
    for workers in [1, 3] {
        let cluster = Cluster::local(workers);
        let batch = BatchOptions { cluster: cluster.clone(), ..BatchOptions::default() };
        let refused = system.batch(&flow, &batch).expect_err("a batch run");
        names(&refused, "brittle", "all that was before epoch 3");
        let refused = system.as_of(&flow, 1, cluster.clone()).map(|_| ());
        names(&refused.expect_err("an epoch of the past"), "brittle", "before epoch 2");
        for from_scratch in [true, false] {
            let fresh = system.recompute(&flow, 3, cluster.clone(), from_scratch);
            names(&fresh.map(|_| ()).expect_err("a recomputation"), "brittle", "before epoch 3");
        }
        let served = ServeOptions::default().boundary(Boundary::InPlace(0)).until(3);
        let served = system.serve(std::slice::from_ref(&flow), served.cluster(cluster))?;
        let refused = served.wait_beyond("brittle", 2).expect_err("a replay");
        names(&refused, "brittle", "epoch");
    }
    assert!(system.as_of(&flow, 0, Cluster::local(2)).is_ok(), "the epoch before is there");
    let (found, _) = system.newest(&flow.describe()?, 3)?;
    assert!(found.is_none(), "a batch view was left behind");
    Ok(())
}

/// The number of threads of this process.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

#[test]
fn runs_that_panic_leave_no_thread_behind() -> diptych::Result<()> {
    let flow = Definition::new("brittle", brittle);
    let system = System::in_memory();
    let writer = system.writer()?;
    append(&writer, "lines", &line("boom"))?;
    // Other tests of this binary have threads, too, but not a hundred.
    let before = threads();
    for _ in 0..100 {
        let fresh = system.recompute(&flow, 1, Cluster::local(3), true).map(|_| ());
        assert!(fresh.expect_err("it panics").is_panic());
    }
    let after = threads();
    assert!(after < before + 100, "{before} threads before, {after} after");
    Ok(())
}

/// Panics when a version of it is drawn.
fn undrawn(_: &mut Dataflow) {
    panic!("I cannot be drawn");
}

#[test]
fn a_function_that_panics_while_it_is_drawn_is_an_error() {
    let error = Definition::new("undrawn", undrawn).describe().expect_err("it panics");
    assert!(error.is_panic() && error.to_string().contains("I cannot be drawn"), "{error}");
}

#[test]
fn a_start_leaves_out_what_was_taken_back_whatever_checkpoint_is_there() -> diptych::Result<()> {
    let flows =
        [Definition::new("brittle", brittle), Definition::new("words", dataflows::word_count)];
    for workers in [1, 2] {
        let system = System::in_memory();
        let writer = system.writer()?;
        let options = || ServeOptions::default().cluster(Cluster::local(workers)).writer(&writer);
        append(&writer, "lines", &line("fine"))?;
        system.batch(&flows[0], &BatchOptions::default())?;
        append(&writer, "lines", &line("fine"))?;
        let bad = append(&writer, "lines", &line("boom"))?;

        // It stands still at the epoch before, the other goes on: also after a start.
        let served = system.serve(&flows, options())?;
        served.wait_beyond("words", bad)?;
        assert!(served.wait_beyond("brittle", bad).expect_err("it panics").is_panic());
        let stands = served.index("brittle")?;
        assert!((1..=bad).contains(&stands.frontier()), "at {}", stands.frontier());
        served.stop()?;

        let of_it = |chunk: &Chunk| Ok((0..chunk.len()).map(|_| Some(true)).collect());
        let found = system.reader()?.find("lines", bad..bad + 1, of_it)?;
        writer.retract(&found, "a typing error", Append::default())?.wait()?;
        let last = append(&writer, "lines", &line("late"))?;
        for _ in 0..2 {
            let served = system.serve(&flows, options())?;
            served.wait_beyond("brittle", last)?;
            let words = served.index("brittle")?.snapshot(Read::Latest)?;
            let rows = words.rows::<String, i64>("words")?;
            assert_eq!(rows, [(("fine".to_owned(), 2), 1), (("late".to_owned(), 1), 1)]);
            served.stop()?;
        }
    }
    Ok(())
}

/// A word that panics when it is compared once it is "unordered".
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Word(String);

impl Ord for Word {
    fn cmp(&self, other: &Self) -> Ordering {
        let odd = |word: &Word| word.0 == "unordered";
        assert!(!odd(self) && !odd(other), "I have no place in an order");
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Word {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Panics behind the barrier, in one of several ways.
fn fragile(df: &mut Dataflow) {
    let words = df.events::<Line>("lines").map(|line| Word(line.text.to_owned())).count("words");
    let lengths = words.map(|(word, n)| {
        if word.0 == "number" {
            std::panic::panic_any(7);
        }
        (word.0.len() as u64, (word, n))
    });
    let most = lengths.reduce(|_, rows, output| {
        assert!(rows.iter().all(|(row, _)| row.0.0 != "reduce"), "a reduction cannot stop me");
        output.push((rows.len() as i64, 1));
    });
    df.view("lengths", most);
}

#[test]
fn whatever_panics_behind_the_barrier_stops_only_that_dataflow() -> diptych::Result<()> {
    let ways = [
        ("reduce", "a reduction cannot stop me"),
        ("number", "a panic without a message"),
        ("unordered", "I have no place in an order"),
    ];
    for (way, says) in ways {
        let system = System::in_memory();
        let writer = system.writer()?;
        // Two at once, on either side of one that does not panic.
        let flows = [
            Definition::new("one", fragile),
            Definition::new("words", dataflows::word_count),
            Definition::new("two", fragile),
        ];
        let options = ServeOptions::default().cluster(Cluster::local(2)).writer(&writer);
        let served = system.serve(&flows, options)?;
        // One of the same length, so that both are looked at together.
        let good = append(&writer, "lines", &line(&"x".repeat(way.len())))?;
        served.wait_beyond("one", good)?;
        served.wait_beyond("two", good)?;
        let bad = append(&writer, "lines", &line(way))?;
        let last = append(&writer, "lines", &line("fine"))?;
        served.wait_beyond("words", last)?;
        for name in ["one", "two"] {
            let error = served.wait_beyond(name, last).expect_err("it panicked");
            let message = error.to_string();
            for part in [&format!("dataflow {name:?}"), "operator \"", &bad.to_string(), says] {
                assert!(message.contains(part), "{way}: {message:?} does not say {part:?}");
            }
            let index = served.index(name)?;
            assert_eq!(index.frontier(), bad, "{way}: {name} stands still at {good}");
            let lengths = index.snapshot(Read::Latest)?.rows::<u64, i64>("lengths")?;
            assert_eq!(lengths, [((way.len() as u64, 1), 1)]);
        }
        let words = served.index("words")?.snapshot(Read::Latest)?;
        assert_eq!(words.lookup::<String, i64>("counts", &way.to_owned())?, [(1, 1)]);
        served.stop()?;
    }
    Ok(())
}
