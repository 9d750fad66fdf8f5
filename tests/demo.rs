//! The demonstration: events flow, then the law is checked, and it holds.

use std::process::Command;

fn demo(options: &[&str]) -> (String, String, Option<i32>) {
    let ran = Command::new(env!("CARGO_BIN_EXE_diptych"))
        .arg("demo")
        .args(options)
        .output()
        .expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(ran.stdout), text(ran.stderr), ran.status.code())
}

#[test]
fn layers_agree_after_live_events() {
    let (out, err, code) =
        demo(&["--history", "20_000", "--rate", "2_000", "--for", "2s", "-w", "2"]);
    assert_eq!((out.as_str(), code), ("layers agree\n", Some(0)), "{err}");
    for said in ["batch view at F = 1", "append to visible", "one fdatasync", "4 views compared"] {
        assert!(err.contains(said), "{said:?} is not in {err}");
    }
    let live = err.lines().find(|line| line.contains("all visible")).expect("a summary");
    let events: u64 = live.split(' ').nth(1).map_or(0, |n| n.replace(',', "").parse().unwrap_or(0));
    assert!(events > 1_000, "{live}");
}

#[test]
fn it_starts_from_nothing_and_does_not_overwrite() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let data = place.path().join("data");
    let data = data.to_str().expect("a path in UTF-8");
    let options = ["--history", "0", "--rate", "500", "--for", "500ms", "--data", data];
    let (out, err, code) = demo(&options);
    assert_eq!((out.as_str(), code), ("layers agree\n", Some(0)), "{err}");
    let (_, err, code) = demo(&options);
    assert_eq!(code, Some(4), "{err}");
    assert!(err.contains("has a log already") && err.contains("--data"), "{err}");
}
