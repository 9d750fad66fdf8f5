//! The time a user waits for the compiler: a project of `diptych new` is built again and again with
//! its one file changed, in debug and in release; its dependencies are built before. `whole` is the
//! same when nothing of the project itself was built before.
//!
//! `cargo bench --bench compile_time [-- REPEATS]` (5 by default). The first builds take minutes:
//! all dependencies are compiled, in both profiles, into a folder of their own.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// A result whose error is a message.
type Result<T> = std::result::Result<T, String>;

/// A user's file, and the part that changes in it: a number that the compiler cannot skip.
struct Subject {
    name: &'static str,
    /// None: the file that `diptych new` writes.
    text: Option<fn() -> String>,
    changed: &'static str,
}

const SUBJECTS: [Subject; 3] = [
    Subject { name: "visits", text: None, changed: "top_k(3" },
    Subject { name: "retail", text: Some(retail), changed: "top_k(10" },
    Subject {
        name: "reachability",
        text: Some(|| include_str!("../dataflows/reachability.rs").to_owned()),
        changed: "e.diff",
    },
];

/// Retail in one file, with its events and the checks of their claims.
fn retail() -> String {
    let facts = include_str!("../dataflows/retail/facts.rs");
    let plausible = include_str!("../dataflows/plausible.rs");
    let parts = format!("mod facts {{\n{facts}}}\nmod plausible {{\n{plausible}}}");
    include_str!("../dataflows/retail.rs")
        .replace("use super::plausible", "use self::plausible")
        .replace("mod draw;\n", "")
        .replace("pub use draw::draw;\n", "")
        .replace("mod facts;", &parts)
}

fn main() -> ExitCode {
    let repeats = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(5);
    match measure(repeats) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(repeats: usize) -> Result<()> {
    let cores = available_parallelism().map_or(1, usize::from);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_time");
    fs::create_dir_all(&folder).map_err(|error| told(&folder, &error))?;
    println!("seconds on {cores} cores to build after the one file was changed, {repeats} times");
    println!(
        "{:<14} {:<8} {:>6} {:>6} {:>6} {:>6} target",
        "dataflow", "profile", "whole", "least", "mid", "most"
    );
    for subject in &SUBJECTS {
        let text = project(&folder, subject)?;
        for (profile, target) in [("debug", 20), ("release", 60)] {
            build(&folder, subject, &text, 0, profile)?;
            forget(&folder, subject, profile)?;
            let whole = build(&folder, subject, &text, 0, profile)?.as_secs_f64();
            let mut times = (1..=repeats)
                .map(|change| build(&folder, subject, &text, change, profile))
                .collect::<Result<Vec<_>>>()?;
            times.sort();
            let [least, middle, most] =
                [0, times.len() / 2, times.len() - 1].map(|at| times[at].as_secs_f64());
            let name = subject.name;
            print!("{name:<14} {profile:<8} {whole:>6.1} ");
            println!("{least:>6.1} {middle:>6.1} {most:>6.1} {target:>6}");
        }
    }
    Ok(())
}

/// Makes a project in a folder of its own, and gives the text of its one file.
fn project(folder: &Path, subject: &Subject) -> Result<String> {
    let (name, project) = (subject.name, folder.join(subject.name));
    // The project of an earlier run is removed; the target folder beside it is kept.
    let _ = fs::remove_dir_all(&project);
    run(folder, Command::new(env!("CARGO_BIN_EXE_diptych")).args(["new", name]))?;
    let Some(text) = subject.text else {
        let file = project.join("src/lib.rs");
        return fs::read_to_string(&file).map_err(|error| told(&file, &error));
    };
    // The template's main file is for its own dataflow.
    let main = project.join("src/main.rs");
    let flows = format!("diptych::main([({name:?}, {name}::{name})])");
    fs::write(&main, format!("fn main() -> std::process::ExitCode {{\n    {flows}\n}}\n"))
        .map_err(|error| told(&main, &error))?;
    Ok(text().replace("use differential_dataflow::", "use diptych::differential_dataflow::"))
}

/// Changes the file, and builds.
fn build(
    folder: &Path,
    subject: &Subject,
    text: &str,
    change: usize,
    profile: &str,
) -> Result<Duration> {
    let file = folder.join(subject.name).join("src/lib.rs");
    fs::write(&file, changed(text, subject, change)?).map_err(|error| told(&file, &error))?;
    let begun = Instant::now();
    cargo(folder, subject, &["build"], profile)?;
    Ok(begun.elapsed())
}

/// Removes the build outputs of the project itself.
fn forget(folder: &Path, subject: &Subject, profile: &str) -> Result<()> {
    cargo(folder, subject, &["clean", "--package", subject.name], profile)
}

fn cargo(folder: &Path, subject: &Subject, words: &[&str], profile: &str) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(words).args(["--quiet", "--target-dir"]).arg(folder.join("target"));
    if profile == "release" {
        cargo.arg("--release");
    }
    run(&folder.join(subject.name), &mut cargo)
}

/// The file with its number changed: the result differs for the compiler, and adds nothing.
fn changed(text: &str, subject: &Subject, change: usize) -> Result<String> {
    let old = subject.changed;
    if !text.contains(old) {
        return Err(format!("{}: no {old:?} in its file", subject.name));
    }
    Ok(text.replace(old, &format!("{old} + {change}")))
}

fn run(folder: &Path, command: &mut Command) -> Result<()> {
    // The environment of a user who has set nothing.
    command.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_INCREMENTAL");
    let output = command.current_dir(folder).output();
    let output = output.map_err(|error| told(folder, &error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}\n{said}", output.status))
}

fn told(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
