//! Wrong input, damage and conflicts: each message names the place and the remedy, each exit code
//! the kind, and nothing is half done.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use super::binary::{Place, Ran};

fn one_line() -> Place {
    let place = Place::new();
    place.file("a.ndjson", "{\"text\":\"to be\"}\n");
    place.ok("ingest lines a.ndjson --data D");
    place
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let place = one_line();
    place.refused("batch words --data D", 3, &["\"words\"", "word_count, tweets"]);
    place.refused("query word_count count --data D", 3, &["\"count\"", "it publishes counts"]);
    place.refused("ingest nothing a.ndjson --data D", 3, &["\"nothing\"", "word_count"]);
    place.refused("ingest orders.tweets a.ndjson --data D", 3, &["orders, customers"]);
    place.refused("ingest orders a.ndjson --data D", 2, &["several streams", "--stream"]);
    place.refused("query word_count counts", 2, &["--data"]);
    place.refused("serve word_count --data D --print bank.total", 3, &["not served"]);
}

#[test]
fn epochs_that_are_not_there_are_refused() {
    let place = one_line();
    place.refused("query word_count counts --data D --as-of 1", 3, &["epoch 1", "[0, 1)"]);
    place.refused("query word_count counts --data D --as-of=-1", 2, &["--as-of", "-1"]);
    place.refused("changes word_count counts --data D --from 5", 3, &["[0, 1)", "sealed"]);
    place.refused("batch word_count --data D --upto 9", 2, &["epoch 9", "sealed epoch"]);
    let empty = Place::new();
    empty.refused("query word_count counts --data D", 3, &["D/log"]);
    empty.refused("batch word_count --data D", 3, &["D/log"]);
}

#[test]
fn a_key_of_the_wrong_type_names_its_column() {
    let place = Place::new();
    place.file("t.ndjson", "");
    place.ok("ingest tweets t.ndjson --data D");
    let line = "query tweets top_tags --data D --key noon";
    place.refused(line, 2, &["\"hour\"", "\"noon\"", "timestamp"]);
    let line = "query tweets top_tags --data D --key-json [1";
    place.refused(line, 2, &["--key-json", "list"]);
}

#[test]
fn a_bad_file_names_line_and_column_and_appends_nothing() {
    let place = Place::new();
    place.file("h.csv", "id,from_account,to_account,ts\n1,2,3,4\n");
    place.refused("ingest bank h.csv --data D", 2, &["h.csv", "line 1", "`amount`", "missing"]);
    let header = "id,from_account,to_account,amount,ts\n";
    place.file("n.csv", &format!("{header}1,2,3,4,5\n2,2,3,many,5\n"));
    place.refused("ingest bank n.csv --data D", 2, &["line 3", "`amount`", "`many`", "mend"]);
    let stat = place.ok("log stat --data D");
    assert!(stat.err.contains("epochs [0, 0)"), "{}", stat.err);
    let ran = place.ok("ingest bank n.csv --data D --on-error skip");
    assert!(
        ran.err.contains("1 event in stream") && ran.err.contains("n.csv.errors.ndjson"),
        "{}",
        ran.err
    );
    let errors = std::fs::read_to_string(place.path().join("n.csv.errors.ndjson"));
    assert!(errors.is_ok_and(|text| text.contains("\"line\":3") && text.contains("many")));
    place.refused("ingest bank none.csv --data D", 3, &["none.csv"]);
}

#[test]
fn a_second_writer_is_told_who_is_the_first() {
    let place = one_line();
    let mut first = place.start("serve word_count --data D --stdin lines");
    let pid = first.id().to_string();
    // The first has the lock when its first line is in the log.
    let mut input = first.stdin.take().expect("a pipe");
    input.write_all(b"{\"text\":\"or not\"}\n").expect("written");
    while !place.run("log stat --data D").err.contains("epochs [0, 2)") {
        std::thread::sleep(Duration::from_millis(20));
    }
    place.refused("ingest lines a.ndjson --data D", 4, &["LOCK", &pid, "one process writes"]);
    drop(input);
    let ran = Ran::of(first.wait_with_output().expect("it ends"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("standard input has ended after 1 event"), "{}", ran.err);
    assert_eq!(place.counts().len(), 4);
}

#[test]
fn a_bad_line_on_standard_input_is_named_and_those_before_it_count() {
    let place = one_line();
    let mut serve = place.start("serve word_count --data D --stdin lines --on-error stop");
    let mut input = serve.stdin.take().expect("a pipe");
    input.write_all(b"{\"text\":\"or not\"}\n{\"txt\":\"x\"}\n").expect("written");
    let ran = Ran::of(serve.wait_with_output().expect("it ends"));
    drop(input);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("standard input: line 2: column `text`"), "{}", ran.err);
    assert!(ran.err.contains("--on-error skip"), "{}", ran.err);
    assert_eq!(place.counts().len(), 4);
}

