//! Subscribers that read nothing: memory stays where it is, others are served, and they are cut.

use std::fmt::Write as _;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::server::Server;
use super::subscriber::Subscriber;

const STALLED: usize = 40;
const PATH: &str = "/v1/dataflows/word_count/views/counts/changes";
/// The memory that all of them together may cost: 1 MiB each. The text they asked for is a thousand
/// MiB.
const GROWTH_KIB: u64 = STALLED as u64 * (1 << 10);

fn metric(server: &Server, name: &str) -> usize {
    let mut response = ureq::get(server.url("/metrics")).call().expect("metrics");
    let text = response.body_mut().read_to_string().expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().expect("a number")
}

/// A connection with a small buffer on this side: by default the system takes 32 MB for a program
/// that reads nothing.
fn narrow(address: &str) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let connected = runtime.expect("a runtime").block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(64 << 10)?;
        socket.connect(address.parse().expect("an address")).await?.into_std()
    });
    let socket = connected.expect("a connection");
    socket.set_nonblocking(false).expect("a blocking socket");
    socket
}

/// The memory once nothing changes any more: merges after appends take some for a while.
fn at_rest(server: &Server) -> u64 {
    let (mut last, mut quiet) = (server.rss_kib(), 0);
    let begun = Instant::now();
    while quiet < 8 && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(250));
        let now = server.rss_kib();
        quiet = if now.abs_diff(last) < 256 { quiet + 1 } else { 0 };
        last = now;
    }
    last
}

#[test]
fn subscribers_that_read_nothing_cost_nothing_and_are_cut() {
    let data = tempfile::tempdir().expect("a directory");
    let data = data.path().to_str().expect("a path");
    // A checkpoint makes new files the base of the view: pages that would be counted as memory.
    let server = Server::start(&["word_count", "--data", data, "--checkpoint-every", "never"]);
    let mut last = 0;
    let long = "x".repeat(250);
    for epoch in 0..60 {
        let words = (0..1_500).fold(String::new(), |mut text, word| {
            let _ = write!(text, " {epoch}-{word}-{long}");
            text
        });
        last = server.append("lines", &format!("{{\"text\":\"{words}\"}}")).expect("an append");
    }
    server.get(&format!("/v1/dataflows/word_count/views/counts?key=x&at_least={last}"));
    let before = at_rest(&server);
    let address = server.url("").trim_start_matches("http://").to_owned();
    let mut stalled = Vec::new();
    for number in 0..STALLED {
        // Half ask for the snapshot (27 MB of text), half for every epoch since the first.
        let query = if number % 2 == 0 { "" } else { "?from=0" };
        let mut socket = narrow(&address);
        write!(socket, "GET {PATH}{query} HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("a request");
        stalled.push(socket);
    }
    let begun = Instant::now();
    let mut most = 0;
    while begun.elapsed() < Duration::from_secs(5) {
        most = most.max(server.rss_kib());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(metric(&server, "diptych_subscriptions"), STALLED);
    assert!(most < before + GROWTH_KIB, "{before} KiB before, {most} KiB with stalled readers");
    // A good one is served meanwhile, and appends go on.
    let mut good = Subscriber::default();
    let epoch = server.append("lines", "{\"text\":\"one more\"}").expect("an append");
    good.follow(&server.url(PATH), u64::MAX, |good| good.upper() > epoch);
    assert_eq!(good.rows.len(), 90_002);
    while metric(&server, "diptych_subscriptions") > 0 {
        most = most.max(server.rss_kib());
        let (open, waited) = (metric(&server, "diptych_subscriptions"), begun.elapsed());
        assert!(waited < Duration::from_mins(3), "{open} are still there");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(begun.elapsed() > Duration::from_secs(15), "a pause is no stall");
    assert_eq!(metric(&server, "diptych_subscriptions_stalled_total"), STALLED);
    assert!(most < before + 2 * GROWTH_KIB, "{before} KiB before, {most} KiB later");
    println!("{STALLED} stalled readers: {before} KiB before, {most} KiB at most");
}
