//! Bytes that no client sends: they end the connection, not the server.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::served::Site;

fn startup() -> Vec<u8> {
    let body = b"\0\x03\0\0user\0eve\0database\0x\0\0";
    [&(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

/// Sends `bytes`, closes the sending side, and returns the answer up to its end.
fn answer(site: &Site, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(site.address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    // The server may be done with it before the end.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("it was left open"),
        // A reset is an end, too.
        _ => answer,
    }
}

/// Checks that a good client is answered.
fn check(site: &Site) {
    let ask = [startup(), message(b'Q', b"SELECT 1\0"), message(b'X', b"")].concat();
    let answer = answer(site, &ask);
    assert!(answer.windows(9).any(|bytes| bytes == b"SELECT 1\0"), "{answer:?}");
}

#[test]
fn random_bytes_end_their_connection_only() {
    let site = Site::start();
    let random = prop::collection::vec(any::<u8>(), 0..300);
    let pieces = prop_oneof![
        (
            prop::sample::select(b"QPBDECHSXpdcfF\0z".to_vec()),
            prop::collection::vec(any::<u8>(), 0..40)
        )
            .prop_map(|(tag, body)| message(tag, &body)),
        Just(message(b'P', b"\0SELECT n FROM counts WHERE word = $1\0\0\0")),
        Just(message(b'B', b"\0\0\0\0\0\x01\0\0\0\x02w1\0\0")),
        Just(message(b'E', b"\0\0\0\0\0")),
        Just(message(b'S', b"")),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    let session = prop::collection::vec(pieces, 0..8).prop_map(|pieces| pieces.concat());
    let session = session.prop_map(|bytes| [startup(), bytes].concat());
    let mut runner = TestRunner::new(Config { cases: 400, ..Config::default() });
    let outcome = runner.run(&prop_oneof![random, session], |bytes| {
        answer(&site, &bytes);
        Ok(())
    });
    outcome.expect("no bytes hold a connection open");
    check(&site);
}

#[test]
fn every_cut_of_a_session_ends_it() {
    let site = Site::start();
    let whole = [
        startup(),
        message(b'P', b"s\0SELECT n FROM counts WHERE word = $1\0\0\0"),
        message(b'B', b"\0s\0\0\0\0\x01\0\0\0\x02w1\0\0"),
        message(b'D', b"P\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
    ]
    .concat();
    let full = answer(&site, &whole);
    assert!(full.ends_with(b"Z\0\0\0\x05I"), "{full:?}");
    for cut in 0..whole.len() {
        let part = answer(&site, &whole[..cut]);
        assert!(part.len() <= full.len(), "cut at {cut}");
    }
    check(&site);
}

#[test]
fn announced_lengths_are_not_believed() {
    let site = Site::start();
    let huge = |tag: u8, length: i32| [&[tag][..], &length.to_be_bytes(), b"SELECT"].concat();
    for length in [i32::MAX, 1 << 30, 20 << 20, 3, 0, -1, i32::MIN] {
        for tag in [b'Q', b'P', b'B', b'p'] {
            let answer = answer(&site, &[startup(), huge(tag, length)].concat());
            let said = String::from_utf8_lossy(&answer).into_owned();
            assert!(said.contains("54000") || said.contains("08P01"), "{tag} {length}: {said}");
        }
        // Before the session, such a length is no packet.
        assert!(answer(&site, &length.to_be_bytes()).is_empty());
    }
    // Counts inside a message, too.
    let many = message(b'B', b"\0\0\0\0\xff\xff");
    let said = answer(&site, &[startup(), many, message(b'S', b"")].concat());
    assert!(String::from_utf8_lossy(&said).contains("08P01"));
    check(&site);
}

#[test]
fn who_says_nothing_is_left() {
    let site = Site::start();
    let begun = Instant::now();
    let mut streams: Vec<_> =
        (0..20).map(|_| TcpStream::connect(site.address).expect("a connection")).collect();
    for (at, stream) in streams.iter_mut().enumerate() {
        // Some begin to say something.
        stream.write_all(&startup()[..at % 9]).expect("sent");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    }
    check(&site);
    for stream in &mut streams {
        let mut byte = [0];
        let read = stream.read(&mut byte);
        assert!(matches!(read, Ok(0)) || read.is_err_and(|e| e.kind() != ErrorKind::WouldBlock));
    }
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    check(&site);
}

#[test]
fn a_wrong_cancel_request_stops_nobody() {
    let site = Site::start();
    for body in [&[0u8; 8][..], &[1; 8], b"", &[7; 300]] {
        let code = 80_877_102u32.to_be_bytes();
        let length = (body.len() as u32 + 8).to_be_bytes();
        assert!(answer(&site, &[&length[..], &code, body].concat()).is_empty());
    }
    check(&site);
}
