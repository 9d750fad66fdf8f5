//! Promise 16: hostile bytes make no decoder and no port panic, hang or allocate without bound.
//!
//! The test makes a million mutations of well-formed bytes, behind the checksums that would catch
//! most of them, and sends malformed requests over real sockets. It is repeatable: a failure prints
//! decoder, number and bytes; `DIPTYCH_SEED` chooses other mutations, `DIPTYCH_CASES` their number.

#[path = "hostile_bytes/counted.rs"]
mod counted;
#[path = "hostile_bytes/mutate.rs"]
mod mutate;
#[path = "serving/server.rs"]
mod server;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diptych::fuzz_targets::{Decoder, decoders};
use mutate::Mutations;
use server::Server;

#[global_allocator]
static ALLOCATOR: counted::Counted = counted::Counted;

const CASES: u64 = 1_000_000;
/// The bytes that a decoder may hold beside a multiple of its input.
const BYTES_MAX: usize = 2 << 20;
const BYTES_PER_BYTE: usize = 256;
/// Far more than any decoder takes, on a machine that has other work at times.
const TIME_MAX: Duration = Duration::from_secs(5);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs one decoder on one input; an error says what it did wrong.
fn attack(decoder: &Decoder, bytes: &[u8]) -> Result<(), String> {
    let begun = Instant::now();
    let run = decoder.run;
    let (outcome, peak) = counted::peak(|| catch_unwind(|| run(bytes)));
    if let Err(panic) = outcome {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        return Err(format!("panicked: {}", text.unwrap_or_default()));
    }
    if peak > BYTES_MAX + BYTES_PER_BYTE * bytes.len() {
        return Err(format!("allocated {peak} bytes for {} of input", bytes.len()));
    }
    let took = begun.elapsed();
    if took > TIME_MAX { Err(format!("took {took:?}")) } else { Ok(()) }
}

#[test]
fn no_decoder_panics_hangs_or_grows() {
    let decoders = decoders();
    let (seed, cases) = (number("DIPTYCH_SEED", 1), number("DIPTYCH_CASES", CASES));
    let each = cases.div_ceil(decoders.len() as u64);
    let next = AtomicUsize::new(0);
    let failures = std::sync::Mutex::new(Vec::new());
    // A panic is what is looked for; its message is printed once, with the input.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(decoder) = decoders.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let failed = attack_all(decoder, seed, each);
                    failures.lock().expect("no panic").extend(failed);
                }
            });
        }
    });
    std::panic::set_hook(hook);
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "seed {seed}:\n{}", failures.join("\n"));
    println!("{} decoders, {each} mutations each, seed {seed}", decoders.len());
}

/// The first failure of a decoder, if it has one.
fn attack_all(decoder: &Decoder, seed: u64, cases: u64) -> Option<String> {
    let begun = Instant::now();
    for (index, bytes) in decoder.seeds.iter().enumerate() {
        if let Err(what) = attack(decoder, bytes) {
            return Some(format!("{}: its own seed {index}: {what}", decoder.name));
        }
    }
    let mut mutations = Mutations::new(seed, decoder.name, &decoder.seeds);
    for case in 0..cases {
        let bytes = mutations.next();
        if let Err(what) = attack(decoder, &bytes) {
            let shown = bytes.escape_ascii().to_string();
            return Some(format!("{}: case {case}: {what}\n  on b\"{shown}\"", decoder.name));
        }
    }
    let micros = begun.elapsed().as_micros() / u128::from(cases);
    println!("{}: {cases} mutations, {micros} us each", decoder.name);
    None
}

const REQUESTS: [&[u8]; 6] = [
    b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
    b"GET /v1/dataflows/word_count/views/counts?key=be&limit=2&as_of=0&cursor=AQ HTTP/1.1\r\n\
     host: localhost\r\nauthorization: Bearer x\r\n\r\n",
    b"POST /v1/streams/lines?producer=p&sequence=0 HTTP/1.1\r\nhost: localhost\r\ncontent-type: \
     application/x-ndjson\r\ncontent-length: 17\r\n\r\n{\"text\": \"to be\"}",
    b"POST /v1/streams/lines HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\
     content-type: text/csv\r\n\r\n9\r\ntext\nto b\r\n2\r\ne\n\r\n0\r\n\r\n",
    b"GET /v1/dataflows/word_count/views/counts/changes?from=0 HTTP/1.1\r\nhost: localhost\r\n\
     last-event-id: 1@0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\
     \0\x01\0\0\0\0\x01\x01\x05\0\0\0\x01\x02\x04\x06\x08",
];

/// Sends bytes as they are, and reads until the server closes or the time is over.
fn send(address: SocketAddr, bytes: &[u8]) {
    let Ok(mut stream) = TcpStream::connect(address) else {
        panic!("the server is gone after {:?}", bytes.escape_ascii().to_string())
    };
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    // It may have had enough before the end.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = [0; 4096];
    while stream.read(&mut answer).is_ok_and(|read| read > 0) {}
}

fn flood(server: &Server, address: SocketAddr, seeds: &[Vec<u8>], name: &str, cases: u64) {
    let before = server.rss_kib();
    let mut mutations = Mutations::new(number("DIPTYCH_SEED", 1), name, seeds);
    for _ in 0..cases {
        send(address, &mutations.next());
    }
    let healthy = ureq::get(server.url("/healthz")).call().expect("the server answers");
    assert_eq!(healthy.status(), 200);
    let grown = server.rss_kib().saturating_sub(before);
    println!("{name}: {cases} connections, {grown} KiB");
    assert!(grown < 64 << 10, "{grown} KiB more after {cases} hostile connections");
}

#[test]
fn no_request_harms_the_server() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(&["word_count", "--data", data.path().to_str().expect("a path")]);
    let address = server.url("").trim_start_matches("http://").parse().expect("an address");
    let seeds: Vec<Vec<u8>> = REQUESTS.iter().map(|bytes| bytes.to_vec()).collect();
    flood(&server, address, &seeds, "HTTP", number("DIPTYCH_CASES", CASES) / 500);
    assert!(server.stop().success());
}

#[cfg(feature = "sql")]
#[test]
fn no_message_harms_the_postgres_port() {
    let data = tempfile::tempdir().expect("a folder");
    let folder = data.path().to_str().expect("a path");
    let server = Server::start(&["word_count", "--data", folder, "--pg-listen", "127.0.0.1:0"]);
    let startup = b"\0\0\0\x29\0\x03\0\0user\0a\0database\0word_count\0\0\0";
    let query = b"Q\0\0\0\x1dselect * from counts; --\0\0";
    let parse = b"P\0\0\0\x10s\0select 1\0\0\0S\0\0\0\x04X\0\0\0\x04";
    let ssl = b"\0\0\0\x08\x04\xd2\x16\x2f";
    let seeds = [
        [&startup[..], query].concat(),
        [&startup[..], parse].concat(),
        [&ssl[..], startup].concat(),
    ];
    let address = server.pg().expect("an address");
    flood(&server, address, &seeds, "Postgres", number("DIPTYCH_CASES", CASES) / 1000);
    assert!(server.stop().success());
}
