//! Answers of reads: rows of one epoch, by key, range, prefix and page, or a problem with the
//! remedy.

use serde_json::{Value, json};

use super::server::Server;

fn server(data: &tempfile::TempDir, flow: &str) -> Server {
    Server::start(&[flow, "--data", data.path().to_str().expect("a path"), "-w", "2"])
}

/// The status and the problem of a GET that is refused.
pub(crate) fn refused(server: &Server, path: &str) -> (u16, String) {
    let config = ureq::get(server.url(path)).config().http_status_as_error(false);
    let mut response = config.build().call().expect("an answer");
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    assert_eq!(kind, Some("application/problem+json"), "{path}");
    let problem: Value =
        serde_json::from_str(&response.body_mut().read_to_string().expect("text")).expect("JSON");
    assert_eq!(problem["status"], response.status().as_u16());
    (response.status().as_u16(), problem["detail"].as_str().expect("a detail").to_owned())
}

const VIEW: &str = "/v1/dataflows/word_count/views/counts";

#[test]
fn rows_by_key_range_prefix_and_page() {
    let data = tempfile::tempdir().expect("a directory");
    let server = server(&data, "word_count");
    let words: Vec<String> = (0..500).map(|n| format!("w{n:03}")).collect();
    for some in words.chunks(50) {
        let line = json!({ "text": some.join(" ") }).to_string();
        server.append("lines", &line).expect("an append");
    }
    let upper = server.append("lines", "{\"text\":\"w007 other\"}").expect("an append");
    let ask = |more: &str| server.get(&format!("{VIEW}?at_least={upper}{more}"));

    let answer = ask("&key=w007");
    assert_eq!(answer["rows"], json!([{ "word": "w007", "n": 2 }]));
    assert_eq!((&answer["dataflow"], &answer["epoch"]), (&json!("word_count"), &json!(upper)));
    assert!(answer["version"].is_string() && answer["boundary"].is_u64(), "{answer}");
    assert_eq!(ask("&key=none")["rows"], json!([]));
    let many = ask("&key=w001&key=none&key=other");
    let many: Vec<_> = many["rows"].as_array().expect("rows").iter().map(|r| &r["word"]).collect();
    assert_eq!(many, ["w001", "other"]);

    let words_of = |answer: &Value| -> Vec<String> {
        let rows = answer["rows"].as_array().expect("rows");
        rows.iter().map(|row| row["word"].as_str().expect("a word").to_owned()).collect()
    };
    assert_eq!(words_of(&ask("&from=w010&to=w013")), ["w010", "w011", "w012"]);
    assert_eq!(words_of(&ask("&prefix=w49")).len(), 10);

    // Pages of any size, one after another, are the whole view, once.
    let whole = words_of(&ask("&limit=1000"));
    assert_eq!(whole.len(), 501);
    for limit in [1, 7, 100, 501] {
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = server.get(&format!("{VIEW}?as_of={upper}&limit={limit}{cursor}"));
            paged.extend(words_of(&page));
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(paged, whole, "pages of {limit}");
    }
    // The past: before the last append.
    let before = server.get(&format!("{VIEW}?as_of={}&key=w007", upper - 1));
    assert_eq!(before["rows"], json!([{ "word": "w007", "n": 1 }]));
}

#[test]
fn all_views_in_one_snapshot() {
    let data = tempfile::tempdir().expect("a directory");
    let server = server(&data, "bank");
    let transfer = |id: i64| {
        let from = id % 3;
        json!({ "id": id, "from_account": from, "to_account": 7, "amount": id, "ts": 0 })
    };
    for id in 1..30 {
        server.append("transfers", &transfer(id).to_string()).expect("an append");
        let all = server.get("/v1/dataflows/bank/snapshot");
        let total = all["views"]["total"]["rows"].as_array().expect("rows");
        assert!(total.iter().all(|row| row["value"] == 0 || row["total"] == 0), "{all}");
        let sum = |view: &str, column: &str| -> i64 {
            let rows = all["views"][view]["rows"].as_array().expect("rows");
            rows.iter().map(|row| row[column].as_i64().expect("a number")).sum()
        };
        assert_eq!(sum("credits", "credits"), sum("debits", "debits"), "{all}");
    }
}

