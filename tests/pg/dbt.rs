//! A dbt project over views: it connects, shows, and tests them; what would write is refused.
//! Skipped where there is no dbt with its adapter for PostgreSQL.

use std::path::Path;
use std::process::{Command, Output};

use crate::clients::{run, runs, said};
use crate::served::Site;

const PROJECT: &str = "name: words\nversion: '1.0.0'\nprofile: diptych\nmodel-paths: [models]\n";

const SOURCES: &str = "version: 2
sources:
  - name: word_count
    schema: word_count
    tables:
      - name: counts
        columns:
          - name: word
            tests: [unique, not_null]
";

const MODEL: &str = "select word, n from {{ source('word_count', 'counts') }} where n > 1\n";

fn project(place: &Path, port: u16) {
    let profile = format!(
        "diptych:\n  target: dev\n  outputs:\n    dev: {{type: postgres, host: 127.0.0.1, \
         port: {port}, user: ada, password: none, dbname: diptych, schema: models, threads: 2}}\n"
    );
    std::fs::create_dir(place.join("models")).expect("made");
    for (name, text) in [
        ("dbt_project.yml", PROJECT),
        ("profiles.yml", &profile),
        ("models/sources.yml", SOURCES),
        ("models/often.sql", MODEL),
    ] {
        std::fs::write(place.join(name), text).expect("written");
    }
}

fn dbt(place: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("dbt");
    command.args(arguments).args(["--profiles-dir", "."]).current_dir(place);
    run(command.env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false"), "")
}

#[test]
fn a_project_over_views() {
    if !runs("python3", &["-c", "import dbt.adapters.postgres"]) || !runs("dbt", &["--version"]) {
        println!("skipped: no dbt with its adapter for PostgreSQL");
        return;
    }
    let site = Site::start();
    let place = tempfile::tempdir().expect("a directory");
    project(place.path(), site.address.port());
    for arguments in [
        &["debug"][..],
        &["compile"],
        &["test", "--select", "source:word_count"],
        &["show", "--inline", "select n from word_count.counts where word = 'often'"],
        &["docs", "generate", "--no-compile"],
    ] {
        let output = dbt(place.path(), arguments);
        assert!(output.status.success(), "dbt {arguments:?}: {}", said(&output));
        if arguments[0] == "show" {
            assert!(said(&output).contains("3000"), "{}", said(&output));
        }
        println!("dbt {}: right", arguments.join(" "));
    }
    let refused = dbt(place.path(), &["run"]);
    assert!(!refused.status.success(), "views cannot be created by clients");
    let said = said(&refused);
    assert!(said.to_lowercase().contains("read") && !said.contains("Traceback"), "{said}");
}
