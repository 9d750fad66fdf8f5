//! `verify` names the cause: a function that is not deterministic, or a stored batch view.
//!
//! This test has no harness, because it is the binary with the faulty functions: started with
//! `DIPTYCH_AT_FAULT` it runs the command line (with `later`: as the later program), otherwise it
//! starts itself and checks the output.

use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use dataflows::Line;
use diptych::Dataflow;

/// Nanoseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("after 1970").as_nanos() as i64
}

/// Reads the clock for one kind of line.
fn clocked(df: &mut Dataflow) {
    let lines = df.events::<Line>("lines").map(|line| {
        let n = if line.text.starts_with("when") { now() } else { 1 };
        (line.text.to_owned(), n)
    });
    df.view("sums", lines.sum("sums")).columns(&["line", "sum"]);
    df.version("1");
}

/// Counts its own calls, behind the accumulation.
fn asked(df: &mut Dataflow) {
    static ASKED: AtomicI64 = AtomicI64::new(0);
    let lines = df.events::<Line>("lines").map(|line| line.text.to_owned()).count("lines");
    let counts = lines.map(|(line, n)| (line, n + ASKED.fetch_add(1, Ordering::Relaxed)));
    df.view("counts", counts).columns(&["line", "n"]);
    df.version("1");
}

/// Stays the same, or changes under its old version.
fn careless(df: &mut Dataflow) {
    let later = std::env::var("DIPTYCH_AT_FAULT").is_ok_and(|build| build == "later");
    let lines = df
        .events::<Line>("lines")
        .map(move |line| if later { line.text.to_lowercase() } else { line.text.to_owned() });
    df.view("counts", lines.count("lines")).columns(&["line", "n"]);
    df.version("1");
}

fn main() -> ExitCode {
    if std::env::var_os("DIPTYCH_AT_FAULT").is_some() {
        return diptych::main(diptych::flows![clocked, asked, careless]);
    }
    let place = tempfile::tempdir().expect("a temporary directory");
    let place = place.path();
    // Twelve epochs; the eighth, number 7, has the first line that reads the clock.
    for epoch in 0..12 {
        let mut text = format!("text\nline {epoch}\nLine\n");
        if epoch == 7 {
            text += "when was it\n";
        }
        let name = format!("{epoch}.csv");
        std::fs::write(place.join(&name), text).expect("a file written");
        run(place, "first", &format!("ingest lines {name} --data D"), 0);
    }
    println!("test a_clock_is_named_with_the_epoch_and_the_event ...");
    let fault = "the function is not deterministic: two recomputations from the same events differ \
                 at epoch 11";
    let found = [fault, "sums (when was it, ", "epoch 7 differs, when epoch 6 did not"];
    let event = "lines: text = when was it";
    let alone = run(place, "first", "verify clocked --data D", 1);
    says(&alone, &[&found[..], &[event, "the epoch has 3 events"]].concat());
    says(&alone, &["at most 4 times two computations", "there is no batch view"]);
    println!("test the_same_when_it_was_restored ...");
    run(place, "first", "batch clocked --upto 10 --data D", 0);
    let restored = run(place, "first", "verify clocked --data D -w 2", 1);
    says(
        &restored,
        &[&found[..], &[event, "the batch view at F = 10", "layers DISAGREE"]].concat(),
    );
    let quick = run(place, "first", "verify clocked --data D --no-search", 1);
    says(&quick, &found[..2]);
    assert!(!quick.contains("epoch 7 differs"), "{quick}");
    println!("test a_counter_behind_the_accumulation_is_named ...");
    run(place, "first", "batch asked --data D", 0);
    let counted = run(place, "first", "verify asked --data D", 1);
    says(&counted, &[fault, "epoch 0, the first, differs already", "counts (Line, "]);
    println!("test what_was_stored_is_named_when_two_recomputations_agree ...");
    run(place, "first", "batch careless --upto 9 --data D", 0);
    says(&run(place, "first", "verify careless --data D", 0), &["layers agree"]);
    let later = run(place, "later", "verify careless --data D", 1);
    says(&later, &["two recomputations from the events agree with each other"]);
    says(&later, &["what was stored is wrong", "the batch view at F = 9 differs already"]);
    println!("test serving_says_so_by_itself ...");
    let line = "serve clocked careless --data D --for 3s --verify every=100ms";
    let served = run(place, "first", line, 0);
    says(&served, &["clocked: view sums at epoch 11 is NOT what the events say: digest"]);
    says(&served, &["sums (when was it, ", "careless: 2 views verified at epoch 11"]);
    println!("test result: ok");
    ExitCode::SUCCESS
}

/// The output of a command that must end with this code.
fn run(place: &Path, build: &str, line: &str, code: i32) -> String {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.current_dir(place).env("DIPTYCH_AT_FAULT", build).args(line.split_whitespace());
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    let said = [stdout, stderr].concat();
    let said = String::from_utf8(said).expect("text");
    assert_eq!(status.code(), Some(code), "{line}: {said}");
    said
}

fn says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not said: {said}");
    }
}