#[test]
fn what_cannot_be_answered_says_what_can() {
    let data = tempfile::tempdir().expect("a directory");
    let server = server(&data, "tweets");
    let checks: [(&str, u16, &[&str]); 9] = [
        ("/v1/dataflows/nothing/views/a", 404, &["nothing", "served are tweets"]),
        ("/v1/dataflows/tweets/views/nothing", 404, &["nothing", "tags_by_hour, top_tags"]),
        ("/v1/dataflows/tweets/views/top_tags?key=noon", 400, &["hour", "noon", "timestamp"]),
        ("/v1/dataflows/tweets/views/top_tags?cursor=!!", 400, &["cursor"]),
        ("/v1/dataflows/tweets/views/top_tags?limit=-1", 400, &["limit", "-1"]),
        ("/v1/dataflows/tweets/views/top_tags?colour=red", 400, &["colour"]),
        ("/v1/dataflows/tweets/views/top_tags?as_of=7", 404, &["epoch 7", "not in the log"]),
        ("/v1/dataflows/tweets/views/top_tags?at_least=7", 404, &["7", "not in the log"]),
        ("/v1/dataflows/tweets/views/top_tags?mode=verified", 404, &["verified"]),
    ];
    for (path, status, words) in checks {
        let (found, detail) = refused(&server, path);
        assert_eq!(found, status, "{path}: {detail}");
        for word in words {
            assert!(detail.contains(word), "{path}: {word:?} is not said: {detail}");
        }
    }
}

/// A cursor belongs to its view and its epoch.
#[test]
fn a_cursor_of_another_view_or_epoch_is_refused() {
    let data = tempfile::tempdir().expect("a directory");
    let server = server(&data, "word_count");
    let epoch = server.append("lines", "{\"text\":\"a b c\"}").expect("an append");
    let page = server.get(&format!("{VIEW}?limit=1&at_least={epoch}"));
    let cursor = page["cursor"].as_str().expect("a cursor").to_owned();
    let later = server.append("lines", "{\"text\":\"d\"}").expect("an append");
    server.get(&format!("{VIEW}?limit=1&at_least={later}"));
    let (status, detail) = refused(&server, &format!("{VIEW}?as_of={later}&cursor={cursor}"));
    assert_eq!(status, 400, "{detail}");
    assert!(detail.contains("epoch"), "{detail}");
    // Without an epoch of its own the page goes on at the cursor's.
    let next = server.get(&format!("{VIEW}?limit=10&cursor={cursor}"));
    assert_eq!(next["epoch"], json!(epoch), "{next}");
    assert_eq!(next["rows"].as_array().map(Vec::len), Some(2), "{next}");
}

/// An instant means the last epoch that was sealed by then.
#[test]
fn a_time_stands_for_the_last_epoch_before_it() {
    let data = tempfile::tempdir().expect("a directory");
    let server = server(&data, "word_count");
    let epoch = server.append("lines", "{\"text\":\"a\"}").expect("an append");
    server.get(&format!("{VIEW}?at_least={epoch}"));
    let (status, detail) = refused(&server, &format!("{VIEW}?as_of=2001-01-01T00:00:00Z"));
    assert_eq!(status, 404, "{detail}");
    assert!(detail.contains("as old as"), "{detail}");
    // Between the two appends, by this process's clock, which is the server's.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let between = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let between = between.expect("after 1970").as_micros();
    let time = diptych::event::Timestamp::from_micros(i64::try_from(between).expect("a time"));
    std::thread::sleep(std::time::Duration::from_millis(20));
    let later = server.append("lines", "{\"text\":\"a\"}").expect("an append");
    server.get(&format!("{VIEW}?at_least={later}"));
    let answer = server.get(&format!("{VIEW}?key=a&as_of={time}"));
    assert_eq!(answer["epoch"], json!(epoch), "{answer}");
    assert_eq!(answer["rows"], json!([{ "word": "a", "n": 1 }]));
    let answer = server.get(&format!("{VIEW}?key=a&as_of=2099-01-01T00:00:00Z"));
    assert_eq!(answer["epoch"], json!(later), "{answer}");
}

