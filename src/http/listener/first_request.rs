//! The first bytes of a connection: the head of its first request, and a small body.
//!
//! The bytes are gathered in a buffer that is as large as what has come, because everything that
//! serves a request holds buffers of its own: a slow client costs what it has sent. The bytes are
//! scanned only to know how long to wait; the server parses them again.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::chunked_body_end::Chunks;
use diptych_base::error::{Error, Result};
use diptych_base::limits::{HEAD_BYTES_FREE, HEAD_BYTES_MAX};
use diptych_site::budget::{Claim, REQUESTS};

/// The first bytes of an HTTP/2 connection without TLS.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n";
/// The ends of a head; the server also accepts lines that end without a carriage return.
const HEAD_ENDS: [&[u8]; 2] = [b"\n\r\n", b"\n\n"];
/// Bytes that are read at once: most heads are shorter.
const PIECE: usize = 512;
/// The most header fields that the server takes.
const FIELDS_MAX: usize = 100;
/// The only transfer coding that is supported.
const CHUNKED: &[u8] = b"chunked";
/// The most bytes of a body that are waited for: most appends are smaller, and a larger body has
/// proved by then that it comes.
const BODY_START: usize = 16 << 10;

/// The begin of a connection.
#[derive(Debug)]
pub(super) struct FirstRequest {
    /// The bytes read so far, for the server.
    pub(super) bytes: BytesMut,
    /// The position where the head ends.
    head: usize,
    /// The framing of the body.
    expected: Expected,
    /// The longest body; a longer one is refused by its head alone.
    limit: u64,
    /// The claim on the budget of requests for the bytes.
    pub(super) claim: Claim,
}

impl FirstRequest {
    /// An empty start; bodies have at most `limit` bytes.
    pub(super) fn new(limit: u64) -> FirstRequest {
        let bytes = BytesMut::new();
        let claim = REQUESTS.claim();
        FirstRequest { bytes, head: 0, expected: Expected::Nothing, limit, claim }
    }

    /// Whether HTTP/2 follows.
    pub(super) fn is_http2(&self) -> bool {
        self.bytes.starts_with(HTTP2)
    }

    /// Reads until the head is complete, or so long that the server may refuse it. Gives false when
    /// the client leaves before.
    ///
    /// # Errors
    /// Errors of the connection; no room in the budget of requests.
    pub(super) async fn head(&mut self, io: &mut (impl AsyncRead + Unpin)) -> Result<bool> {
        let mut searched = 0;
        loop {
            if !self.more(io).await? {
                return Ok(false);
            }
            let new = &self.bytes[searched..];
            let ends = HEAD_ENDS.map(|end| memchr::memmem::find(new, end).map(|at| at + end.len()));
            let end = ends.into_iter().flatten().min().map(|end| searched + end);
            let too_long = (self.bytes.len() > HEAD_BYTES_MAX).then_some(self.bytes.len());
            if let Some(end) = end.or(too_long) {
                self.head = end;
                self.expected = expected(&self.bytes[..end]);
                return Ok(true);
            }
            searched = self.bytes.len().saturating_sub(HEAD_ENDS[0].len() - 1);
        }
    }

    /// Reads on until the body is complete, or has reached the length that is waited for.
    ///
    /// # Errors
    /// Errors of the connection; no room in the budget of requests.
    pub(super) async fn body(&mut self, io: &mut (impl AsyncRead + Unpin)) -> Result<()> {
        while !self.is_begun() && self.more(io).await? {}
        Ok(())
    }

    /// Whether the request can be served without waiting for more.
    pub(super) fn is_begun(&mut self) -> bool {
        let body = &self.bytes[self.head..];
        match &mut self.expected {
            Expected::Nothing => true,
            Expected::Length(len) if *len as u64 > self.limit => true,
            Expected::Length(len) => body.len() >= (*len).min(BODY_START),
            Expected::Chunks(chunks) => body.len() >= BODY_START || chunks.end_in(body),
        }
    }

    async fn more(&mut self, io: &mut (impl AsyncRead + Unpin)) -> Result<bool> {
        let mut piece = [0; PIECE];
        let read = io.read(&mut piece).await.map_err(|error| Error::io("reading", error))?;
        let needed = self.bytes.len() + read;
        if needed > HEAD_BYTES_FREE {
            if needed > self.bytes.capacity() {
                self.claim.grow_to(2 * needed)?;
                self.bytes.reserve(needed);
            }
            self.claim.grow_to(self.bytes.capacity())?;
        }
        self.bytes.extend_from_slice(&piece[..read]);
        Ok(read > 0)
    }
}

#[derive(Debug, Default)]
enum Expected {
    #[default]
    Nothing,
    Length(usize),
    Chunks(Chunks),
}

