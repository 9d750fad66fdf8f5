//! A client of the Postgres protocol that keeps answers as they came: names, types, bytes, tags and
//! SQLSTATEs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The way in which a statement is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Simple,
    ExtendedText,
    ExtendedBinary,
}

/// The answer to one statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    /// Names and types of the columns.
    pub(crate) columns: Vec<(String, u32)>,
    pub(crate) rows: Vec<Vec<Option<Vec<u8>>>>,
    pub(crate) tag: Option<String>,
    /// SQLSTATE and message.
    pub(crate) error: Option<(String, String)>,
}

/// A connection.
pub(crate) struct Peer {
    stream: TcpStream,
    has_failed: bool,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr, database: &str) -> Peer {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("set");
        stream.set_read_timeout(Some(Duration::from_mins(3))).expect("set");
        let mut peer = Peer { stream, has_failed: false };
        let settings = ["user", "postgres", "database", database, "TimeZone", "UTC"];
        let mut body = 196_608_u32.to_be_bytes().to_vec();
        for text in settings {
            body.extend(text.bytes().chain([0]));
        }
        body.push(0);
        let length = (body.len() as u32 + 4).to_be_bytes();
        peer.send(&[&length[..], &body].concat());
        let answers = peer.answers();
        assert!(answers.iter().all(|answer| answer.error.is_none()), "{answers:?}");
        peer
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sent");
    }

    /// Runs a statement that has to succeed.
    pub(crate) fn must(&mut self, sql: &str) {
        for answer in self.ask(sql, Protocol::Simple) {
            assert!(answer.error.is_none(), "{sql}: {:?}", answer.error);
        }
    }

    /// Whether the last statement failed.
    pub(crate) fn last_failed(&self) -> bool {
        self.has_failed
    }

    /// Sends a statement, and gives its answers: several when the text has several statements.
    pub(crate) fn ask(&mut self, sql: &str, protocol: Protocol) -> Vec<Answer> {
        let text = [sql.as_bytes(), b"\0"].concat();
        let bytes = match protocol {
            Protocol::Simple => message(b'Q', &text),
            Protocol::ExtendedText | Protocol::ExtendedBinary => {
                let format = u16::from(protocol == Protocol::ExtendedBinary).to_be_bytes();
                let bind = [&b"\0\0\0\0\0\0\0\x01"[..], &format].concat();
                [
                    message(b'P', &[b"\0", &text[..], b"\0\0"].concat()),
                    message(b'B', &bind),
                    message(b'D', b"P\0"),
                    message(b'E', b"\0\0\0\0\0"),
                    message(b'S', b""),
                ]
                .concat()
            }
        };
        self.send(&bytes);
        let answers = self.answers();
        self.has_failed = answers.iter().any(|answer| answer.error.is_some());
        answers
    }

    fn message(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).expect("an answer");
        let [tag, length @ ..] = head;
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        self.stream.read_exact(&mut body).expect("the rest of an answer");
        (tag, body)
    }

    /// All answers up to `ReadyForQuery`.
    fn answers(&mut self) -> Vec<Answer> {
        let mut all = Vec::new();
        let mut answer = Answer::default();
        loop {
            let (tag, body) = self.message();
            match tag {
                b'T' => answer.columns = columns(&body),
                b'D' => answer.rows.push(row(&body)),
                b'C' => {
                    answer.tag = Some(texts(&body).concat());
                    all.push(std::mem::take(&mut answer));
                }
                b'E' => {
                    let field = |code: char| {
                        let texts = texts(&body);
                        let found = texts.iter().find_map(|text| text.strip_prefix(code));
                        found.unwrap_or_default().to_owned()
                    };
                    answer.error = Some((field('C'), field('M')));
                    all.push(std::mem::take(&mut answer));
                }
                b'I' => all.push(std::mem::take(&mut answer)),
                b'Z' => return all,
                _ => {}
            }
        }
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

fn texts(body: &[u8]) -> Vec<String> {
    let texts = body.split(|byte| *byte == 0);
    texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

fn number<const N: usize>(body: &mut &[u8]) -> [u8; N] {
    let (number, rest) = body.split_first_chunk().expect("a number");
    *body = rest;
    *number
}

fn columns(mut body: &[u8]) -> Vec<(String, u32)> {
    let count = u16::from_be_bytes(number(&mut body));
    let column = |_| {
        let end = body.iter().position(|byte| *byte == 0).expect("an end");
        let name = String::from_utf8_lossy(&body[..end]).into_owned();
        body = &body[end + 1..];
        let _table: [u8; 6] = number(&mut body);
        let oid = u32::from_be_bytes(number(&mut body));
        let _rest: [u8; 8] = number(&mut body);
        (name, oid)
    };
    (0..count).map(column).collect()
}

fn row(mut body: &[u8]) -> Vec<Option<Vec<u8>>> {
    let count = u16::from_be_bytes(number(&mut body));
    let value = |_| {
        let length = usize::try_from(i32::from_be_bytes(number(&mut body))).ok()?;
        let (value, rest) = body.split_at(length);
        body = rest;
        Some(value.to_vec())
    };
    (0..count).map(value).collect()
}