/// A snapshot as lines has every row of every view, and marks its end.
#[test]
fn a_snapshot_as_lines_is_whole() {
    let data = tempfile::tempdir().expect("a directory");
    let server = server(&data, "word_count");
    let words: Vec<String> = (0..5_000).map(|n| format!("w{n:04}")).collect();
    let epoch = server.append("lines", &json!({ "text": words.join(" ") }).to_string());
    let epoch = epoch.expect("an append");
    let path = format!("/v1/dataflows/word_count/snapshot?format=ndjson&at_least={epoch}");
    let mut response = ureq::get(server.url(&path)).call().expect("an answer");
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let text = response.body_mut().read_to_string().expect("text");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&lines[0]["dataflow"], &lines[0]["epoch"]), (&json!("word_count"), &json!(epoch)));
    let rows = &lines[1..lines.len() - 1];
    let found: Vec<_> = rows.iter().map(|line| line["row"]["word"].as_str()).collect();
    assert_eq!(found, words.iter().map(|word| Some(word.as_str())).collect::<Vec<_>>());
    assert!(rows.iter().all(|line| line["view"] == "counts"));
    assert_eq!(lines.last(), Some(&json!({ "end": true, "rows": 5_000 })));
    // As one object: the first rows of each view, and where they go on.
    let path = format!("/v1/dataflows/word_count/snapshot?limit=3&at_least={epoch}");
    let answer = server.get(&path);
    let cursor = answer["views"]["counts"]["cursor"].as_str().expect("a cursor");
    let next = server.get(&format!("{VIEW}?limit=1&cursor={cursor}"));
    assert_eq!(next["rows"], json!([{ "word": "w0003", "n": 1 }]));
}

/// Values with commas, percent signs, quotes, and values without any letters.
#[test]
fn keys_are_any_text() {
    let data = tempfile::tempdir().expect("a directory");
    let server = server(&data, "word_count");
    let words = ["a,b", "50%", "\"x\"", "é", "[1]", "a+b", "a&b=c"];
    let epoch = server.append("lines", &json!({ "text": words.join(" ") }).to_string());
    let epoch = epoch.expect("an append");
    let encoded =
        |text: &str| text.bytes().fold(String::new(), |all, byte| all + &format!("%{byte:02X}"));
    for word in words {
        let list = format!("key_json={}", encoded(&json!([word]).to_string()));
        let plain = format!("key={}", encoded(word));
        for key in [list, plain] {
            let answer = server.get(&format!("{VIEW}?at_least={epoch}&{key}"));
            assert_eq!(answer["rows"], json!([{ "word": word, "n": 1 }]), "{key}");
            let answer = server.get(&format!("{VIEW}?{key}"));
            assert_eq!(answer["rows"], json!([{ "word": word, "n": 1 }]), "{key}");
        }
    }
}

#[test]
fn what_is_served_is_described() {
    let data = tempfile::tempdir().expect("a directory");
    let server = server(&data, "bank");
    let flows = server.get("/v1/dataflows");
    assert_eq!(flows["dataflows"][0], server.get("/v1/dataflows/bank"));
    let view = &flows["dataflows"][0]["views"][0];
    assert_eq!(view["view"], "credits");
    let key = json!([{ "name": "account", "type": "i64", "nullable": false }]);
    assert_eq!(view["key"], key);
    let streams = server.get("/v1/streams");
    assert_eq!(streams["streams"][0]["stream"], "transfers");
    assert_eq!(streams["streams"][0]["columns"][1]["name"], "from_account");
    let status = server.get("/v1/status");
    let flow = &status["dataflows"][0];
    for number in ["since", "upper", "boundary", "lag", "leases"] {
        assert!(flow[number].is_u64(), "{number}: {status}");
    }
    assert_eq!(flow["views"].as_array().map(Vec::len), Some(6), "{status}");
    assert!(status["uptime_seconds"].is_f64() && status["log"]["upper"].is_u64(), "{status}");
}

/// A read of one key at the latest epoch takes a shorter way than the same read with a limit.
#[test]
fn the_short_way_and_the_long_way_say_the_same() {
    let data = tempfile::tempdir().expect("a directory");
    let server = server(&data, "bank");
    let mut last = 0;
    for id in 0..20 {
        let transfer =
            json!({ "id": id, "from_account": id % 3, "to_account": 7, "amount": id, "ts": 0 });
        last = server.append("transfers", &transfer.to_string()).expect("an append");
    }
    server.get(&format!("/v1/dataflows/bank/views/total?at_least={last}"));
    for (view, key) in
        [("credits", "7"), ("debits", "-1"), ("debits", "1"), ("debits", "one"), ("none", "1")]
    {
        let path = format!("/v1/dataflows/bank/views/{view}?key={key}");
        let answers = ["", "&limit=100"].map(|more| {
            let config = ureq::get(server.url(&format!("{path}{more}"))).config();
            let mut response =
                config.http_status_as_error(false).build().call().expect("an answer");
            let text = response.body_mut().read_to_string().expect("text");
            (response.status(), response.headers()["content-type"].clone(), text)
        });
        assert_eq!(answers[0], answers[1], "{path}");
    }
    let head = ureq::head(server.url("/v1/dataflows/bank/views/credits?key=7"));
    let head = head.call().expect("an answer");
    assert!(head.headers()["content-length"].to_str().is_ok_and(|length| length != "0"));
}
