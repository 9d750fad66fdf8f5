//! A user's binary: `diptych::main` with functions that panic, and with an event type that another
//! build declares in another way.
//!
//! This test has no harness, because it is that binary: started with `DIPTYCH_OWN_FLOWS` it runs
//! the command line (with `later`: as the later program), otherwise it starts itself and checks the
//! results.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};

use diptych::{Dataflow, Event};

/// A temperature at a place.
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

/// Panics behind the accumulation at absolute zero.
fn reckless(df: &mut Dataflow) {
    let readings = df.events::<Reading>("readings");
    let sums = readings.map(|reading| (reading.place.to_owned(), reading.celsius)).sum("sums");
    let sums = sums.map(|(place, sum)| {
        assert!(sum > -274, "no such sum: {sum}");
        (place, sum)
    });
    df.view("sums", sums).columns(&["place", "sum"]);
}

/// A value that panics when it is dropped by a panic.
struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        assert!(!std::thread::panicking(), "what a panic drops");
    }
}

/// Panics behind the accumulation at absolute zero, in a way that cannot be caught.
fn violent(df: &mut Dataflow) {
    let readings = df.events::<Reading>("readings");
    let sums = readings.map(|reading| (reading.place.to_owned(), reading.celsius)).sum("sums");
    let sums = sums.map(|(place, sum)| {
        let _held = Explosive;
        assert!(sum > -274, "no such sum: {sum}");
        (place, sum)
    });
    df.view("sums", sums).columns(&["place", "sum"]);
}

/// Panics while it is drawn.
fn undrawn(_: &mut Dataflow) {
    panic!("I cannot be drawn");
}

/// Reads the same stream and never panics.
fn careful(df: &mut Dataflow) {
    let places = df.events::<Reading>("readings").map(|reading| reading.place.to_owned());
    df.view("counts", places.count("counts")).columns(&["place", "n"]);
}

/// An event whose missing fields have defaults.
#[derive(Event, Clone, Debug)]
struct Fact {
    #[event(default)]
    text: String,
    opt: Option<String>,
    #[event(default, name = "n")]
    number: i64,
    #[event(default)]
    f: f64,
}

/// Reads the facts as they are.
fn facts(df: &mut Dataflow) {
    let all = df.events::<Fact>("facts").map(|fact| (fact.text.to_owned(), fact.number));
    df.view("facts", all.count("facts")).columns(&["text", "n", "times"]);
}

/// The program as it was changed later: degrees are text now.
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
        Ok("undrawn") => return diptych::main([("undrawn", undrawn)]),
        Ok(_) => {
            return diptych::main(diptych::flows![careless, reckless, violent, careful, facts]);
        }
        Err(_) => {}
    }
    let place = tempfile::tempdir().expect("a temporary directory");
    let run_as = |build: &str, line: &str| -> Output {
        command(place.path(), build, line).output().expect("it runs")
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
    println!("test a_panic_behind_the_accumulation_is_exit_code_9 ...");
    a_panic_behind_the_accumulation_is_exit_code_9(&run);
    let output = run_as("undrawn", "batch undrawn --data D");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(9) && said.contains("I cannot be drawn"), "{said}");
    println!("test a_panic_that_nobody_can_catch_ends_with_a_line_of_ours ...");
    a_panic_that_nobody_can_catch_ends_with_a_line_of_ours(place.path());
    println!("test a_column_of_another_type_is_refused ...");
    a_column_of_another_type_is_refused(place.path());
    println!("test processes_that_do_different_things_refuse ...");
    processes_that_do_different_things_refuse(place.path());
    println!("test processes_over_logs_that_parted_refuse ...");
    write("c.csv", "place,celsius\nRome,1\n");
    write("d.csv", "place,celsius\nRome,2\n");
    processes_over_logs_that_parted_refuse(place.path());
    // The first program finds everything as it was.
    let output = run("query careful counts --data D --format csv");
    assert_eq!(ok(&output), "place,n\nNowhere,1\nOslo,2\nRome,1\n");
    println!("test conditions_choose_what_a_reader_sees ...");
    conditions_choose_what_a_reader_sees(place.path());
    println!("test result: ok");
    ExitCode::SUCCESS
}

