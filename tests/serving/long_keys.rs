//! Keys of any length are found, and read page by page: the cursor that a client sends back fits a
//! URL.

use std::process::Command;

use serde_json::{Value, json};

use super::server::Server;

const VIEW: &str = "/v1/dataflows/word_count/views/counts";

/// A server that counts `words`, and the last epoch.
fn counting(data: &tempfile::TempDir, words: &[String]) -> (Server, u64) {
    let data = data.path().to_str().expect("a path");
    let server = Server::start(&["word_count", "--data", data, "-w", "2"]);
    let mut epoch = 0;
    for word in words {
        let line = json!({ "text": word }).to_string();
        epoch = server.append("lines", &line).expect("an append");
    }
    server.get(&format!("{VIEW}?at_least={epoch}&limit=1"));
    (server, epoch)
}

fn words_of(answer: &Value) -> Vec<String> {
    let rows = answer["rows"].as_array().expect("rows");
    rows.iter().map(|row| row["word"].as_str().expect("a word").to_owned()).collect()
}

/// All words, in pages of `limit`.
fn paged(server: &Server, epoch: u64, limit: usize, more: &str) -> Vec<String> {
    let (mut words, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{VIEW}?as_of={epoch}&limit={limit}{more}{cursor}");
        let page = server.get(&path);
        words.extend(words_of(&page));
        let Some(next) = page["cursor"].as_str() else { return words };
        assert!(next.len() < 8_000, "a cursor of {} characters", next.len());
        cursor = format!("&cursor={next}");
    }
}

#[test]
fn pages_go_on_behind_long_keys() {
    let data = tempfile::tempdir().expect("a directory");
    let words = ["a".repeat(10), "b".repeat(30_000), "c".repeat(10)];
    let (server, epoch) = counting(&data, &words);
    assert_eq!(paged(&server, epoch, 1, ""), words);
}

#[test]
fn pages_go_on_among_keys_that_begin_alike() {
    let data = tempfile::tempdir().expect("a directory");
    let alike = |n: u32| format!("{}{n}", "k".repeat(5_000));
    let exact = ["k".repeat(1_023), "k".repeat(1_024), "k".repeat(1_025)];
    let mut words: Vec<String> = (10..25).map(alike).chain(exact).collect();
    words.extend(["a", "k", "z"].map(str::to_owned));
    let (server, epoch) = counting(&data, &words);
    words.sort();
    for limit in [1, 2, 7, 20] {
        assert_eq!(paged(&server, epoch, limit, ""), words, "pages of {limit}");
        let range = paged(&server, epoch, limit, &format!("&from={}&to=l", alike(13)));
        let expected: Vec<_> =
            words.iter().filter(|word| **word >= alike(13) && &***word < "l").cloned().collect();
        assert_eq!(range, expected, "pages of {limit} in a range");
    }
    // A place in one range is none in another, and is not taken for one.
    let page = server.get(&format!("{VIEW}?as_of={epoch}&limit=3&from={}", alike(11)));
    let cursor = page["cursor"].as_str().expect("more rows");
    let path = format!("{VIEW}?as_of={epoch}&limit=3&from={}&cursor={cursor}", alike(12));
    let (status, detail) = super::reads::refused(&server, &path);
    assert_eq!(status, 400, "{detail}");
    assert!(detail.contains("not a place among these rows"), "{detail}");
}

/// Keys that are too long for a URL are sent in a form.
#[test]
fn long_keys_are_asked_for_in_a_form() {
    let data = tempfile::tempdir().expect("a directory");
    let words = ["a".repeat(50_000), "b".repeat(60_000), "[&%+]".to_owned()];
    let (server, epoch) = counting(&data, &words);
    let posted = |address: &str, kind: &str, body: &str| {
        let url = server.url(&format!("{VIEW}?{address}"));
        let request = ureq::post(url).config().http_status_as_error(false).build();
        let mut response = request.header("content-type", kind).send(body).expect("an answer");
        let text = response.body_mut().read_to_string().expect("text");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        (response.status().as_u16(), answer)
    };
    let form = "application/x-www-form-urlencoded";
    let (status, one) = posted("", form, &format!("key={}", words[1]));
    assert_eq!((status, words_of(&one)), (200, vec![words[1].clone()]));
    let keys = format!("key_json=[\"{}\"]&key=%5B%26%25%2B%5D&key={}", words[1], words[0]);
    let (status, many) = posted(&format!("as_of={epoch}&limit=5"), form, &keys);
    let expected: Vec<_> = words.iter().rev().map(String::as_str).collect();
    let found = words_of(&many);
    assert_eq!(status, 200);
    assert_eq!(found, [expected[1], expected[0], expected[2]]);
    let (status, refused) = posted("", form, "keys=a");
    assert_eq!(status, 400, "{refused}");
    let (status, refused) = posted("", "application/json", "{}");
    assert_eq!(status, 415, "{refused}");
    let (status, refused) = posted("", form, &format!("key={}", "k".repeat(3 << 20)));
    assert_eq!(status, 413, "{refused}");

    // The command line does so by itself.
    let mut query = Command::new(env!("CARGO_BIN_EXE_diptych"));
    query.args(["query", "word_count", "counts", "--format", "csv", "--server", &server.url("")]);
    let output = query.args(["--key", &words[1]]).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(text.lines().nth(1), Some(&*format!("{},1", words[1])), "{:?}", output.stderr);
}
