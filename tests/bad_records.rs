//! Promise 15: bad records are data; a panic names the event and stops only its dataflow.

use std::collections::BTreeMap;
use std::time::Duration;

use diptych::dataflows::{self, Line};
use diptych::serving::Read;
use diptych::{
    BatchOptions, Boundary, Cluster, Dataflow, Definition, Epoch, ServeOptions, System, append,
};

/// Numbers in a stream of text: what is no number is an error row.
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
        let bad = append(&writer, "lines", &line("boom"))?;
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
        assert!(error.is_panic() && error.to_string().contains("epoch 2"), "{error}");
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

#[test]
fn a_panic_behind_the_barrier_aborts_and_names_dataflow_and_epoch() -> diptych::Result<()> {
    const CHILD: &str = "DIPTYCH_TEST_PANIC_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let system = System::in_memory();
        let writer = system.writer()?;
        let flows = [Definition::new("brittle", brittle)];
        let options = ServeOptions::default().cluster(Cluster::local(2)).writer(&writer);
        let _served = system.serve(&flows, options)?;
        append(&writer, "lines", &[Line { text: "boom".to_owned() }])?;
        std::thread::sleep(Duration::from_secs(20));
        return Ok(());
    }
    let child = std::process::Command::new(std::env::current_exe().expect("a test has a binary"))
        .args(["--exact", "a_panic_behind_the_barrier_aborts_and_names_dataflow_and_epoch"])
        .arg("--nocapture")
        .env(CHILD, "1")
        .output()
        .expect("the test binary runs");
    let message = String::from_utf8_lossy(&child.stderr);
    assert!(!child.status.success(), "{message}");
    for part in ["brittle", "epoch", "a barrier cannot stop me"] {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
    Ok(())
}
