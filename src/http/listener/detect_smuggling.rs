//! Detects requests that state twice where their body ends.
//!
//! A `Content-Length` and a `Transfer-Encoding` in one head are how requests are smuggled past a
//! proxy that believes the other one, and such a request may be complete by its length and
//! incomplete by its chunks. RFC 9112, 6.3 lets a server refuse it, and has the server close the
//! connection. hyper drops the length before any service sees the fields, so the lines are scanned
//! as they come.

/// Names of header fields in lower case, with their end.
const LENGTH: &[u8] = b"content-length:";
const CODING: &[u8] = b"transfer-encoding:";

/// The scan of a head that is still coming.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// The begin of the current line.
    line: [u8; CODING.len()],
    /// The length of the line without its end, including bytes beyond `line`.
    len: usize,
    has_length: bool,
    has_coding: bool,
    /// Whether there was a line that is not empty.
    begun: bool,
}

impl Framing {
    /// Scans the next bytes of a head. When the head ends in them, gives whether it frames a body
    /// twice; then another head may begin.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<bool> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match line.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (line, false),
            };
            let text = if ends { text.strip_suffix(b"\r").unwrap_or(text) } else { text };
            for (at, byte) in (self.len..self.line.len()).zip(text) {
                self.line[at] = byte.to_ascii_lowercase();
            }
            self.len += text.len();
            if ends && self.end_line() {
                return Some(std::mem::take(self).is_twice());
            }
        }
        None
    }

    /// Ends a line, and gives whether the head ends with it.
    fn end_line(&mut self) -> bool {
        // The only byte before the end may have been the carriage return.
        let is_empty = self.len == 0 || (self.len == 1 && self.line[0] == b'\r');
        let start = &self.line[..self.len.min(self.line.len())];
        self.has_length |= start.starts_with(LENGTH);
        self.has_coding |= start.starts_with(CODING);
        self.len = 0;
        let over = is_empty && self.begun;
        self.begun |= !is_empty;
        over
    }

    fn is_twice(&self) -> bool {
        self.has_length && self.has_coding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_fields_of_one_head_are_found_however_it_comes() {
        let long = format!("x-{}: a\r\n", "long".repeat(50));
        for (fields, twice) in [
            ("", false),
            ("Content-Length: 5\r\n", false),
            ("transfer-encoding: chunked\r\n", false),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", true),
            ("TRANSFER-ENCODING:chunked\r\nhost: a\r\ncontent-length:5\r\n", true),
            ("transfer-encoding: chunked\ncontent-length: 5\n", true),
            ("x: content-length: 5\r\ntransfer-encoding: chunked\r\n", false),
            ("content-length-x: 5\r\ntransfer-encoding: chunked\r\n", false),
            (&format!("{long}content-length: 5\r\n{long}transfer-encoding: a\r\n{long}"), true),
        ] {
            let head = format!("\r\nPOST /content-length: HTTP/1.1\r\n{fields}\r\n");
            let mut framing = Framing::default();
            assert_eq!(framing.take(head.as_bytes()), Some(twice), "{head:?}");
            // The next head on the same connection, byte by byte.
            let each = head.as_bytes().chunks(1).map(|byte| framing.take(byte));
            let each: Vec<_> = each.collect();
            let (last, before) = each.split_last().expect("bytes");
            assert_eq!(*last, Some(twice), "{head:?}");
            assert!(before.iter().all(Option::is_none), "{head:?}");
        }
    }
}
