//! A server gives the same answers as its data directory; without a server, the error says so.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::binary::Place;
use super::server::Server;

/// A directory with two epochs of lines, served by two workers.
fn served() -> (Place, Server) {
    let place = Place::new();
    place.lines("a.ndjson", 3_000, |n| format!("w{} \u{e9}t\u{e9}, all", n % 700));
    place.lines("b.ndjson", 100, |n| format!("v{n} all"));
    place.ok("ingest lines a.ndjson --data D");
    place.ok("ingest lines b.ndjson --data D");
    let data = place.path().join("D");
    let data = data.to_str().expect("a path in UTF-8");
    let server = Server::start(&["word_count", "--data", data, "-w", "2"]);
    append(&server, 200);
    append(&server, 300);
    (place, server)
}

/// Appends an epoch of so many lines and waits until it can be read.
fn append(server: &Server, lines: usize) {
    let text: Vec<_> = (0..lines).map(|n| format!("{{\"text\":\"all x{n}\"}}")).collect();
    let mut answer = ureq::post(server.url("/v1/streams/lines"))
        .header("content-type", "application/x-ndjson")
        .send(text.join("\n"))
        .expect("an append");
    let text = answer.body_mut().read_to_string().expect("an answer");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(answer["accepted"], lines);
    let path = "/v1/dataflows/word_count/views/counts?limit=1&at_least=";
    get(server, &format!("{path}{}", answer["epoch"]));
}

