//! Builds the copy and runs its tests, one at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{SWITCH, Test, tree};

/// No test takes so long, also on a busy machine: one that does has hung.
const PATIENCE: Duration = Duration::from_mins(10);
/// How often it is looked whether a test has ended.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes of what a test said that are shown when it is not clear what they mean.
const SHOWN: usize = 6_000;
/// The signal of a process that has aborted itself.
const ABORT: i32 = rustix::process::Signal::ABORT.as_raw();

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    /// Neither: it did not run, did not end, or did not end as tests do.
    Unclear(String),
}

/// How a process ended: with an exit code, or by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Code(i32),
    Signal(i32),
}

/// What the end of a run and its output mean: that one test passed or failed, or nothing.
pub(crate) fn judge(end: End, said: &str) -> Outcome {
    let says = |words: &str| said.contains(words);
    let began = says("running 1 test\n");
    let passed = says("test result: ok. 1 passed; 0 failed;");
    let failed = says("test result: FAILED. 0 passed; 1 failed;");
    match (end, passed, failed) {
        (End::Code(0), true, false) => Outcome::Passed,
        (End::Code(101), false, true) => Outcome::Failed,
        // The process under test is that of the test: a panic that nothing contains ends both.
        (End::Signal(ABORT), false, false) if began => Outcome::Failed,
        _ => {
            let from = said.floor_char_boundary(said.len().saturating_sub(SHOWN));
            Outcome::Unclear(format!("{end:?}: {}", &said[from..]))
        }
    }
}

/// The test programs of the copy, by file.
pub(crate) struct Built {
    tree: PathBuf,
    programs: BTreeMap<String, PathBuf>,
}

impl Built {
    /// Builds these test files, and what they need. Dependencies are those of this test: they are
    /// compiled already, and only found where the build directory is the same.
    pub(crate) fn of(tree: &Path, files: &BTreeSet<&str>) -> Built {
        let (directory, profile) = tree::build_directory();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["test", "--no-run", "--offline", "--locked"]);
        command.arg("--message-format=json-render-diagnostics");
        if profile != "debug" {
            command.args(["--profile", &profile]);
        }
        let features = [
            ("sql", cfg!(feature = "sql")),
            ("abomonation", cfg!(feature = "abomonation")),
            ("full", cfg!(feature = "full")),
        ];
        for (name, _) in features.into_iter().filter(|(_, on)| *on) {
            command.args(["--features", name]);
        }
        command.args(files.iter().flat_map(|file| ["--test", file]));
        // What cargo tells the tests of this package: some dependencies are compiled again when it
        // changes.
        let told =
            |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|of| name.starts_with(of));
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        names.filter(|name| told(name)).for_each(|name| {
            command.env_remove(name);
        });
        // Finished programs have a place of their own: those of this package must stay.
        command.env("CARGO_BUILD_BUILD_DIR", directory);
        command.env("CARGO_TARGET_DIR", tree::place().join("target"));
        let output = command.current_dir(tree).stderr(Stdio::inherit()).output();
        let output = output.expect("cargo runs");
        assert!(output.status.success(), "the copy does not build: {command:?}");
        let mut programs = BTreeMap::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            let name = message["target"]["name"].as_str();
            if let (Some(name), Some(program)) = (name, message["executable"].as_str())
                && message["target"]["kind"][0] == "test"
            {
                programs.insert(name.to_owned(), program.into());
            }
        }
        Built { tree: tree.to_path_buf(), programs }
    }

    /// Runs one test, with a bug or without.
    pub(crate) fn run(&self, test: &Test, bug: Option<&str>) -> Outcome {
        let mut command = Command::new(&self.programs[test.file]);
        command.args([test.name, "--exact", "--test-threads=1"]).current_dir(&self.tree);
        for name in ["DIPTYCH_LONGTEST", "DIPTYCH_SEED", "DIPTYCH_CASES", SWITCH] {
            command.env_remove(name);
        }
        if let Some(bug) = bug {
            command.env(SWITCH, bug);
        }
        if let Some(cases) = test.cases {
            command.env("DIPTYCH_CASES", cases.to_string());
        }
        // A file, not a pipe: what a test has started and not ended may hold it for ever.
        let mut said = tempfile::tempfile().expect("a file");
        let out = || said.try_clone().expect("the file once more");
        command.stdout(out()).stderr(out()).stdin(Stdio::null()).process_group(0);
        let mut child = command.spawn().expect("the test runs");
        let end = wait(&mut child);
        let mut text = Vec::new();
        said.rewind().and_then(|()| said.read_to_end(&mut text)).expect("what it said");
        let text = String::from_utf8_lossy(&text);
        end.map_or_else(|why| Outcome::Unclear(format!("{why}: {text}")), |end| judge(end, &text))
    }
}

/// How it ended, once it has.
fn wait(child: &mut Child) -> Result<End, String> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("a child") {
            let signal = || status.signal().expect("without a code there is a signal");
            return Ok(status.code().map_or_else(|| End::Signal(signal()), End::Code));
        }
        std::thread::sleep(LOOK);
    }
    // With what it has started.
    if let Some(group) = rustix::process::Pid::from_raw(child.id() as i32) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    child.wait().expect("it ends");
    Err(format!("it hung for {PATIENCE:?}"))
}
