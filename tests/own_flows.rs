//! A binary of one's own: `diptych::main` with functions that panic, and with another build's idea
//! of an event type.
//!
//! This test has no harness, because it is that binary: started with `DIPTYCH_OWN_FLOWS` it runs
//! the command line (with `later`: as the program that it became), otherwise it starts itself and looks at what happens.

use std::process::{Command, ExitCode, Output};

use diptych::{Dataflow, Event};

/// A temperature somewhere.
#[derive(Event, Clone, Debug)]
struct Reading {
    place: String,
    celsius: i64,
}

/// Panics in the front at absolute zero.
fn careless(df: &mut Dataflow) {
    let readings = df.events::<Reading>("readings").map(|reading| {
        assert!(reading.celsius > -274, "no such temperature: {}", reading.celsius);
        (reading.place.to_owned(), reading.celsius)
    });
    df.view("sums", readings.sum("sums")).columns(&["place", "sum"]);
}

/// Reads the same stream and minds nothing.
fn careful(df: &mut Dataflow) {
    let places = df.events::<Reading>("readings").map(|reading| reading.place.to_owned());
    df.view("counts", places.count("counts")).columns(&["place", "n"]);
}

/// The program as it was changed later: degrees are a text now.
mod later {
    use diptych::{Dataflow, Event};

    /// The same event, with a column of another type.
    #[derive(Event, Clone, Debug)]
    struct Reading {
        place: String,
        celsius: String,
    }

    pub(crate) fn careful(df: &mut Dataflow) {
        let readings = df.events::<Reading>("readings");
        let texts = readings.map(|reading| format!("{} {}", reading.place, reading.celsius));
        df.view("counts", texts.count("texts")).columns(&["text", "n"]);
    }
}

fn main() -> ExitCode {
    match std::env::var("DIPTYCH_OWN_FLOWS").as_deref() {
        Ok("later") => return diptych::main([("careful", later::careful)]),
        Ok(_) => return diptych::main(diptych::flows![careless, careful]),
        Err(_) => {}
    }
    let place = tempfile::tempdir().expect("a temporary directory");
    let run_as = |build: &str, line: &str| -> Output {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.current_dir(place.path()).env("DIPTYCH_OWN_FLOWS", build);
        command.args(line.split_whitespace()).output().expect("it runs")
    };
    let run = |line: &str| run_as("first", line);
    let write = |name: &str, text: &str| {
        std::fs::write(place.path().join(name), text).expect("a file written");
    };
    write("a.csv", "place,celsius\nRome,20\nOslo,3\n");
    write("b.csv", "place,celsius\nOslo,4\nNowhere,-300\n");

    ok(&run("ingest careful a.csv --data D"));
    ok(&run("batch careless --data D"));
    ok(&run("ingest readings b.csv --data D"));
    println!("test a_panic_names_stream_epoch_and_event ...");
    for line in ["batch careless --data D", "query careless sums --data D"] {
        let output = run(line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(9), "{line}: {said}");
        for word in ["careless", "readings", "epoch 1", "no such temperature: -300"] {
            assert!(said.contains(word), "{line}: {word:?} is not said: {said}");
        }
    }
    println!("test the_batch_view_before_it_stays ...");
    let output = run("query careless sums --data D --as-of 0 --format csv");
    assert_eq!(ok(&output), "place,sum\nOslo,3\nRome,20\n");
    println!("test only_the_dataflow_that_panicked_stops ...");
    let output =
        run("serve careless careful --data D --for 3s --print careful.counts --format csv");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(9), "{said}");
    assert!(said.contains("the others go on"), "{said}");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed, "place,n\nNowhere,1\nOslo,2\nRome,1\n");
    println!("test a_column_of_another_type_is_refused ...");
    for line in [
        "batch careful --data D",
        "query careful counts --data D",
        "serve careful --data D --for 20s",
    ] {
        let output = run_as("later", line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        for word in ["readings", "`celsius` is Int64", "Utf8 in the event type", "upcast"] {
            assert!(said.contains(word), "{line}: {word:?} is not said: {said}");
        }
    }
    // The first program finds everything as it was.
    let output = run("query careful counts --data D --format csv");
    assert_eq!(ok(&output), "place,n\nNowhere,1\nOslo,2\nRome,1\n");
    println!("test result: ok");
    ExitCode::SUCCESS
}

fn ok(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
