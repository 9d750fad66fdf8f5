//! Signals at moments when there is nothing to finish.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::binary::Place;

const EVENTS: &str = "300000";

/// Sends SIGTERM as soon as the process says where it listens, before its history is fed; returns
/// its messages.
fn stopped_at_once(command: &mut Command) -> String {
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut errors = BufReader::new(child.stderr.take().expect("standard error"));
    let mut line = String::new();
    while !line.starts_with("HTTP at") {
        line.clear();
        assert!(errors.read_line(&mut line).expect("text") > 0, "it has ended");
    }
    std::thread::sleep(Duration::from_millis(50));
    let id = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let signal = rustix::process::Signal::TERM;
    rustix::process::kill_process(id.expect("a process"), signal).expect("a signal");
    let mut said = String::new();
    errors.read_to_string(&mut said).expect("text");
    assert!(child.wait().expect("an end").success(), "{said}");
    said
}

#[test]
fn a_stop_before_it_is_up_says_what_is_so_and_writes_nothing() {
    let place = Place::new();
    place.ok(&format!("sample word_count --data D --events {EVENTS} --epochs 3"));
    let serve = "serve word_count bank --data D --listen 127.0.0.1:0";
    let said = stopped_at_once(&mut place.command(serve));
    assert!(said.contains("word_count: stopped before it was up"), "{said}");
    for never in ["empty", "word_count: checkpoint", "panic", "error"] {
        assert!(!said.contains(never), "{never}: {said}");
    }
    assert!(!place.path().join("D/views/word_count").exists(), "nothing is written of it");
    let made = place.ok("batch word_count --data D").err;
    assert!(made.contains("300,000 events"), "{made}");
    // With a batch view, and nothing since, it is up before anybody can say stop, or it is not:
    // what it says is true in both cases.
    let said = stopped_at_once(&mut place.command(serve));
    assert!(said.contains("word_count: boundary F = 3") || said.contains("before it was up"));
    assert!(!said.contains("empty"), "{said}");
}
