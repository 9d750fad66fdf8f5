//! Promise 17: the interface equals its description, tried by a program that reads the description.

use std::process::Command;

use super::server::Server;

/// Examples for each operation and phase; with 14 operations more than 500 requests.
const EXAMPLES: &str = "30";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance";

#[test]
fn the_interface_matches_its_description() {
    let schemathesis = Command::new("schemathesis").arg("--version").output();
    if !schemathesis.is_ok_and(|output| output.status.success()) {
        println!("skipped: schemathesis (a Python package) is not installed");
        return;
    }
    let data = tempfile::tempdir().expect("a directory");
    let place = data.path().join("D");
    let server = Server::start(&["word_count", "bank", "--data", place.to_str().expect("a path")]);
    for text in ["to be", "or not"] {
        server.append("lines", &format!("{{\"text\":\"{text}\"}}")).expect("an append");
    }
    let output = Command::new("schemathesis")
        .current_dir(data.path())
        .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
        .env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/serving"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["run", &server.url("/openapi.json"), "--max-examples", EXAMPLES])
        .args(["--checks", CHECKS, "--seed", "7", "--request-timeout", "90"])
        // A stream of changes does not end; its answers have tests of their own.
        .args(["--exclude-path-regex", "changes"])
        .output()
        .expect("schemathesis runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // A warning may speak of generated data, too.
    let generated = |line: &str| line.split_once(" generated")?.0.trim().parse().ok();
    let count: u32 = said.lines().find_map(generated).unwrap_or(0);
    println!("{count} cases");
    assert!(count >= 500, "only {count} cases: {said}");
    assert_eq!(server.get("/v1/status")["log"]["appends"], true, "unharmed");
}
