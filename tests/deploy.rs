//! The files for operating a server fit the server: the dashboard uses metrics that exist, the
//! settings are valid, and so is the systemd unit.

#[path = "serving/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use server::Server;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/deploy").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(file(name)).expect(name)
}

/// Every name of a metric in an expression.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("diptych_") || word.starts_with("process_"))
}

#[test]
fn the_dashboard_asks_for_metrics_that_are_there() {
    let dashboard: serde_json::Value = serde_json::from_str(&read("grafana.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions: Vec<&str> = targets.filter_map(|target| target["expr"].as_str()).collect();
    let asked: BTreeSet<&str> = expressions.iter().flat_map(|text| names(text)).collect();
    assert!(asked.len() > 15, "{asked:?}");

    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(&["word_count", "--data", data.path().to_str().expect("a path")]);
    let mut answer = ureq::get(server.url("/metrics")).call().expect("metrics");
    let text = answer.body_mut().read_to_string().expect("text");
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut there = BTreeSet::new();
    for (name, kind) in types.filter_map(|line| line.split_once(' ')) {
        there.insert(name.to_owned());
        if kind == "histogram" {
            there.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
        }
    }
    let missing: Vec<_> = asked.iter().filter(|name| !there.contains(**name)).collect();
    assert!(missing.is_empty(), "not in /metrics: {missing:?}");
    let ours = there.iter().filter(|name| name.starts_with("diptych_"));
    let whole = |name: &&String| !name.ends_with("_sum") && !name.ends_with("_count");
    let unasked: Vec<_> = ours
        .filter(whole)
        .filter(|name| !asked.iter().any(|asked| asked.starts_with(name.as_str())))
        .collect();
    assert!(unasked.is_empty(), "not on the dashboard: {unasked:?}");
}

#[test]
fn the_settings_are_settings() {
    let path = file("diptych.toml");
    let shown = Command::new(env!("CARGO_BIN_EXE_diptych"))
        .args(["config", "show", "--config", path.to_str().expect("a path")])
        .output()
        .expect("the binary runs");
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let shown = String::from_utf8(shown.stdout).expect("text");
    for line in ["tls-cert = \"/etc/diptych/cert.pem\"", "log-format = \"json\""] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
}

#[test]
fn the_unit_is_one() {
    let unit = read("diptych.service");
    assert!(unit.contains("serve --config /etc/diptych/diptych.toml"));
    // It checks that the binary of the unit is there, so it gets one that is.
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("diptych.service");
    let unit = unit.replace("/usr/local/bin/diptych", env!("CARGO_BIN_EXE_diptych"));
    std::fs::write(&copy, unit).expect("written");
    match Command::new("systemd-analyze").arg("verify").arg(&copy).output() {
        Err(error) => println!("skipped: systemd-analyze: {error}"),
        Ok(checked) => {
            let said = String::from_utf8_lossy(&checked.stderr);
            // It speaks of units of this machine, too.
            let ours: Vec<_> =
                said.lines().filter(|line| line.contains("diptych.service")).collect();
            assert!(ours.is_empty(), "{ours:?}");
        }
    }
}

#[test]
fn the_image_is_not_root_and_looks_at_readiness() {
    let image = read("Dockerfile");
    let last = image.split("\nFROM ").last().expect("a stage");
    assert!(last.contains("\nUSER diptych\n"));
    assert!(last.contains("HEALTHCHECK") && last.contains("/readyz"));
    assert!(last.contains("STOPSIGNAL SIGTERM"));
}
