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

/// The same events in another format are the same request; in another stream they are not.
#[test]
fn another_request_under_a_number_is_a_conflict() {
    let data = tempfile::tempdir().expect("a directory");
    let place = data.path().to_str().expect("a path");
    let server = Server::start(&["word_count", "tweets", "--data", place]);
    let lines = format!("{LINES}?producer=shop&sequence=0");
    let (status, first) = post(&server, &lines, "application/json", "{\"text\":\"once\"}");
    assert_eq!((status, &first["repeated"]), (200, &json!(false)), "{first}");
    for (kind, body) in [
        ("application/x-ndjson", "{ \"text\" : \"on\\u0063e\" }\n"),
        ("application/json", "[{\"text\":\"once\"}]"),
        ("text/csv", "text\nonce\n"),
    ] {
        let (status, again) = post(&server, &lines, kind, body);
        assert_eq!((status, &again["repeated"]), (200, &json!(true)), "{kind}: {again}");
    }
    let (status, problem) = post(&server, &lines, "application/json", "{\"text\":\"twice\"}");
    assert_eq!(status, 409, "{problem}");
    let tweets = "/v1/streams/tweets?producer=shop&sequence=0";
    let tweet = json!({
        "publish_date": "2016-10-01T09:26:31Z", "author_id": "a", "content": "#b", "region": "",
        "language": "English", "account_category": "", "post_type": "",
    });
    let tweet = &tweet.to_string();
    let (status, problem) = post(&server, tweets, "application/json", tweet);
    assert_eq!(status, 409, "{problem}");
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains("sequence 0 of producer \"shop\""), "{problem}");
    assert!(problem.to_string().contains("one counter over all streams"), "{problem}");
    let own = "/v1/streams/tweets?producer=shop/tweets&sequence=0";
    assert_eq!(post(&server, own, "application/json", tweet).0, 200);
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

#[test]
fn a_misspelt_column_is_told_or_refused() {
    let data = tempfile::tempdir().expect("a directory");
    let flows = ["tweets", "word_count", "--data", data.path().to_str().expect("a path")];
    let server = Server::start(&flows);
    let streams = server.get("/v1/streams");
    let columns = |name: &str| -> Vec<(String, bool)> {
        let mut streams = streams["streams"].as_array().expect("streams").iter();
        let stream = streams.find(|stream| stream["stream"] == name).expect("the stream");
        let columns = stream["columns"].as_array().expect("columns").iter();
        let nullable = |column: &Value| column["nullable"] == true;
        columns.map(|c| (c["name"].as_str().expect("a name").to_owned(), nullable(c))).collect()
    };
    assert_eq!(columns("lines"), [("text".to_owned(), false)]);
    let ndjson = "application/x-ndjson";
    let lines = "{\"text\":\"a\",\"tekst\":1,\"at\":2}\n{\"text\":\"b\",\"at\":3}\n";
    let (status, told) = post(&server, LINES, ndjson, lines);
    assert_eq!((status, &told["ignored"]), (200, &json!(["tekst", "at"])), "{told}");
    assert_eq!(told.get("absent"), None, "every column is given: {told}");
    let (status, told) = post(&server, LINES, "text/csv", "at,text,\n1,a,\n");
    assert_eq!((status, &told["ignored"]), (200, &json!(["at", ""])), "{told}");
    let refusing = format!("{LINES}?unknown=refuse");
    let before = server.get("/v1/status")["log"]["upper"].clone();
    for (kind, body, words) in [
        (
            ndjson,
            "{\"text\":\"a\"}\n{\"text\":\"a\",\"tekst\":1}\n",
            "line 2: `tekst` is no column",
        ),
        (
            "application/json",
            "[{\"text\":\"a\",\"b\":1,\"c\":2}]",
            "line 1: `b`, `c` are no columns",
        ),
        ("text/csv", "text,tekst\na,b\n", "line 1: column `tekst` is no column of stream lines"),
    ] {
        let (status, problem) = post(&server, &refusing, kind, body);
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(status == 400 && detail.contains(words), "{kind}: {detail}");
    }
    assert_eq!(post(&server, &refusing, ndjson, "{\"text\":\"a\"}\n").0, 200);
    assert_eq!(post(&server, &format!("{LINES}?unknown=yes"), ndjson, "{\"text\":\"a\"}\n").0, 400);
    assert_eq!(server.get("/v1/status")["log"]["upper"], before.as_u64().expect("an epoch") + 1);
    // As many names as a client cares to make up.
    let members: Vec<String> = (0..1_000).map(|number| format!("\"x{number}\":1")).collect();
    let many = format!("{{\"text\":\"a\",{}}}", members.join(","));
    let (status, told) = post(&server, LINES, "application/json", &many);
    let ignored = told["ignored"].as_array().expect("names");
    assert_eq!((status, ignored.len(), &ignored[19]), (200, 20, &json!("x19")), "{told}");
}