fn get(server: &Server, path: &str) -> Value {
    let mut response = ureq::get(server.url(path)).call().expect("an answer");
    let text = response.body_mut().read_to_string().expect("a text");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_server_answers_what_its_directory_does() {
    let (place, server) = served();
    let url = server.url("/");
    for format in ["table", "json", "csv"] {
        for options in [
            "",
            "--key all",
            "--key-json [\"w7\"]",
            "--key nothing",
            "--prefix w1",
            "--from v --to w3",
            "--from \u{e9}",
            "--limit 3",
            "--limit 0",
            "--as-of 1 --prefix x",
            "--as-of 2",
        ] {
            let query = format!("query word_count counts --format {format} {options}");
            let local = place.ok(&format!("{query} --data D"));
            let remote = place.ok(&format!("{query} --server {url}"));
            assert_eq!(local.out, remote.out, "{query}");
        }
        for options in ["--from 0", "--from 2", "--from 1 --to 3"] {
            let changes = format!("changes word_count counts --format {format} {options}");
            let local = place.ok(&format!("{changes} --data D"));
            let remote = place.ok(&format!("{changes} --server {url}"));
            let (mut local, mut remote): (Vec<_>, Vec<_>) =
                (local.out.lines().collect(), remote.out.lines().collect());
            // Within an epoch the order is nobody's promise.
            local.sort_unstable();
            remote.sort_unstable();
            assert_eq!(local, remote, "{changes}");
        }
    }
}

#[test]
fn followed_changes_go_on_from_a_token() {
    let (place, server) = served();
    let line = format!("changes word_count counts --server {} --follow", server.url(""));
    let follow = |from: &str| {
        let mut command = place.command(&format!("{line} {from}"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the binary starts")
    };
    let mut child = follow("--from 3");
    let mut lines = BufReader::new(child.stdout.take().expect("an output")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("a line").expect("a line");
        serde_json::from_str(&line).expect("JSON")
    };
    // 300 words, of which 200 are replaced, and the word of all lines.
    for _ in 0..2 * 201 + 100 {
        assert_eq!(next()["epoch"], 3);
    }
    append(&server, 1);
    let mut last: Vec<_> = (0..4).map(|_| next()).collect();
    last.sort_by_key(|change| (change["word"].to_string(), change["diff"].as_i64()));
    assert_eq!(last[1]["epoch"], 4);
    assert_eq!((&last[1]["word"], &last[1]["diff"]), (&Value::from("all"), &Value::from(1)));
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("signalled");
    let mut said = String::new();
    let mut errors = child.stderr.take().expect("messages");
    std::io::Read::read_to_string(&mut errors, &mut said).expect("messages");
    assert_eq!(child.wait().expect("an end").code(), Some(0), "{said}");
    let token = said.lines().find_map(|line| line.strip_prefix("go on with --from "));
    let token = token.unwrap_or_else(|| panic!("no token in {said}"));
    assert!(token.contains("@5~"), "{token}");
    append(&server, 1);
    let mut child = follow(&format!("--from {token}"));
    let mut lines = BufReader::new(child.stdout.take().expect("an output")).lines();
    let first = lines.next().expect("a line").expect("a line");
    assert!(first.starts_with("{\"epoch\":5,"), "{first}");
    child.kill().expect("a signal");
    child.wait().expect("an end");
}

#[test]
fn operators_are_counted_over_all_workers() {
    let (_place, server) = served();
    let graph = || get(&server, "/v1/dataflows/word_count/graph");
    let operator = |graph: &Value, name: &str| {
        let operators = graph["operators"].as_array().expect("operators");
        let found = operators.iter().find(|operator| operator["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {graph}")).clone()
    };
    let before = graph();
    assert_eq!((&before["workers"], &before["dataflow"]), (&2.into(), &"word_count".into()));
    let root = &before["operators"][0];
    assert_eq!((&root["name"], &root["parent"]), (&"word_count".into(), &Value::Null));
    let owner = operator(&before, "Own: words");
    assert_eq!((&owner["parent"], &owner["scope"][0]), (&root["id"], &root["id"]));
    // 700 + 100 + 300 words and three that are in all lines of a file.
    assert_eq!(owner["records_held"], 700 + 100 + 300 + 2);
    assert!(owner["busy_ns"].as_u64() > Some(0), "{owner}");
    let into = |graph: &Value| -> u64 {
        let channels = graph["channels"].as_array().expect("channels").clone();
        let mut into = channels.iter().filter(|channel| channel["to"]["id"] == owner["id"]);
        let channel = into.next().expect("a channel to the owner");
        assert!(into.next().is_none(), "{graph}");
        channel["records"].as_u64().expect("a number")
    };
    append(&server, 400);
    let after = graph();
    let grown = operator(&after, "Own: words");
    // Each worker sends its partial of the word that all lines have.
    let sent = into(&after) - into(&before);
    assert!((401..=402).contains(&sent), "{sent}");
    let arrived = |operator: &Value| operator["records_in"].as_u64().expect("a number");
    assert_eq!(arrived(&grown) - arrived(&owner), sent);
    assert_eq!(grown["records_held"], 700 + 100 + 400 + 2);
    let refused = ureq::get(server.url("/v1/dataflows/none/graph")).call();
    assert!(matches!(refused, Err(ureq::Error::StatusCode(404))), "{refused:?}");
}

#[test]
fn top_prints_a_picture_of_both() {
    let (place, server) = served();
    let picture = place.ok(&format!("top --once --server {}", server.url(""))).out;
    let line = |word: &str| {
        let line = picture.lines().find(|line| line.contains(word));
        line.unwrap_or_else(|| panic!("no {word} in\n{picture}"))
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(line("log [")[1..3] == ["[0,", "4)"], "{picture}");
    // Name, version, F, since, upper, verified, lag.
    let flow = picture.lines().position(|line| line.starts_with("DATAFLOW"));
    let flow: Vec<_> = picture.lines().nth(flow.expect("a heading") + 1).into_iter().collect();
    let flow: Vec<_> = flow[0].split_whitespace().collect();
    assert_eq!((flow[0], flow[2], flow[4], flow[5], flow[6]), ("word_count", "2", "4", "-", "0"));
    assert!(line("Own: words").len() >= 6, "{picture}");
    let view = |line: &str| line.split_whitespace().take(2).eq(["word_count", "counts"]);
    assert!(picture.lines().any(view), "{picture}");
    assert!(picture.lines().all(|line| line.chars().count() <= 80), "{picture}");
    drop(server);
    place.ok("batch word_count --data D");
    let picture = place.ok("top --once --data D").out;
    let streams = picture.lines().find(|line| line.starts_with("lines")).expect("a stream");
    assert_eq!(streams.split_whitespace().nth(1), Some("3,600"), "{picture}");
    assert!(picture.contains("counts 1102"), "{picture}");
    place.refused("top --data D", 2, &["--once"]);
}

#[test]
fn what_no_server_answers_is_said_with_a_remedy() {
    let (place, server) = served();
    let url = server.url("");
    let query = |rest: &str| format!("query word_count counts {rest}");
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a port");
    let listen = ["nobody listens", "serve", "--listen"];
    place.refused(&query(&format!("--server http://{closed}")), 8, &listen);
    place.refused(&format!("top --once --server http://{closed}"), 8, &listen);
    place.refused(&query("--server localhost:1"), 2, &["no server's address", "http://HOST:PORT"]);
    place.refused(&query("--server http://a/b"), 2, &["no server's address"]);
    let tls = url.replace("http://", "https://");
    place.refused(&query(&format!("--server {tls}")), 8, &["without TLS", "http://"]);
    place.refused(&query(&format!("--server {url} --data D")), 2, &["cannot be used with"]);
    place.refused(&query(""), 2, &["--data"]);
    place.refused(&query("--data D --ca F"), 2, &["cannot be used with"]);
    place.refused(&query(&format!("--server {url} --ca none.pem")), 3, &["none.pem"]);
    let unknown = format!("query bank total --server {url}");
    place.refused(&unknown, 3, &["\"bank\" is not served here", "served are word_count"]);
    let unknown = format!("changes word_count totals --from 0 --server {url}");
    place.refused(&unknown, 3, &["\"totals\"", "the views are counts"]);
    place.refused(&query(&format!("--server {url} --as-of 9")), 3, &["9"]);
    let later = format!("changes word_count counts --from 4 --server {url}");
    place.refused(&later, 3, &["the log has the epochs [0, 4), not [4, 4)"]);
    let changes = format!("changes word_count counts --server {url}");
    place.refused(&changes, 2, &["--from"]);
    place.refused(&format!("{changes} --from soon"), 2, &["neither an epoch nor a token"]);
    let other = place.refused(&format!("{changes} --from other@1"), 4, &["version other"]);
    assert_eq!(other.out, "");
    place.file("token", "secret\n");
    let far = query("--server http://192.0.2.1:7171 --token-file token");
    let begun = Instant::now();
    place.refused(&far, 2, &["unencrypted", "https://"]);
    assert!(begun.elapsed() < Duration::from_secs(5), "nothing is sent");
}

#[test]
fn a_token_lets_in() {
    let place = Place::new();
    place.file("a.ndjson", "{\"text\":\"to be\"}\n");
    place.ok("ingest lines a.ndjson --data D");
    place.file("who.toml", "");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    let path = place.path().join("who.toml");
    std::fs::set_permissions(&path, private).expect("permissions");
    let token = place.ok("token new --role read --name reader --into who.toml").out;
    place.file("token", &token);
    let append = place.ok("token new --role append --name writer --into who.toml").out;
    place.file("append", &append);
    place.file("wrong", "dpt_wrong");
    let data = place.path().join("D");
    let (data, path) = (data.to_str().expect("UTF-8"), path.to_str().expect("UTF-8"));
    let server = Server::start(&["word_count", "--data", data, "--credentials", path]);
    let query = format!("query word_count counts --format csv --server {}", server.url(""));
    let ran = place.ok(&format!("{query} --token-file token"));
    assert_eq!(ran.out, "word,n\nbe,1\nto,1\n");
    place.refused(&query, 2, &["wants a token", "--token-file", "DIPTYCH_TOKEN"]);
    let wrong = format!("{query} --token-file wrong");
    let ran = place.refused(&wrong, 2, &["does not know this token", "token new"]);
    assert!(!ran.err.contains("dpt_wrong"), "{}", ran.err);
    place.refused(&format!("{query} --token-file append"), 2, &["does not allow"]);
    let mut command = place.command(&query);
    command.env("DIPTYCH_TOKEN", token.trim());
    let output = command.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