/// In both layers.
fn a_column_of_another_type_is_refused(place: &Path) {
    // The checkpoints of `serve` would be refused before the events are read.
    std::fs::remove_dir_all(place.join("D/views/careful")).expect("there are batch views");
    for line in [
        "batch careful --data D",
        "query careful counts --data D",
        "serve careful --data D --for 20s",
    ] {
        let output = command(place, "later", line).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        for word in ["readings", "`celsius` is Int64", "Utf8 in the event type", "upcast"] {
            assert!(said.contains(word), "{line}: {word:?} is not said: {said}");
        }
    }
}

/// For every command, in one process or in several; the other dataflow goes on.
fn a_panic_behind_the_accumulation_is_exit_code_9(run: &dyn Fn(&str) -> Output) {
    let panics = |line: &str| {
        let output = run(line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(9), "{line}: {said}");
        // Of several processes the one that started them speaks last.
        let alone = !line.contains("-n ");
        let last = if alone { said.lines().last().unwrap_or_default() } else { &said };
        for word in ["dataflow \"reckless\"", "operator", "epoch", "no such sum: -300", "mend"] {
            assert!(last.contains(word), "{line}: {word:?} is not said last: {said}");
        }
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for line in ["batch reckless", "batch reckless -w 3", "batch reckless -n 2", "verify reckless"]
    {
        panics(&format!("{line} --data D"));
    }
    panics("query reckless sums --data D");
    panics("query reckless sums --data D --as-of 1");
    panics("changes reckless sums --data D --from 0");
    for (flows, more) in [("reckless careful", "-w 2"), ("careful reckless", "-w 1")] {
        let printed = "--for 3s --print careful.counts --format csv";
        let printed = panics(&format!("serve {flows} --data D {printed} {more}"));
        assert_eq!(printed, "place,n\nNowhere,1\nOslo,2\nRome,1\n");
    }
    // Of several processes all drop it.
    ok(&run("ingest readings a.csv --data E"));
    ok(&run("ingest readings b.csv --data E"));
    let printed = "--for 5s --print careful.counts --format csv";
    let printed = panics(&format!("serve reckless careful --data E -n 2 {printed}"));
    assert_eq!(printed, "place,n\nNowhere,1\nOslo,2\nRome,1\n");
}

/// The text of the panic, and its location, follow when they are asked for.
fn a_panic_that_nobody_can_catch_ends_with_a_line_of_ours(place: &Path) {
    for line in ["batch violent", "serve violent --for 20s", "query violent sums"] {
        for asked in ["0", "1"] {
            let mut command = command(place, "first", &format!("{line} --data D"));
            let output = command.env("RUST_BACKTRACE", asked).output().expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{line}: {said}");
            let at = said.rfind("error: ").unwrap_or_else(|| panic!("{line}: {said}"));
            let (last, below) = said[at..].split_once('\n').expect("a line");
            for word in ["dataflow \"violent\"", "what a panic drops", "mend the destructor"] {
                assert!(last.contains(word), "{line}: {word:?} is not said: {said}");
            }
            assert_eq!(below.contains("panic in a destructor"), asked == "1", "{line}: {said}");
            assert_eq!(below.is_empty(), asked == "0", "{line}: {said}");
        }
    }
}

fn command(place: &Path, build: &str, line: &str) -> Command {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.current_dir(place).env("DIPTYCH_OWN_FLOWS", build).args(line.split_whitespace());
    // Nobody asks for them, unless a test does.
    command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
    command
}

/// Two processes of one computation, of two builds or with different arguments.
fn processes_that_do_different_things_refuse(place: &Path) {
    let cases = [
        ("first", "batch careful --upto 1", "later", "batch careful --upto 1", "(plan "),
        ("first", "batch careful --upto 1", "first", "batch careful --upto 2", "up to epoch 2"),
        ("first", "serve careful --for 20s", "first", "batch careful --upto 1", "is to serve"),
        ("first", "serve careless --for 20s", "first", "serve careful", "restored at epoch 1"),
    ];
    for (build, line, other_build, other_line, word) in cases {
        let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let hosts = ports.each_ref().map(|port| port.local_addr().expect("an address").to_string());
        std::fs::write(place.join("hosts"), hosts.join("\n")).expect("a file written");
        drop(ports);
        let start = |process: u8, build: &str, line: &str| {
            let line = format!("{line} --data D -w 2 -n 2 --hostfile hosts -p {process}");
            let mut command = command(place, build, &line);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts")
        };
        let processes = [start(0, build, line), start(1, other_build, other_line)];
        for process in processes {
            let output = process.wait_with_output().expect("it ends");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(4), "{line} and {other_line}: {said}");
            for word in ["process 0 is to", "process 1 is to", "the same program", word] {
                assert!(said.contains(word), "{line} and {other_line}: {word:?}: {said}");
            }
        }
    }
}

