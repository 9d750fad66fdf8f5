//! The answers that JDBC, pgx and lib/pq get. Each is skipped where it cannot be installed.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::clients::{client, run, runs, said};
use crate::served::Site;

/// What Maven copies the driver from.
const POM: &str = "<project><modelVersion>4.0.0</modelVersion><groupId>tests</groupId>\
    <artifactId>jdbc</artifactId><version>1</version><dependencies><dependency>\
    <groupId>org.postgresql</groupId><artifactId>postgresql</artifactId>\
    <version>42.7.13</version></dependency></dependencies></project>";

/// What Go fetches.
const GO_MOD: &str = "module clients\n\ngo 1.23\n\nrequire (\n\
    \tgithub.com/jackc/pgx/v5 v5.7.6\n\tgithub.com/lib/pq v1.10.9\n)\n";

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pg").join(name)
}

/// Whether a program that installs something there succeeds.
fn installs(place: &Path, program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    let outcome = command.args(arguments).current_dir(place).stdin(Stdio::null()).output();
    outcome.is_ok_and(|output| {
        if !output.status.success() {
            println!("{}", said(&output));
        }
        output.status.success()
    })
}

#[test]
fn jdbc() {
    let place = tempfile::tempdir().expect("a directory");
    std::fs::write(place.path().join("pom.xml"), POM).expect("written");
    let copy = ["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"];
    if !runs("java", &["--version"]) || !installs(place.path(), "mvn", &copy) {
        println!("skipped: no Java, or Maven could not get the driver");
        return;
    }
    let site = Site::start();
    let mut java = client(&site, "java");
    java.arg("-cp").arg(place.path().join("jars").join("*")).arg(script("JdbcScript.java"));
    let output = run(&mut java, "");
    assert!(output.status.success(), "{}", said(&output));
    print!("{}", said(&output));
}

#[test]
fn go() {
    let place = tempfile::tempdir().expect("a directory");
    std::fs::write(place.path().join("go.mod"), GO_MOD).expect("written");
    std::fs::copy(script("go_script.go"), place.path().join("main.go")).expect("copied");
    let built = installs(place.path(), "go", &["mod", "tidy"])
        && installs(place.path(), "go", &["build", "-o", "clients", "."]);
    if !built {
        println!("skipped: no Go, or it could not get pgx and lib/pq");
        return;
    }
    let site = Site::start();
    let program = place.path().join("clients");
    let output = run(&mut client(&site, program.to_str().expect("a name")), "");
    assert!(output.status.success(), "{}", said(&output));
    print!("{}", said(&output));
}
