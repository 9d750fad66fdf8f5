//! Deploys a changed program beside the running one: the changes are listed row for row before it
//! serves; then it serves, and the older program takes its place again.
//!
//! This test has no harness, because it is both programs: started with `DIPTYCH_PROGRAM` it runs
//! the command line of the program of that name.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Output, Stdio};

use dataflows::Line;
use diptych::Dataflow;
use diptych::dataflow::Definition;
use diptych::event::Timestamp;
use serde_json::Value;

/// The words that a program counts.
fn words(program: &str, line: &str) -> Vec<String> {
    let words = line.split_whitespace();
    match program {
        "before" => words.map(str::to_owned).collect(),
        _ => words.filter(|word| word.len() < 5).map(str::to_lowercase).collect(),
    }
}

/// A row with values that JSON may get wrong: null, bytes, large numbers, a time.
type Odd = ((Option<String>, u64), (Vec<u8>, i64, Timestamp));

fn odd(line: &str) -> Odd {
    let len = line.len() as u64;
    let text = (!len.is_multiple_of(3)).then(|| format!("\"{line}\"\u{1F600}\n"));
    let at = Timestamp::from_micros(-1_000_000 * line.len() as i64 - 1);
    ((text, u64::MAX - len), (vec![0, 255, line.len() as u8], i64::MIN + line.len() as i64, at))
}

fn flow(program: &'static str) -> Definition {
    Definition::new("tally", move |df: &mut Dataflow<'_>| {
        let lines = df.events::<Line>("lines");
        let counts = lines.clone().flat_map(move |line, out| out.extend(words(program, line.text)));
        df.view("counts", counts.count("words")).columns(&["word", "n"]);
        let odd = lines.map(|line| odd(line.text)).count("odd").map(|(row, _)| row);
        df.view("odd", odd);
        df.version(program);
    })
}

fn broken() -> Definition {
    Definition::new("tally", |df: &mut Dataflow<'_>| {
        let lines = df.events::<Line>("lines").map(|line| {
            assert!(!line.text.contains("question"), "what a question");
            line.text.to_owned()
        });
        df.view("counts", lines.count("lines"));
        df.version("broken");
    })
}

/// The view `counts`, with another key than words.
fn by_length() -> Definition {
    Definition::new("tally", |df: &mut Dataflow<'_>| {
        let lengths = df.events::<Line>("lines").map(|line| line.text.len() as u64);
        df.view("counts", lengths.count("lengths")).columns(&["length", "n"]);
        df.version("by_length");
    })
}

const LINES: [&str; 4] = ["To be or not to be", "that is the question", "be quick", "To BE"];

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.env("DIPTYCH_PROGRAM", program).args(args).stdin(Stdio::null());
    command
}

fn run(program: &str, args: &[&str]) -> Output {
    command(program, args).output().expect("it runs")
}

