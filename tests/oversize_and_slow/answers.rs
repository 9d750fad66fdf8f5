//! Readers of long rows that take nothing: the memory of their answers is bounded, and a client
//! that reads gets all rows.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use diptych::limits::PAGE_BYTES;

use super::{RSS_MIB_MAX, connect, p99, start};

const VIEW: &str = "/v1/dataflows/word_count/views/counts";
const WORDS: usize = 4_000;
const WORD_BYTES: usize = 8 << 10;
const READERS: usize = 60;
/// The most text of a page, or of a chunk of a subscription.
const TEXT_BYTES: usize = PAGE_BYTES * 3 / 2;
const PATIENCE: Duration = Duration::from_mins(2);

/// A word of `WORD_BYTES`.
fn word(number: usize) -> String {
    format!("{number:0WORD_BYTES$}")
}

/// Appends every word, some in each request.
fn fill(address: SocketAddr) -> u64 {
    let mut epoch = 0;
    let numbers: Vec<usize> = (0..WORDS).collect();
    for some in numbers.chunks(100) {
        let lines: Vec<String> =
            some.iter().map(|number| format!("{{\"text\":\"{}\"}}\n", word(*number))).collect();
        let url = format!("http://{address}/v1/streams/lines?wait=visible&timeout=60s");
        let sent = ureq::post(&url).content_type("application/x-ndjson").send(lines.concat());
        let told = sent.expect("appended").body_mut().read_to_string().expect("text");
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        epoch = told["epoch"].as_u64().expect("an epoch");
    }
    epoch
}

/// Sends a request, and reads nothing.
fn stalled(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = connect(address);
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes())
        .expect("sent");
    stream
}

#[test]
fn readers_that_take_nothing_hold_a_page_at_most() {
    let data = tempfile::tempdir().expect("a folder");
    let (server, address) = start(data.path());
    let epoch = fill(address);
    // Every row in pages of bounded bytes.
    let (mut seen, mut cursor) = (BTreeSet::new(), None::<String>);
    loop {
        let mut url = format!("http://{address}{VIEW}?limit=10000&at_least={epoch}");
        if let Some(cursor) = &cursor {
            url = format!("{url}&cursor={cursor}");
        }
        let mut page = ureq::get(&url).call().expect("a page");
        let text = page.body_mut().with_config().limit(1 << 28).read_to_string().expect("text");
        assert!(text.len() <= TEXT_BYTES, "a page of {} bytes", text.len());
        let page: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        for row in page["rows"].as_array().expect("rows") {
            assert!(seen.insert(row.to_string()), "twice: {row}");
        }
        cursor = page["cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), WORDS);
    let quiet = p99(address);
    let before = server.rss_kib();
    let paths = [
        format!("{VIEW}?limit=10000"),
        format!("{VIEW}/changes"),
        "/v1/dataflows/word_count/snapshot?limit=10000".to_owned(),
        "/v1/dataflows/word_count/snapshot?format=ndjson".to_owned(),
    ];
    let readers: Vec<TcpStream> =
        (0..READERS).map(|number| stalled(address, &paths[number % paths.len()])).collect();
    let begun = Instant::now();
    let mut most = before;
    while begun.elapsed() < Duration::from_secs(5) {
        most = most.max(server.rss_kib());
        std::thread::sleep(Duration::from_millis(5));
    }
    p99(address);
    let grown = most.saturating_sub(before);
    let allowed = (RSS_MIB_MAX << 10) + (READERS * 2 * TEXT_BYTES) as u64 / 1024;
    println!("{READERS} readers that take nothing: {grown} KiB of {allowed}; p99 was {quiet:?}");
    assert!(grown <= allowed, "{grown} KiB of {allowed}");
    drop(readers);
    // A subscriber that reads gets all rows, in chunks.
    let told = rows_told(stalled(address, &format!("{VIEW}/changes")));
    assert_eq!(told, WORDS);
    assert!(server.stop().success());
}

/// Rows of the snapshot with which a subscription begins.
fn rows_told(stream: TcpStream) -> usize {
    use std::io::{BufRead, BufReader};
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut reader = BufReader::new(stream);
    let (mut rows, mut line) = (0, Vec::new());
    // Line by line from the first: what comes with the head is part of the answer.
    reader.read_until(b'\n', &mut line).expect("a line");
    assert_eq!(line, b"HTTP/1.1 200 OK\r\n");
    loop {
        line.clear();
        assert!(reader.read_until(b'\n', &mut line).expect("a line") > 0, "it goes on");
        assert!(line.len() <= TEXT_BYTES, "an event of {} bytes", line.len());
        if line.starts_with(b"event: epoch") {
            return rows;
        }
        rows += memchr::memmem::find_iter(&line, b"\"diff\":").count();
    }
}