/// Missing fields have their default, zero has no sign, absent and empty have two spellings.
fn conditions_choose_what_a_reader_sees(place: &Path) {
    let run = |line: &str| command(place, "first", line).output().expect("it runs");
    let lines = "{}\n{\"text\": \"\", \"opt\": \"\", \"n\": 0, \"f\": -0.0}\n\
        {\"text\": \"x\", \"opt\": \"y\", \"n\": 1, \"f\": 0}\n{\"opt\": null, \"f\": \"NaN\"}\n";
    std::fs::write(place.join("facts.ndjson"), lines).expect("a file written");
    ok(&run("ingest facts facts.ndjson --data F"));
    for (condition, events) in [
        ("text=", 3),
        ("text:=\"\"", 3),
        ("text:=null", 2),
        ("n=0", 3),
        ("n=", 2),
        ("n:=0", 3),
        ("n=1.0", 1),
        ("f=0", 3),
        ("f=-0.0", 3),
        ("f=NaN", 1),
        ("opt=", 2),
        ("opt:=null", 2),
        ("opt:=\"\"", 1),
        ("opt:=\"y\"", 1),
    ] {
        for command in ["retract facts --reason r", "erase facts"] {
            let line = format!("log {command} --dry-run --data F --where {condition}");
            let output = run(&line);
            ok(&output);
            let said = String::from_utf8_lossy(&output.stderr);
            let counted = format!("{events} event{}", if events == 1 { "" } else { "s" });
            let found = [format!("facts: {counted} would"), format!("run: {counted} of stream")];
            assert!(found.iter().any(|found| said.contains(found)), "{line}: {said}");
        }
    }
    let output = run("log erase facts --data F --where n:=null --where number=0");
    assert_eq!(output.status.code(), Some(2), "the column's name is what the log has");
    ok(&run("log erase facts --data F --where n=0 --where opt:=\"\""));
    let left = ok(&run("query facts facts --data F --format csv"));
    assert_eq!(left, "text,n,times\n\"\",0,2\nx,1,1\n");
}

/// Copies the files of a directory and of its folders.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("a file copied");
        }
    }
}

/// Two processes over copies of a log that were both extended: as many epochs, but different ones.
fn processes_over_logs_that_parted_refuse(place: &Path) {
    for (directory, file) in [("P0", "c.csv"), ("P1", "d.csv")] {
        copy(&place.join("D"), &place.join(directory));
        let line = format!("ingest careful {file} --data {directory}");
        ok(&command(place, "first", &line).output().expect("it runs"));
    }
    for line in ["batch careful", "serve careful --for 20s"] {
        let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let hosts = ports.each_ref().map(|port| port.local_addr().expect("an address").to_string());
        std::fs::write(place.join("hosts"), hosts.join("\n")).expect("a file written");
        drop(ports);
        let processes = [0, 1].map(|process| {
            let line = format!("{line} --data P{process} -w 2 -n 2 --hostfile hosts -p {process}");
            let mut command = command(place, "first", &line);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts")
        });
        let mut all = String::new();
        for process in processes {
            let output = process.wait_with_output().expect("it ends");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "{line}: {said}");
            all += &said;
        }
        let named = all.contains("branch") && all.contains("the processes do not");
        assert!(named, "{line}: {all}");
    }
}

fn ok(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
