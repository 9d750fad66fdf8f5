//! The answers that psql, psycopg 3, asyncpg and node's pg get. Each is skipped where it is not
//! installed.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::served::{Site, private};

/// Whether the program exists and runs with these arguments.
pub(crate) fn runs(program: &str, arguments: &[&str]) -> bool {
    let outcome = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    outcome.is_ok_and(|output| output.status.success())
}

pub(crate) fn client(site: &Site, program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", site.address.port().to_string())
        .env("PGUSER", "ada")
        .env("PGDATABASE", "diptych")
        .env("PGCONNECT_TIMEOUT", "10");
    command
}

pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

pub(crate) fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

#[test]
fn psql() {
    if !runs("psql", &["--version"]) {
        println!("skipped: no psql");
        return;
    }
    let site = Site::start();
    let ask = |input: &str| {
        let output = run(client(&site, "psql").args(["-X", "-A", "-t"]), input);
        said(&output)
    };
    assert_eq!(ask("SELECT word, n FROM counts WHERE word = 'often';"), "often|3000\n");
    assert_eq!(ask("SELECT 1 AS a \\; SELECT 2;"), "1\n2\n");
    assert!(ask("SELECT version();").starts_with("PostgreSQL 15.18 (Diptych "));
    let output = run(client(&site, "psql").args(["-X", "-v", "VERBOSITY=verbose"]), "SELEC;");
    assert!(said(&output).contains("42601"), "{}", said(&output));
    let described = ask("\\d counts");
    assert!(described.contains("word|text||not null|"), "{described}");
    assert!(described.contains("n|bigint||not null|"), "{described}");
    assert!(ask("\\d types.samples").contains("price|numeric(38,2)"));
    for (command, expected) in [
        ("\\d", "word_count|counts|view|diptych"),
        ("\\dv", "bank|balance|view|diptych"),
        ("\\dt", "streams|lines|table|diptych"),
        ("\\dn", "word_count|diptych"),
        ("\\l", "diptych|diptych|UTF8"),
        ("\\du", "ada"),
        ("\\di", "word_count|counts_idx|index"),
        ("\\d+ counts", "n|bigint||not null||plain"),
        ("\\d streams.lines", "text|text"),
        ("\\dt streams.*", "streams|transfers|table"),
        ("\\sv counts", "kept by dataflow word_count"),
        ("\\conninfo", "127.0.0.1"),
        ("SHOW ALL;", "server_version|15.18"),
        ("SELECT 'counts'::regclass::oid = c.oid FROM pg_class c WHERE relname = 'counts';", "t"),
        ("BEGIN; DECLARE c CURSOR FOR SELECT 7; FETCH ALL c; COMMIT;", "7"),
        ("COPY (SELECT 1, 'a') TO STDOUT;", "1\ta"),
        ("EXPLAIN SELECT * FROM counts;", "counts"),
    ] {
        let answer = ask(command);
        assert!(answer.contains(expected), "{command}: {answer}");
        assert!(!answer.contains("ERROR"), "{command}: {answer}");
    }
    let others = "\\df;\\dT;\\dx;\\dp;\\db;\\ds;\\dm;\\dD;\\dC;\\do;\\dF;\\des;\
                  \\dRp;\\dy;\\drds;\\dA;\\l+;\\dn+;\\d *.*;\\dconfig;\\dO;\\dL;\\dE;\\dP;\\dd";
    for command in others.split(';') {
        let answer = ask(command);
        assert!(!answer.contains("ERROR"), "{command}: {answer}");
    }
}

#[test]
fn psql_over_tls() {
    if !runs("psql", &["--version"]) {
        println!("skipped: no psql");
        return;
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let site = Site::with(|directory, options| {
        let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
        private(&cert, &made.cert.pem());
        private(&key, &made.signing_key.serialize_pem());
        (options.tls_cert, options.tls_key) = (Some(cert), Some(key));
    });
    let root = site.directory().join("cert.pem");
    let ask = |mode: &str, host: &str| {
        let mut psql = client(&site, "psql");
        psql.env("PGSSLMODE", mode).env("PGSSLROOTCERT", &root).env("PGHOST", host);
        said(&run(psql.args(["-X", "-A", "-t"]), "SELECT 40 + 2;\n\\conninfo\n"))
    };
    let answer = ask("verify-full", "localhost");
    assert!(answer.starts_with("42\n") && answer.contains("SSL"), "{answer}");
    assert!(ask("require", "127.0.0.1").starts_with("42\n"));
    // On this machine one may do without.
    assert!(ask("disable", "127.0.0.1").starts_with("42\n"));
}

/// Runs a script of `tests/pg` with a Python that has `module`.
pub(crate) fn python(module: &str, script: &str) {
    if !runs("python3", &["-c", &format!("import {module}")]) {
        println!("skipped: no python3 with the package {module}");
        return;
    }
    let site = Site::start();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pg").join(script);
    let output = run(client(&site, "python3").arg(path), "");
    assert!(output.status.success(), "{}", said(&output));
    print!("{}", said(&output));
}

#[test]
fn psycopg() {
    python("psycopg", "psycopg_script.py");
}

#[test]
fn asyncpg() {
    python("asyncpg", "asyncpg_script.py");
}

#[test]
fn readers() {
    python("psycopg", "readers_script.py");
}

#[test]
fn sqlalchemy() {
    python("sqlalchemy, psycopg", "sqlalchemy_script.py");
}

#[test]
fn node() {
    if !runs("node", &["--version"]) {
        println!("skipped: no node");
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "pg@8"]).current_dir(place.path());
    install.args(["postgres", "knex", "sequelize", "typeorm", "reflect-metadata"]);
    let installed = install.stdin(Stdio::null()).output();
    if !installed.is_ok_and(|output| output.status.success()) {
        println!("skipped: npm could not install pg");
        return;
    }
    let site = Site::start();
    for script in ["node_script.js", "node_readers.js"] {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pg").join(script);
        let mut node = client(&site, "node");
        node.env("NODE_PATH", place.path().join("node_modules")).arg(script);
        let output = run(&mut node, "");
        assert!(output.status.success(), "{}", said(&output));
        print!("{}", said(&output));
    }
}
