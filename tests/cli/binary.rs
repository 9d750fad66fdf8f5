//! Runs the binary in a directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A working directory with a data directory `D` in it.
pub(crate) struct Place(TempDir);

/// The output of a command, and its exit code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl Place {
    pub(crate) fn new() -> Self {
        Place(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and gives its name.
    pub(crate) fn file<'n>(&self, name: &'n str, text: &str) -> &'n str {
        std::fs::write(self.path().join(name), text).expect("a file written");
        name
    }

    /// The command, not yet started.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diptych"));
        command.current_dir(self.path()).args(line.split_whitespace()).stdin(Stdio::null());
        command
    }

    /// Writes an NDJSON file of `count` lines, each with the text that `text` gives.
    pub(crate) fn lines(&self, name: &str, count: usize, text: impl Fn(usize) -> String) {
        let lines: Vec<_> =
            (0..count).map(|n| serde_json::json!({ "text": text(n) }).to_string()).collect();
        self.file(name, &(lines.join("\n") + "\n"));
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, line: &str) -> Ran {
        Ran::of(self.command(line).output().expect("the binary runs"))
    }

    /// Runs a command that must succeed.
    pub(crate) fn ok(&self, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "{line}: {ran:?}");
        ran
    }

    /// Runs a command that must fail with `code`, saying all of `words` on standard error.
    pub(crate) fn refused(&self, line: &str, code: i32, words: &[&str]) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, code, "{line}: {ran:?}");
        for word in words {
            assert!(ran.err.contains(word), "{line}: {word:?} is not said: {}", ran.err);
        }
        ran
    }

    /// Starts a command whose output is collected.
    pub(crate) fn start(&self, line: &str) -> Child {
        let mut command = self.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the binary starts")
    }

    /// The rows of `word_count` as JSON lines.
    pub(crate) fn counts(&self) -> Vec<String> {
        let ran = self.ok("query word_count counts --data D --format json");
        ran.out.lines().map(str::to_owned).collect()
    }

    /// The files of the log with this ending.
    pub(crate) fn log_files(&self, ending: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path().join("D/log")).expect("a log");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let mut paths: Vec<_> =
            paths.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
        paths.sort();
        paths
    }
}

impl Ran {
    pub(crate) fn of(output: Output) -> Ran {
        Ran {
            out: String::from_utf8(output.stdout).expect("output in UTF-8"),
            err: String::from_utf8(output.stderr).expect("messages in UTF-8"),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// Standard output as JSON values, one a line.
    pub(crate) fn json(&self) -> Vec<Value> {
        let lines = self.out.lines();
        lines.map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }
}
