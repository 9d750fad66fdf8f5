//! The examples run, and print what they are there to show.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::path::PathBuf;
use std::process::Command;

/// The binary of an example; cargo puts it beside the folder of test binaries.
fn binary(example: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let profile = this.parent().and_then(|deps| deps.parent()).unwrap();
    let path = profile.join("examples").join(format!("{example}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{example} is not built: run `cargo build --examples`");
    path
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{command:?}: {}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn output_of(example: &str) -> String {
    run(&mut Command::new(binary(example)))
}

#[test]
fn hello_counts_in_both_layers() {
    assert_eq!(
        output_of("hello"),
        "batch: 3 events before epoch 2\n\
         Ada: 3\n\
         Emmy: 1\n\
         Grace: 1\n"
    );
}

#[test]
fn live_query_reads_its_writes_and_follows_changes() {
    let output = output_of("live_query");
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[..2], ["now: [(70, 1)]", "before: [(100, 1)]"]);
    assert!(output.contains("  epoch 1 +1 nails: 70"), "{output}");
    assert!(output.contains("  epoch 1 -1 nails: 100"), "{output}");
    assert!(output.ends_with("changes up to 2:\n  epoch 2 +1 screws: 5\n"), "{output}");
}

#[test]
fn own_binary_has_every_subcommand() {
    let dir = tempfile::tempdir().unwrap();
    let csv = "at,sensor,celsius\n\
               2024-01-01T10:05:00Z,attic,3\n\
               2024-01-01T10:45:00Z,attic,5\n\
               2024-01-01T11:00:00Z,attic,4\n";
    std::fs::write(dir.path().join("readings.csv"), csv).unwrap();
    let own = |arguments: &[&str]| {
        let data = ["--data", "data"];
        run(Command::new(binary("own_binary")).current_dir(dir.path()).args(arguments).args(data))
    };
    own(&["ingest", "warmest", "readings.csv"]);
    own(&["batch", "warmest"]);
    assert_eq!(
        own(&["query", "warmest", "warmest", "--format", "csv"]),
        "hour,sensor,celsius,readings\n\
         2024-01-01T10:00:00Z,attic,5,2\n\
         2024-01-01T11:00:00Z,attic,4,1\n"
    );
    own(&["verify", "warmest"]);
}

#[test]
fn sessions_follow_late_clicks() {
    assert_eq!(
        output_of("sessions"),
        "two clicks, 50 minutes apart:\n  \
           ada from 2026-01-01T10:00:00Z: 1 clicks\n  \
           ada from 2026-01-01T10:50:00Z: 1 clicks\n  \
           ada from 2026-01-01T10:00:00Z: 1 of 3 steps\n  \
           ada from 2026-01-01T10:50:00Z: 0 of 3 steps\n\
         and a late one between them:\n  \
           ada from 2026-01-01T10:00:00Z: 3 clicks\n  \
           ada from 2026-01-01T10:00:00Z: 3 of 3 steps\n"
    );
}

#[test]
fn a_monoid_of_ones_own_keeps_the_law() {
    assert_eq!(output_of("custom_monoid"), "b: banana\nn: nectar\nthe law holds\n");
}
