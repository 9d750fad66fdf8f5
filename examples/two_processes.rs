//! How does one dataflow run in two processes? `cargo run --example two_processes`
//!
//! Every binary made with [`diptych::main`] takes `-n 2`: it starts itself twice on this machine.
//! (On two machines: `-n 2 -p 0 --hostfile hosts` on one, `-p 1` on the other, one directory for
//! both.) Here two processes compute a history, then serve it, and one process checks it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use diptych::prelude::*;

#[derive(Event, Clone)]
struct Line {
    text: String,
}

/// `words`: (word) -> the number of occurrences.
fn words(df: &mut Dataflow) {
    let words = df.events::<Line>("lines").flat_map(|line, out| {
        out.extend(line.text.split_whitespace().map(str::to_owned));
    });
    df.view("words", words.count("words")).columns(&["word", "n"]);
}

/// Runs this program with a command line and an input; prints its output.
fn run(data: &Path, words: &str, input: &str) -> std::io::Result<()> {
    println!("$ {words}");
    let mut child = Command::new(std::env::current_exe()?)
        .args(words.split(' '))
        .arg("--data")
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()))?;
    let output = child.wait_with_output()?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    if output.status.success() { Ok(()) } else { Err(std::io::Error::other("it failed")) }
}

fn main() -> std::io::Result<ExitCode> {
    if std::env::args().len() > 1 {
        return Ok(diptych::main([("words", words)]));
    }
    let data = tempfile::tempdir()?;
    let data = data.path();
    run(data, "ingest lines -", "text\nto be or not\nto be\n")?;
    run(data, "batch words -n 2", "")?;
    let more = "{\"text\": \"that is\"}\n{\"text\": \"to be\"}\n";
    run(data, "serve words -n 2 -w 2 --stdin lines --print words --format csv", more)?;
    run(data, "verify words", "")?;
    Ok(ExitCode::SUCCESS)
}