#[test]
fn bad_lines_on_standard_input_end_nothing() {
    let place = one_line();
    let mut serve = place.start("serve word_count --data D --stdin lines");
    let mut input = serve.stdin.take().expect("a pipe");
    input.write_all(b"{\"text\":\"or not\"}\n").expect("written");
    input.write_all("2026-11-28 WARN rotated\n".repeat(100).as_bytes()).expect("written");
    input.write_all(b"\xff\xfe\n{\"text\":\"not").expect("written");
    input.write_all(b" lost\"}\n{\"text\":").expect("no broken pipe");
    drop(input);
    let ran = Ran::of(serve.wait_with_output().expect("it ends"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err.contains("standard input: line 2: `2026-11-28 WARN rotated` is not"),
        "{ran:?}"
    );
    assert_eq!(ran.err.matches("it is skipped").count(), 10, "a few are enough: {}", ran.err);
    assert!(ran.err.contains("92 more lines were skipped"), "{}", ran.err);
    assert!(ran.err.contains("102 of its lines were no records"), "{}", ran.err);
    assert!(ran.err.contains("standard input has ended after 2 events"), "{}", ran.err);
    let words = place.counts().concat();
    assert!(words.contains("\"lost\"") && words.contains("\"not\",\"n\":2"), "{words}");
}

#[test]
fn a_log_of_a_newer_format_is_left_alone() {
    let place = one_line();
    let manifest = place.path().join("D/log/MANIFEST");
    let mut bytes = std::fs::read(&manifest).expect("a manifest");
    bytes[8] += 8;
    std::fs::write(&manifest, bytes).expect("written");
    for line in ["query word_count counts --data D", "ingest lines a.ndjson --data D"] {
        place.refused(line, 6, &["MANIFEST", "format"]);
    }
}

#[test]
fn damage_in_the_middle_is_named_by_file_and_offset() {
    let place = one_line();
    place.file("b.ndjson", "{\"text\":\"that is\"}\n");
    place.ok("ingest lines b.ndjson --data D");
    let writer = diptych::System::open(place.path().join("D")).writer().expect("a writer");
    writer.seal().expect("a sealed segment");
    writer.close().expect("closed");
    let file = place.log_files(".arrow").pop().expect("a segment");
    let mut bytes = std::fs::read(&file).expect("a segment");
    let text = bytes.windows(5).position(|word| word == b"to be").expect("the text");
    bytes[text] ^= 1;
    std::fs::write(&file, bytes).expect("written");
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    for line in
        ["query word_count counts --data D", "batch word_count --data D", "log check --data D"]
    {
        let ran = place.run(line);
        assert_eq!(ran.code, 5, "{line}: {ran:?}");
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains(name) && said.contains("byte"), "{line}: {said}");
    }
    // Nothing was left half done.
    assert!(
        std::fs::read_dir(place.path().join("D/views/word_count")).is_err() || {
            let ran = place.run("query word_count counts --data D");
            ran.code == 5
        }
    );
}

#[test]
fn an_ingest_that_was_killed_is_completed_exactly_once() {
    let place = Place::new();
    place.lines("big.ndjson", 400_000, |n| format!("w{} all", n % 1000));
    let mut killed = 0;
    for round in 0..40_u64 {
        let mut ingest = place.start("ingest lines big.ndjson --data D");
        let begun = std::time::Instant::now();
        // Checking comes first; kill when a part has been appended.
        let partly = loop {
            if ingest.try_wait().expect("a status").is_some() {
                break false;
            }
            let stat = place.run("log stat --data D --format csv");
            if stat.out.contains("lines,") || begun.elapsed() > Duration::from_mins(1) {
                break true;
            }
        };
        std::thread::sleep(Duration::from_millis(round));
        killed += u64::from(partly && ingest.kill().is_ok());
        let status = ingest.wait().expect("a status");
        if status.success() {
            break;
        }
    }
    assert!(killed > 0, "nothing was killed");
    place.ok("ingest lines big.ndjson --data D");
    let ran = place.ok("ingest lines big.ndjson --data D");
    assert!(ran.err.contains("nothing to do, all of it (400,000 events)"), "{}", ran.err);
    let all = place.ok("query word_count counts --data D --key all --format csv");
    assert_eq!(all.out, "word,n\nall,400000\n");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    place.lines("a.ndjson", 50_000, |n| format!("word{n}"));
    place.ok("ingest lines a.ndjson --data D");
    let binary = env!("CARGO_BIN_EXE_diptych");
    let script = format!(
        "'{binary}' query word_count counts --data D --format csv | head -n 1; \
                          echo ${{PIPESTATUS[0]}}"
    );
    let ran = Command::new("bash").arg("-c").arg(script).current_dir(place.path()).output();
    let ran = Ran::of(ran.expect("bash runs"));
    assert_eq!(ran.out, "word,n\n0\n", "{}", ran.err);
}

