//! Appends over HTTP: all records of a request or none, once however often they are sent.

use serde_json::{Value, json};

use super::server::Server;

/// Status and body of a POST.
fn post(server: &Server, path: &str, kind: &str, body: &str) -> (u16, Value) {
    let request = ureq::post(server.url(path)).header("content-type", kind);
    let request = request.config().http_status_as_error(false).build();
    let mut response = request.send(body).expect("an answer");
    let text = response.body_mut().read_to_string().expect("text");
    (response.status().as_u16(), serde_json::from_str(&text).expect("JSON"))
}

fn total(server: &Server) -> i64 {
    let answer = server.get("/v1/dataflows/word_count/views/counts?limit=1000");
    let rows = answer["rows"].as_array().expect("rows").iter();
    rows.map(|row| row["n"].as_i64().expect("a count")).sum()
}

const LINES: &str = "/v1/streams/lines";

#[test]
fn every_spelling_and_nothing_half_done() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Server::start(&["word_count", "--data", data.path().to_str().expect("a path")]);
    let visible = format!("{LINES}?wait=visible");
    let good = [
        ("application/x-ndjson", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n", 2),
        ("application/json", "{\"text\":\"a\"}", 1),
        ("application/json", "[{\"text\":\"a\"},{\"text\":\"b\"}]", 2),
        ("text/csv", "text\na\n\"b c\"\n", 2),
    ];
    for (number, (kind, body, accepted)) in good.into_iter().enumerate() {
        let (status, answer) = post(&server, &visible, kind, body);
        assert_eq!(status, 200, "{kind}: {answer}");
        assert_eq!((&answer["accepted"], &answer["epoch"]), (&json!(accepted), &json!(number)));
    }
    assert_eq!(total(&server), 8);
    let bad = [
        ("application/x-ndjson", "{\"text\":\"a\"}\n{\"text\":7}\n", 400, "line 2"),
        ("application/x-ndjson", "{\"text\":\"a\"}\n{\"txt\":\"a\"}\n", 400, "`text`"),
        ("application/json", "[{\"text\":\"a\"},", 400, "JSON"),
        ("text/csv", "words\na\n", 400, "`text`"),
        ("image/png", "x", 415, "image/png"),
    ];
    for (kind, body, expected, word) in bad {
        let (status, problem) = post(&server, &visible, kind, body);
        assert_eq!(status, expected, "{body:?}: {problem}");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains(word), "{body:?}: {detail}");
    }
    let (status, problem) = post(&server, "/v1/streams/tweets", "application/json", "{}");
    assert_eq!(
        (status, problem["detail"].as_str().map(|d| d.contains("lines"))),
        (404, Some(true))
    );
    assert_eq!(total(&server), 8, "nothing of a refused body was appended");
}

#[test]
fn a_repeated_request_is_appended_once() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Server::start(&["word_count", "--data", data.path().to_str().expect("a path")]);
    let send = |sequence: u64| {
        let path = format!("{LINES}?wait=visible&producer=p&sequence={sequence}");
        post(&server, &path, "application/json", "{\"text\":\"once\"}")
    };
    for sequence in 0..20 {
        let (status, first) = send(sequence);
        assert_eq!((status, &first["repeated"]), (200, &json!(false)), "{first}");
        let (status, again) = send(sequence);
        assert_eq!((status, &again["repeated"]), (200, &json!(true)), "{again}");
        assert_eq!(again["epoch"], first["epoch"]);
    }
    let (status, problem) = send(30);
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("20 is due")), "{problem}");
    assert_eq!(total(&server), 20);
    let path = format!("{LINES}?producer=p");
    let (status, problem) = post(&server, &path, "application/json", "{\"text\":\"x\"}");
    assert_eq!(status, 400, "{problem}");
}

#[test]
fn a_server_that_follows_takes_no_appends() {
    let data = tempfile::tempdir().expect("a directory");
    let place = data.path().to_str().expect("a path");
    let writing = Server::start(&["word_count", "--data", place]);
    let following = Server::start(&["word_count", "--data", place, "--follow"]);
    let epoch = writing.append("lines", "{\"text\":\"a\"}").expect("an append");
    let path = format!("/v1/dataflows/word_count/views/counts?key=a&at_least={epoch}");
    assert_eq!(following.get(&path)["rows"], json!([{ "word": "a", "n": 1 }]));
    let (status, problem) = post(&following, LINES, "application/json", "{\"text\":\"b\"}");
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("lock")), "{problem}");
}
