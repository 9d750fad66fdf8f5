//! The first bytes of a connection: the head of its first request, and a body if it is small.
//!
//! They are gathered here, in a buffer that is as large as what has come, because everything that
//! serves a request holds buffers of its own: a client that takes its time costs what it has sent.
//! What is read is only looked at to know how long to wait; the server parses it again.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::limits::HEAD_BYTES_MAX;

/// What the first bytes of an HTTP/2 connection without TLS are.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n";
const HEAD_END: &[u8] = b"\r\n\r\n";
/// Read at once: most heads are shorter.
const PIECE: usize = 512;
/// Bytes of a body that are waited for: most appends are smaller, and what is larger has proved
/// that it comes.
const BODY_START: usize = 16 << 10;

/// How a connection begins.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// What was read so far, for the one who serves it.
    pub(super) bytes: BytesMut,
    /// Where the head ends.
    head: usize,
    /// A longer body is refused by its head alone.
    limit: u64,
}

impl Start {
    /// Nothing so far; bodies have at most `limit` bytes.
    pub(super) fn new(limit: u64) -> Start {
        Start { limit, ..Start::default() }
    }

    /// HTTP/2 follows.
    pub(super) fn is_http2(&self) -> bool {
        self.bytes.starts_with(HTTP2)
    }

    /// Reads until the head is whole, or so long that the server may refuse it. Says whether there
    /// is one: the client may leave before.
    ///
    /// # Errors
    /// What the connection reports.
    pub(super) async fn head(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
    ) -> std::io::Result<bool> {
        let mut searched = 0;
        loop {
            if !self.more(io).await? {
                return Ok(false);
            }
            if let Some(end) = memchr::memmem::find(&self.bytes[searched..], HEAD_END) {
                self.head = searched + end + HEAD_END.len();
                return Ok(true);
            }
            if self.bytes.len() > HEAD_BYTES_MAX {
                self.head = self.bytes.len();
                return Ok(true);
            }
            searched = self.bytes.len().saturating_sub(HEAD_END.len() - 1);
        }
    }

    /// Reads on until the body is whole, or has got on well.
    ///
    /// # Errors
    /// What the connection reports.
    pub(super) async fn body(&mut self, io: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
        while !self.is_begun() && self.more(io).await? {}
        Ok(())
    }

    /// Nothing more need be waited for before the request is served.
    pub(super) fn is_begun(&self) -> bool {
        let (head, body) = self.bytes.split_at(self.head);
        match expected(head) {
            Expected::Nothing => true,
            Expected::Length(len) if len as u64 > self.limit => true,
            Expected::Length(len) => body.len() >= len.min(BODY_START),
            Expected::Chunks => body.ends_with(b"0\r\n\r\n") || body.len() >= BODY_START,
        }
    }

    async fn more(&mut self, io: &mut (impl AsyncRead + Unpin)) -> std::io::Result<bool> {
        let mut piece = [0; PIECE];
        let read = io.read(&mut piece).await?;
        self.bytes.extend_from_slice(&piece[..read]);
        Ok(read > 0)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Nothing,
    Length(usize),
    Chunks,
}

/// What follows a head. One that is not understood is left to the server to refuse.
fn expected(head: &[u8]) -> Expected {
    let mut found = Expected::Nothing;
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"expect") {
            // The client sends no body before it is asked for it.
            return Expected::Nothing;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            found = Expected::Chunks;
        } else if name.eq_ignore_ascii_case(b"content-length") && found == Expected::Nothing {
            let len = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            found = len.map_or(Expected::Nothing, Expected::Length);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_head_is_told_by_its_fields() {
        for (fields, follows) in [
            ("", Expected::Nothing),
            ("Content-Length: 17\r\n", Expected::Length(17)),
            ("content-length:99999999999999999999999\r\n", Expected::Nothing),
            ("content-length: 5\r\ntransfer-Encoding: chunked\r\n", Expected::Chunks),
            ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", Expected::Chunks),
            ("content-length: 5\r\nExpect: 100-continue\r\n", Expected::Nothing),
        ] {
            let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
            assert_eq!(expected(head.as_bytes()), follows, "{fields}");
        }
    }

    #[tokio::test]
    async fn a_start_is_read_to_the_end_of_a_small_body() {
        let request = b"POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nbody";
        let mut start = Start::new(4);
        let mut io = in_pieces(request);
        assert!(start.head(&mut io).await.expect("bytes"));
        start.body(&mut io).await.expect("bytes");
        assert_eq!(&start.bytes[..], request);
        assert!(start.is_begun() && !start.is_http2());
    }

    #[tokio::test]
    async fn a_client_that_leaves_has_no_head() {
        let mut start = Start::default();
        assert!(!start.head(&mut &b"GET / HTTP/1.1\r\nhost"[..]).await.expect("bytes"));
    }

    /// The bytes, a few at a time.
    fn in_pieces(bytes: &'static [u8]) -> impl AsyncRead + Unpin {
        let (mut there, here) = tokio::io::duplex(3);
        tokio::spawn(async move {
            tokio::io::AsyncWriteExt::write_all(&mut there, bytes).await.expect("written");
        });
        here
    }
}
