//! Keys of any length are found, and read page by page: what a client has to send back of a page
//! fits an address.

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
