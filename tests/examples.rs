//! The examples run, and print what they are meant to show.

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
fn several_streams_get_one_epoch() {
    assert_eq!(
        output_of("several_streams"),
        "epoch 1, again 1: repeated true\n\
         order 0 of Ada: 350\n\
         order 1 of Emmy: 80\n"
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

#[test]
fn a_dataflow_answers_inside_somebody_elses_service() {
    let output = output_of("embed_in_axum");
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines.len(), 4, "{output}");
    assert_eq!(lines[0], "201 Created");
    let (before, at) = lines[1].split_once(r#","at":"1~"#).expect("the answer names its history");
    assert_eq!(before, r#"{"epoch":1"#);
    assert_eq!(at[16..], *r#"","accepted":1,"repeated":false,"visible":true}"#);
    assert_eq!(lines[2], "/sold/nails: 42");
    let view = r#"/v1/dataflows/shop/views/sold: {"dataflow":"shop","version":""#;
    assert!(lines[3].starts_with(view), "{output}");
    assert!(lines[3].contains(r#""rows":[{"item":"nails","pieces":42}]"#), "{output}");
}

#[test]
fn a_client_that_repeats_itself_counts_once() {
    assert_eq!(
        output_of("exactly_once_client"),
        "the last one again: true\n\
         200 payments of 100: [{\"account\":\"ada\",\"cents\":20000}]\n"
    );
}

#[test]
fn a_subscriber_goes_on_after_a_kill() {
    assert_eq!(
        output_of("subscribe"),
        "from nothing:\n  \
           snapshot: +1 {\"word\":\"be\",\"n\":1}\n  \
           snapshot: +1 {\"word\":\"to\",\"n\":1}\n\
         from the token:\n  \
           change: -1 {\"word\":\"be\",\"n\":1}\n  \
           change: +1 {\"word\":\"be\",\"n\":2}\n  \
           change: +1 {\"word\":\"not\",\"n\":1}\n  \
           change: +1 {\"word\":\"or\",\"n\":1}\n  \
           change: -1 {\"word\":\"to\",\"n\":1}\n  \
           change: +1 {\"word\":\"to\",\"n\":2}\n  \
           change: +1 {\"word\":\"is\",\"n\":1}\n  \
           change: +1 {\"word\":\"that\",\"n\":1}\n"
    );
}

#[test]
fn a_rebuild_does_not_disturb_readers() {
    assert_eq!(
        output_of("rebuild_while_reading"),
        "10001 events recomputed, boundary F = 2\n\
         10002 events recomputed, boundary F = 3\n\
         10003 events recomputed, boundary F = 4\n\
         read meanwhile: true, torn answers: 0\n"
    );
}

#[test]
fn two_processes_compute_and_serve() {
    assert_eq!(
        output_of("two_processes"),
        "$ ingest lines -\n\
         $ batch words -n 2\n\
         $ serve words -n 2 -w 2 --stdin lines --print words --format csv\n\
         word,n\nbe,3\nis,1\nnot,1\nor,1\nthat,1\nto,3\n\
         $ verify words\n\
         view    rows  digest                            verdict\n\
         ──────  ────  ────────────────────────────────  ───────\n\
         words      6  dede4aa3752fae25cc3ac7ce8ab5cb8c  agrees\n\
         errors     0  00000000000000000000000000000000  agrees\n\
         layers agree\n"
    );
}

#[test]
fn a_source_goes_on_where_the_log_ends() {
    assert_eq!(
        output_of("custom_source"),
        "bytes 0 to 18: 3 lines\n\
         bytes 18 to 26: 1 lines\n\
         bytes 26 to 26: 0 lines\n\
         bytes 26 to 35: 1 lines\n\
         /: 2\n/cart: 2\n/paid: 1\n"
    );
}

#[test]
fn two_paths_err_as_the_book_says() {
    let output = output_of("two_paths");
    let book = include_str!("../src/book/challenges.md");
    assert!(book.contains(&format!("```text\n{output}```\n")), "the book has not: {output}");
}

/// Runs one of several dataflows of an example's command line, on its made-up events.
fn sampled(program: PathBuf, name: &str, flow: &str) -> impl Fn(&[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let call = move |arguments: &[&str]| {
        run(Command::new(&program).args(arguments).arg("--data").arg(dir.path()))
    };
    call(&["sample", name, "--events", "300", "--epochs", "7"]);
    call(&["batch", flow, "-w", "2"]);
    assert!(call(&["verify", flow]).ends_with("layers agree\n"), "{flow}");
    call
}

#[test]
fn the_gallery_is_behind_the_command_line() {
    for name in dataflows::SAMPLED.into_iter().filter(|name| *name != "nexmark") {
        drop(sampled(binary("gallery"), name, name));
    }
    let rings = sampled(binary("gallery"), "fraud", "fraud")(&[
        "query", "fraud", "rings", "--format", "csv",
    ]);
    assert!(rings.starts_with("ring,accounts,"), "{rings}");
}

#[test]
fn nexmark_is_behind_the_command_line() {
    let call = sampled(binary("nexmark"), "nexmark", "nexmark_q4");
    let prices = call(&["query", "nexmark_q4", "prices", "--format", "csv"]);
    assert!(prices.starts_with("category,price\n"), "{prices}");
}

/// Its own tests run here, too: cargo builds an example as a program or as tests, not as both.
#[path = "../examples/test_your_dataflow.rs"]
#[expect(dead_code, reason = "its main is run as a program")]
mod tested_dataflow;

#[test]
fn a_tested_dataflow_runs() {
    assert_eq!(output_of("test_your_dataflow"), "missing: [(\"screws\", -2)]\nmissing: []\n");
}
