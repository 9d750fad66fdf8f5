//! The port under clients that leave, that are too many, that send much, and that want TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::served::{Site, connect, private};

fn packet(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

fn startup() -> Vec<u8> {
    packet(b"\0\x03\0\0user\0eve\0database\0x\0\0")
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag][..], &packet(body)].concat()
}

const SSL: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

/// Reads until `end` has come, or the connection ends.
fn read_up_to(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a timeout");
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    while !said.windows(end.len()).any(|part| part == end) {
        match stream.read(&mut piece) {
            Ok(read) if read > 0 => said.extend(&piece[..read]),
            _ => break,
        }
    }
    said
}

const READY: &[u8] = b"Z\0\0\0\x05I";

/// A statement that would run for hours without ever handing on a row.
const ENDLESS: &[&str] = &[
    "SELECT count(*) FROM counts a, counts b, counts c, counts d WHERE a.n + b.n + c.n + d.n < 0",
    "SELECT count(*) FROM counts a, counts b, counts c, counts d",
    "SELECT count(*) FROM counts a JOIN counts b ON a.n = b.n AND a.word || b.word = '' \
     JOIN counts c ON a.n = c.n AND b.word || c.word = ''",
    "SELECT max(a.word || b.word || c.word) FROM counts a, counts b, counts c",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT count(*) FROM r",
];

#[tokio::test(flavor = "multi_thread")]
async fn statements_of_clients_that_have_left_end_at_once() {
    let site = Site::start();
    let held: Vec<TcpStream> = (0..20)
        .map(|at| {
            let mut stream = TcpStream::connect(site.address).expect("a connection");
            stream.write_all(&startup()).expect("sent");
            read_up_to(&mut stream, READY);
            let sql = [ENDLESS[at % ENDLESS.len()].as_bytes(), b"\0"].concat();
            stream.write_all(&message(b'Q', &sql)).expect("sent");
            if at % 2 == 0 {
                // What nobody reads any more must not hide that the client has left.
                stream.write_all(&message(b'X', b"")).expect("sent");
            }
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_secs(1));
    drop(held);
    let begun = Instant::now();
    // Sixteen run at once, and others wait five seconds for their turn.
    std::thread::sleep(Duration::from_millis(1_500));
    let client = site.client().await;
    client.query_one("SELECT max(n) FROM counts", &[]).await.expect("an answer");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn a_full_server_says_so_where_a_client_can_show_it() {
    let site = Site::with(|_, options| options.max_connections = Some(2));
    let mut held = Vec::new();
    let mut refused = None;
    for _ in 0..4 {
        let mut stream = TcpStream::connect(site.address).expect("a connection");
        for request in [GSS, SSL] {
            stream.write_all(&request).expect("sent");
            let mut answer = [0];
            stream.read_exact(&mut answer).expect("an answer");
            assert_eq!(&answer, b"N");
        }
        stream.write_all(&startup()).expect("sent");
        let said = read_up_to(&mut stream, READY);
        if said.starts_with(b"E") {
            refused = Some(String::from_utf8_lossy(&said).into_owned());
            break;
        }
        held.push(stream);
    }
    let refused = refused.expect("a refusal");
    assert!(refused.contains("53300") && refused.contains("too many clients"), "{refused}");
    if Command::new("psql").arg("--version").output().is_ok() {
        let port = site.address.port().to_string();
        let psql = Command::new("psql")
            .args(["-X", "-h", "127.0.0.1", "-p", &port, "-U", "eve", "-c", "SELECT 1", "x"])
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&psql.stderr).into_owned();
        assert!(said.contains("sorry, too many clients already"), "{said}");
    }
    drop(held);
}

#[tokio::test]
async fn long_parameters_and_long_lists_are_taken_and_longer_ones_refused_alone() {
    let site = Site::start();
    let client = site.client().await;
    let long = "x".repeat(16 << 20);
    let row = client.query_one("SELECT length($1::text)", &[&long]).await.expect("an answer");
    assert_eq!(row.get::<_, i32>(0), 16 << 20);
    let longer = "x".repeat(18 << 20);
    let refused = client.query_one("SELECT length($1::text)", &[&longer]).await;
    let refused = refused.expect_err("too long");
    assert_eq!(
        refused.code().map(tokio_postgres::error::SqlState::code),
        Some("54000"),
        "{refused:?}"
    );
    let list: Vec<_> = (0..10_000).map(|n| format!("{n}::int8")).collect();
    let sql = format!("SELECT count(*) FROM counts WHERE n IN ({})", list.join(", "));
    client.query_one(&sql, &[]).await.expect("the connection lives, and long lists are taken");
}

/// A site with TLS and a user, where clear text is refused from everywhere.
fn guarded() -> Site {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    Site::with(move |directory, options| {
        let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
        private(&cert, &made.cert.pem());
        private(&key, &made.signing_key.serialize_pem());
        let credentials = directory.join("credentials.toml");
        let user = "[[user]]\nname = \"ada\"\npassword = \"right\"\nroles = [\"read\"]\n";
        private(&credentials, user);
        (options.tls_cert, options.tls_key) = (Some(cert), Some(key));
        options.credentials = Some(credentials);
        options.pg_tls = Some(diptych::servers::ClearText::Refused);
    })
}

#[tokio::test]
async fn clear_text_is_refused_where_tls_is_required() {
    let site = guarded();
    let refused = connect(site.config().password("right")).await.expect_err("refused");
    assert_eq!(
        refused.code().map(tokio_postgres::error::SqlState::code),
        Some("28000"),
        "{refused:?}"
    );
}

#[test]
fn a_password_is_bound_to_the_certificate() {
    if Command::new("psql").arg("--version").output().is_err() {
        println!("skipped: no psql");
        return;
    }
    let site = guarded();
    let ask = |binding: &str, password: &str| {
        let port = site.address.port().to_string();
        let psql = Command::new("psql")
            .args(["-X", "-A", "-t", "-h", "localhost", "-p", &port, "-U", "ada"])
            .args(["-c", "SELECT 40 + 2", "diptych"])
            .env("PGSSLMODE", "require")
            .env("PGCHANNELBINDING", binding)
            .env("PGPASSWORD", password)
            .output()
            .expect("it runs");
        let said = [psql.stdout, psql.stderr].concat();
        String::from_utf8_lossy(&said).into_owned()
    };
    assert_eq!(ask("require", "right"), "42\n");
    assert_eq!(ask("prefer", "right"), "42\n");
    assert_eq!(ask("disable", "right"), "42\n");
    assert!(ask("require", "wrong").contains("password authentication failed"));
}