/// A process that serves; killed when dropped.
struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    fn start(program: &str, args: &[&str]) -> Serving {
        let mut command = command(program, args);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("standard error")).lines();
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| {
            eprintln!("  {program}: {line}");
            line.strip_prefix("HTTP at ").map(|url| url.trim_end_matches('/').to_owned())
        });
        let url = url.expect("an address");
        let program = program.to_owned();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| eprintln!("  {program}: {line}"));
        });
        Serving { child, url }
    }

    fn version(&self) -> String {
        let mut answer = ureq::get(format!("{}/v1/dataflows/tally", self.url)).call();
        let text = answer.as_mut().expect("an answer").body_mut().read_to_string();
        let answer: Value = serde_json::from_str(&text.expect("text")).expect("JSON");
        answer["version"].as_str().expect("a version").to_owned()
    }

    fn ends(mut self) {
        assert!(self.child.wait().expect("an end").success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The count before and after of each word for which they differ, by a plain program.
type Changes = BTreeMap<String, (Option<i64>, Option<i64>)>;

fn expected() -> Changes {
    let counts = |program: &str| {
        let mut counts = BTreeMap::<String, i64>::new();
        for word in LINES.iter().flat_map(|line| words(program, line)) {
            *counts.entry(word).or_default() += 1;
        }
        counts
    };
    let (before, after) = (counts("before"), counts("after"));
    let words = before.keys().chain(after.keys()).cloned();
    let pair = |word: String| {
        let pair = (before.get(&word).copied(), after.get(&word).copied());
        (word, pair)
    };
    words.map(pair).filter(|(_, (before, after))| before != after).collect()
}

/// Checks that the output of `deploy --format json` is exactly that difference.
fn check_difference(printed: &[u8]) {
    let printed = std::str::from_utf8(printed).expect("text");
    let views: Vec<Value> =
        printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let names: Vec<_> = views.iter().map(|view| &view["view"]).collect();
    assert_eq!(names, ["counts", "odd", "errors"], "{printed}");
    let mut found = Changes::new();
    for sample in views[0]["samples"].as_array().expect("samples") {
        let row = |side: &str| -> Option<(String, i64)> {
            let row = sample[side].as_array()?.first()?;
            Some((row["word"].as_str()?.to_owned(), row["n"].as_i64()?))
        };
        let (before, after) = (row("before"), row("after"));
        let word = before.as_ref().or(after.as_ref()).expect("a row").0.clone();
        found.insert(word, (before.map(|(_, n)| n), after.map(|(_, n)| n)));
    }
    assert_eq!(found, expected());
    // Read over HTTP and written again, not a byte of these differs.
    for same in &views[1..] {
        assert_eq!(same["samples"], Value::Array(vec![]), "{same}");
    }
    let counts = ["added", "removed", "changed"].map(|name| views[1][name].as_u64());
    assert_eq!(counts, [Some(0); 3], "{}", views[1]);
}

fn main() -> ExitCode {
    match std::env::var("DIPTYCH_PROGRAM").as_deref() {
        Ok("both") => return diptych::main([flow("before"), flow("after")]),
        Ok("after") => return diptych::main([flow("after")]),
        Ok("by_length") => return diptych::main([by_length()]),
        Ok("broken") => return diptych::main([broken()]),
        Ok(_) => return diptych::main([flow("before")]),
        Err(_) => {}
    }
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("D");
    let data = data.to_str().expect("a path");
    let file = folder.path().join("lines.csv");
    let text = LINES.map(|line| format!("{line}\n")).concat();
    std::fs::write(&file, format!("text\n{text}")).expect("written");
    let file = file.to_str().expect("a path");
    let output = run("before", &["ingest", "lines", file, "--data", data]);
    assert!(output.status.success(), "{output:?}");
    programs_take_turns(data);
    one_program_has_both(data, folder.path());
    println!("test result: ok");
    ExitCode::SUCCESS
}

fn programs_take_turns(data: &str) {
    println!("test what_would_change_is_listed_before_it_serves ...");
    let old =
        Serving::start("before", &["serve", "tally", "--data", data, "--listen", "127.0.0.1:0"]);
    let listen = old.url.trim_start_matches("http://").to_owned();
    let deploy = ["deploy", "tally", "--data", data, "--listen", &listen];
    let look = [&deploy[..], &["--diff-only", "--samples", "100", "--format", "json"]].concat();
    let output = run("after", &look);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    check_difference(&output.stdout);
    println!("test nothing_is_taken_over_unasked ...");
    let output = run("after", &deploy);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--yes"), "{output:?}");
    println!("test a_program_that_panics_takes_nothing_over ...");
    let take = [&deploy[..], &["--yes"]].concat();
    let output = run("broken", &take);
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    assert_eq!(old.version(), "before");
    println!("test columns_that_readers_do_not_expect_are_refused ...");
    let output = run("by_length", &take);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("(word: string") && said.contains("--other-columns"), "{said}");
    assert_eq!(old.version(), "before");
    println!("test it_serves_and_the_older_one_again ...");
    let new = Serving::start("after", &take);
    old.ends();
    assert_eq!((new.version().as_str(), &new.url), ("after", &format!("http://{listen}")));
    let again = Serving::start("before", &take);
    new.ends();
    assert_eq!(again.version(), "before");
    let same = [&deploy[..], &["--diff-only"]].concat();
    let output = run("before", &same);
    assert_eq!(output.status.code(), Some(0), "the same program: {output:?}");
}

fn one_program_has_both(data: &str, folder: &Path) {
    println!("test one_program_exchanges_its_versions ...");
    let both =
        Serving::start("both", &["serve", "tally", "--data", data, "--listen", "127.0.0.1:0"]);
    assert_eq!(both.version(), "before");
    let ask = |path: &str| {
        let request = ureq::post(format!("{}{path}", both.url));
        request.content_type("application/json").send_empty()
    };
    ask("/v1/dataflows/tally/deploy").expect("deployed");
    assert_eq!(both.version(), "after");
    // It is another program's turn, and this one hands over what it has deployed, too.
    let listen = both.url.trim_start_matches("http://").to_owned();
    let take = ["deploy", "tally", "--data", data, "--listen", &listen, "--yes"];
    let last = Serving::start("before", &take);
    assert_eq!(last.version(), "before");
    both.ends();
    let other = folder.join("E");
    let wrong = ["deploy", "tally", "--data", other.to_str().expect("a path"), "--listen", &listen];
    let output = run("before", &wrong);
    assert_eq!(output.status.code(), Some(3), "another directory: {output:?}");
}