#[test]
fn an_ingest_that_filled_the_disk_is_completed_exactly_once_when_there_is_space() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("D")).expect("a directory");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs", "D"])
        .current_dir(place.path())
        .output();
    if !mounted.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped: cannot mount a tmpfs here ({mounted:?})");
        return;
    }
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fill_and_free(&place)));
    let unmount = Command::new("umount").arg("D").current_dir(place.path()).status();
    assert!(unmount.expect("umount runs").success());
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn fill_and_free(place: &Place) {
    const EVENTS: u64 = 90_000;
    // Of eight megabytes two are free, then four, then all; the file needs more than six.
    let ballast = |megabytes: usize| place.path().join(format!("D/ballast{megabytes}"));
    for megabytes in [2, 4] {
        std::fs::write(ballast(megabytes), vec![1; megabytes << 20]).expect("ballast");
    }
    place.file("a.ndjson", "{\"text\":\"first all\"}\n");
    place.ok("ingest lines a.ndjson --data D");
    // Six appends of a megabyte each.
    let word = |n: usize| (n as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    place.lines("big.ndjson", EVENTS as usize, |n| {
        format!("all {:032x}{:032x}", word(n), word(n).wrapping_mul(word(n + 7)))
    });
    let all = || {
        let ran = place.ok("query word_count counts --data D --key all --format json");
        ran.json()[0]["n"].as_u64().expect("a count")
    };
    let (mut kept, mut partly) = (1, false);
    for megabytes in [2, 4] {
        place.refused("ingest lines big.ndjson --data D", 7, &["D/log/", "free some space"]);
        let check = place.ok("log check --data D");
        assert!(check.out.contains("whole"), "{check:?}");
        let now = all();
        assert!((kept..=EVENTS).contains(&now), "{now} events, and {kept} before");
        kept = now;
        partly |= kept > 1;
        std::fs::remove_file(ballast(megabytes)).expect("freed");
    }
    assert!(partly, "each try appended nothing");
    place.ok("ingest lines big.ndjson --data D");
    let ran = place.ok("ingest lines big.ndjson --data D");
    assert!(ran.err.contains("nothing to do, all of it (90,000 events)"), "{}", ran.err);
    assert_eq!(all(), EVENTS + 1);
}

/// An argument may have control characters, too; a script takes it from anywhere.
#[test]
fn what_is_wrong_with_a_command_line_neither_drives_the_terminal_nor_adds_lines() {
    let place = Place::new();
    let typed = "\u{1b}]0;owned\u{7}\u{1b}[31mred\u{9b}2J\u{202e}\nerror: all is lost";
    let shown = "\\u{1b}]0;owned\\u{7}\\u{1b}[31mred\\u{9b}2J\\u{202e}\\nerror: all is lost";
    let flag = format!("--{typed}");
    place.file("c.toml", "workers = \"\\u001b[31mred\"\n");
    for (args, shown) in [
        (vec![typed], shown),
        (vec!["serve", "word_count", &flag], shown),
        (vec!["serve", "word_count", "--data", "D", "--workers", typed], shown),
        (vec!["serve", "word_count", "--data", "D", "--listen", typed], shown),
        (vec!["serve", "word_count", "--data", "D", "--max-lag", typed], shown),
        (vec!["query", "word_count", "counts", "--data", "D", "--format", typed], shown),
        (vec!["query", "word_count", "counts", "--data", "D", "--as-of", typed], shown),
        (vec!["log", typed], shown),
        (vec!["serve", "--config", "c.toml", "--data", "D"], "\\u{1b}[31mred"),
    ] {
        let output = place.command("").args(&args).output().expect("it runs");
        let said = Ran::of(output);
        assert_eq!(said.code, 2, "{args:?}: {said:?}");
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!said.err.contains(acts) && said.err.contains(shown), "{args:?}: {said:?}");
        let errors = said.err.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, 1, "{args:?}: {said:?}");
    }
}

/// A record may set a window's title, change colours, or begin another line.
#[test]
fn what_a_message_repeats_neither_drives_the_terminal_nor_ends_its_line() {
    let place = Place::new();
    let record = "\u{1b}]0;owned\u{7}\u{1b}[31mred\u{9b}2J";
    place.file("e.csv", &format!("id,from_account,to_account,amount,ts\n{record},1,1,1,1\n"));
    place.file("h.csv", &format!("{record}\n1\n"));
    let shown = "\\u{1b}]0;owned\\u{7}\\u{1b}[31mred\\u{9b}2J";
    for file in ["e.csv", "h.csv"] {
        let line = format!("ingest bank {file} --data D");
        let said = place.refused(&line, 2, &[shown]).err;
        let acts = |c: char| c.is_control() && c != '\n';
        assert!(!said.contains(acts) && said.trim_end().lines().count() == 1, "{said:?}");
    }
}