/// The framing of the body after a head. A head that is malformed or frames its body wrongly is
/// left to the server, which refuses it by its head alone.
fn expected(head: &[u8]) -> Expected {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(_)) = request.parse(head) else { return Expected::Nothing };
    let of = |name: &'static str| {
        let fields = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        fields.map(|field| field.value.trim_ascii())
    };
    // The client sends no body before the server asks for it.
    if of("expect").next().is_some() {
        return Expected::Nothing;
    }
    let mut lengths: Vec<_> = of("content-length").collect();
    lengths.dedup();
    let length = match lengths[..] {
        [] => None,
        [digits] if digits.iter().all(u8::is_ascii_digit) => str::from_utf8(digits).ok(),
        _ => return Expected::Nothing,
    };
    let length = length.map(str::parse::<usize>);
    match (of("transfer-encoding").collect::<Vec<_>>().as_slice(), length) {
        ([], Some(Ok(length))) => Expected::Length(length),
        ([coding], None) if coding.eq_ignore_ascii_case(CHUNKED) && request.version == Some(1) => {
            Expected::Chunks(Chunks::default())
        }
        _ => Expected::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_head_is_told_by_its_fields() {
        for (fields, follows) in [
            ("", "Nothing"),
            ("Content-Length: 17\r\n", "Length(17)"),
            ("Content-Length: 17\r\ncontent-length: 17\r\n", "Length(17)"),
            ("Content-Length: 17\r\ncontent-length: 18\r\n", "Nothing"),
            ("content-length:99999999999999999999999\r\n", "Nothing"),
            ("content-length: 5\r\ntransfer-Encoding: chunked\r\n", "Nothing"),
            ("transfer-encoding: Chunked\r\ncontent-length: 5\r\n", "Nothing"),
            ("Transfer-Encoding: chunked \n", "Chunks"),
            ("content-length: +5\r\n", "Nothing"),
            ("content-length: 5\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n", "Nothing"),
            ("content-length: five\r\ntransfer-encoding: chunked\r\n", "Nothing"),
            ("transfer-encoding: gzip, chunked\n", "Nothing"),
            ("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", "Nothing"),
            ("transfer-encoding: chunked, chunked\r\n", "Nothing"),
            ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "Nothing"),
            ("transfer-encoding:\r\n chunked\r\n", "Nothing"),
            ("x-long: a\r\n content-length: 5\r\n", "Nothing"),
            ("content-length : 5\r\n", "Nothing"),
            ("transfer-encoding: chunked, gzip\r\n", "Nothing"),
            ("transfer-encoding: identity\r\ncontent-length: 5\r\n", "Nothing"),
            ("content-length: 5\r\nExpect: 100-continue\r\n", "Nothing"),
        ] {
            let head = format!("\r\nPOST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
            let found = format!("{:?}", expected(head.as_bytes()));
            assert!(found.starts_with(follows), "{fields}: {found}, not {follows}");
        }
        for head in [
            "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
            "POST  / HTTP/1.1\r\ncontent-length: 5\r\n\r\n",
            "POST /\r\ncontent-length: 5\r\n\r\n",
        ] {
            let found = expected(head.as_bytes());
            assert!(matches!(found, Expected::Nothing), "{head}: {found:?}");
        }
    }

    #[tokio::test]
    async fn a_start_is_read_to_the_end_of_a_small_body() {
        let fields = ["content-length: 4\r\n\r\nbody", "content-length: 4\n\nbody"];
        let chunked = "transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\na: b\r\n\r\n";
        for fields in fields.into_iter().chain([chunked]) {
            let request = format!("POST / HTTP/1.1\r\n{fields}");
            let mut start = FirstRequest::new(4);
            // A client that sends no more and keeps the connection open.
            let (mut io, _stays) = in_pieces(&request);
            assert!(start.head(&mut io).await.expect("bytes"));
            start.body(&mut io).await.expect("bytes");
            assert_eq!(&start.bytes[..], request.as_bytes());
            assert!(start.is_begun() && !start.is_http2());
        }
    }

    #[tokio::test]
    async fn a_client_that_leaves_has_no_head() {
        let mut start = FirstRequest::new(0);
        assert!(!start.head(&mut &b"GET / HTTP/1.1\r\nhost"[..]).await.expect("bytes"));
    }

    /// The bytes, a few at a time, with the task that sends them.
    fn in_pieces(text: &str) -> (impl AsyncRead + Unpin, tokio::task::JoinHandle<impl Sized>) {
        let (mut there, here) = tokio::io::duplex(3);
        let bytes = text.as_bytes().to_owned();
        let sent = async move {
            tokio::io::AsyncWriteExt::write_all(&mut there, &bytes).await.expect("written");
            there
        };
        (here, tokio::spawn(sent))
    }
}