#[test]
fn events_of_several_streams_get_one_epoch_once() {
    let data = tempfile::tempdir().expect("a directory");
    let place = data.path().to_str().expect("a path");
    let server = Server::start(&["word_count", "bank", "--data", place]);
    let transfer = |id: i64, to: i64| {
        let mut event = json!({ "id": id, "from_account": 1, "amount": 5, "ts": 7 });
        event["to_account"] = to.into();
        event
    };
    let balance = |account: i64| {
        let answer = server.get(&format!("/v1/dataflows/bank/views/balance_outer?key={account}"));
        answer["rows"][0]["balance"].clone()
    };
    let both = json!({ "transfers": [transfer(1, 2), transfer(2, 3)], "lines": { "text": "a b" } });
    let path = "/v1/append?wait=visible&producer=p&sequence=0";
    let (status, first) = post(&server, path, "application/json", &both.to_string());
    assert_eq!((status, &first["epoch"]), (200, &json!(0)), "{first}");
    let accepted = |answer: &Value| -> Vec<(String, u64)> {
        let streams = answer["streams"].as_array().expect("streams").iter();
        let name = |stream: &Value| stream["stream"].as_str().expect("a name").to_owned();
        streams.map(|s| (name(s), s["accepted"].as_u64().expect("a number"))).collect()
    };
    let counted =
        |lines, transfers| vec![("lines".to_owned(), lines), ("transfers".to_owned(), transfers)];
    assert_eq!(accepted(&first), counted(1, 2));
    let (status, again) = post(&server, path, "application/json", &both.to_string());
    assert_eq!((status, &again["repeated"]), (200, &json!(true)), "{again}");
    assert_eq!((&again["epoch"], accepted(&again)), (&json!(0), counted(0, 0)));
    assert_eq!((total(&server), balance(2)), (2, json!(5)));
    // As lines, and a stream may be in many of them.
    let lines = [
        json!({ "lines": { "text": "c" } }),
        json!({ "transfers": transfer(3, 2) }),
        json!({ "lines": [{ "text": "d" }] }),
    ];
    let lines = lines.map(|line| line.to_string()).join("\n");
    let ndjson = "application/x-ndjson";
    let (status, told) = post(&server, "/v1/append?wait=visible", ndjson, &lines);
    assert_eq!((status, &told["epoch"], accepted(&told)), (200, &json!(1), counted(2, 1)));
    assert_eq!((total(&server), balance(2)), (4, json!(10)));
    // What is wrong with one stream keeps them all out.
    let before = server.get("/v1/status")["log"]["upper"].clone();
    for (kind, body, expected, word) in [
        ("application/json", json!({ "lines": {"text": "x"}, "words": [] }), 404, "words"),
        (
            "application/json",
            json!({ "lines": {"text": "x"}, "transfers": {"id": 1} }),
            400,
            "transfers",
        ),
        ("application/json", json!({ "lines": [], "transfers": [] }), 400, "no records"),
        ("application/json", json!([{ "lines": {"text": "x"} }]), 400, "not an object"),
        ("text/csv", json!({}), 415, "application/x-ndjson"),
    ] {
        let (status, problem) = post(&server, "/v1/append", kind, &body.to_string());
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(status == expected && detail.contains(word), "{body}: {status} {detail}");
    }
    let strict = json!({ "lines": { "text": "x", "tekst": 1 } }).to_string();
    assert_eq!(post(&server, "/v1/append?unknown=refuse", "application/json", &strict).0, 400);
    assert_eq!(server.get("/v1/status")["log"]["upper"], before, "nothing was appended");
    let (status, told) = post(&server, "/v1/append", "application/json", &strict);
    assert_eq!((status, &told["streams"][0]["ignored"]), (200, &json!(["tekst"])), "{told}");
}

#[test]
fn compressed_bodies_are_read_in_bounds() {
    use std::io::Write as _;
    let data = tempfile::tempdir().expect("a directory");
    let server = Server::start(&["word_count", "--data", data.path().to_str().expect("a path")]);
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory")
    };
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).expect("memory");
    let send = |path: &str, coding: &str, body: &[u8]| {
        let request = ureq::post(server.url(path)).header("content-type", "application/x-ndjson");
        let request = request.header("content-encoding", coding);
        let request = request.config().http_status_as_error(false).build();
        let mut response = request.send(body).expect("an answer");
        let text = response.body_mut().read_to_string().expect("text");
        let accepts = response.headers().get("accept-encoding").cloned();
        (response.status().as_u16(), text, accepts)
    };
    let visible = format!("{LINES}?wait=visible");
    let line = b"{\"text\":\"a\"}\n";
    for (coding, body) in [
        ("gzip", gzip(line)),
        ("zstd", zstd(line)),
        ("GZIP", [gzip(line), gzip(line)].concat()),
        ("gzip, zstd", zstd(&gzip(line))),
        ("identity", line.to_vec()),
        // More than a body may have that is not compressed.
        ("zstd", zstd(&line.repeat(300_000))),
    ] {
        let (status, text, _) = send(&visible, coding, &body);
        assert_eq!(status, 200, "{coding}: {text}");
    }
    assert_eq!(total(&server), 300_006);
    let bomb = gzip(&b"{\"text\":\"\"}\n".repeat(7_000_000));
    assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
    let before = server.get("/v1/status")["log"]["upper"].clone();
    for (coding, body, expected) in [
        ("gzip", line.to_vec(), 400),
        ("gzip", gzip(b""), 400),
        ("zstd", zstd(line)[..9].to_vec(), 400),
        ("gzip", bomb, 413),
        ("br", line.to_vec(), 415),
        ("gzip, deflate", line.to_vec(), 415),
    ] {
        for path in [LINES, "/v1/append"] {
            let (status, text, accepts) = send(path, coding, &body);
            assert_eq!(status, expected, "{coding} to {path}: {text}");
            assert_eq!(accepts.is_some_and(|value| value == "gzip, zstd"), status == 415);
        }
    }
    assert_eq!(server.get("/v1/status")["log"]["upper"], before, "nothing was appended");
}
