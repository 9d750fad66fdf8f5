//! Finds the end of a chunked body while its bytes come.
//!
//! RFC 9112, 7.1: chunks, each behind a line with its size and perhaps extensions; one of size 0;
//! then the trailer section, which may have fields; then an empty line. Only what follows the last
//! chunk says whether all of it is there, so the body is read as it is framed.

/// The end of a chunk's bytes.
const LINE_END: &[u8] = b"\r\n";

/// The most digits of a chunk's size; further ones could only be leading zeros.
const DIGITS_MAX: usize = 64;

/// The progress of the scan.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    looked: usize,
    next: Part,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// A line with the size of a chunk.
    #[default]
    Size,
    /// This many bytes of a chunk, the end of their line included.
    Data(usize),
    /// A field of the trailer section, or the empty line that ends it.
    Trailer,
    /// Nothing: the body is complete, or the server refuses it.
    Nothing,
}

impl Chunks {
    /// Whether all of the body is in `bytes`, which are all the bytes that have come; bytes that
    /// were scanned before are not scanned again. A malformed body is left to the server.
    pub(super) fn end_in(&mut self, bytes: &[u8]) -> bool {
        loop {
            let rest = &bytes[self.looked..];
            let taken = match self.next {
                Part::Nothing => return true,
                Part::Data(len) => {
                    let end = rest.get(len - LINE_END.len()..).unwrap_or_default();
                    if !LINE_END.starts_with(&end[..end.len().min(LINE_END.len())]) {
                        return true;
                    }
                    if rest.len() < len {
                        return false;
                    }
                    self.next = Part::Size;
                    len
                }
                Part::Size | Part::Trailer => {
                    let Some(end) = memchr::memchr(b'\n', rest) else {
                        return self.next == Part::Size && !begins_a_size(rest);
                    };
                    self.next = behind(self.next, &rest[..end]);
                    end + 1
                }
            };
            self.looked += taken;
        }
    }
}

/// The number of digits at the start of a line.
fn digits(line: &[u8]) -> usize {
    line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count()
}

/// Whether a line with the size of a chunk can begin so.
fn begins_a_size(line: &[u8]) -> bool {
    let digits = digits(line);
    match line.get(digits) {
        None => digits <= DIGITS_MAX,
        Some(behind) => (1..=DIGITS_MAX).contains(&digits) && b" \t;\r".contains(behind),
    }
}

/// The part that follows a line, which is given without its last byte.
fn behind(part: Part, line: &[u8]) -> Part {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if part == Part::Trailer {
        return if line.is_empty() { Part::Nothing } else { Part::Trailer };
    }
    if !begins_a_size(line) {
        return Part::Nothing;
    }
    let digits = &line[..digits(line)];
    let size = str::from_utf8(digits).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
    match size {
        Some(0) => Part::Trailer,
        Some(size) => size.checked_add(LINE_END.len()).map_or(Part::Nothing, Part::Data),
        None => Part::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of bytes, coming one by one, after which the body is seen to end; and whether the
    /// end is seen in one piece.
    fn ends_at(body: &str) -> Option<usize> {
        let mut chunks = Chunks::default();
        let end = (0..=body.len()).find(|len| chunks.end_in(&body.as_bytes()[..*len]));
        assert_eq!(Chunks::default().end_in(body.as_bytes()), end.is_some(), "{body:?}");
        end
    }

    #[test]
    fn a_body_ends_behind_its_trailers() {
        for whole in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "5;name=value;other=\"a b\"\r\nhello\r\n000\r\n\r\n",
            "A\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
            "1\r\nx\r\n0\r\nx-checksum: abc\r\n\r\n",
            "1\r\nx\r\n0;last\r\na: b\r\nc: d\r\n\r\n",
        ] {
            assert_eq!(ends_at(whole), Some(whole.len()), "{whole:?}");
            let next = format!("{whole}GET / HTTP/1.1\r\n\r\n");
            assert_eq!(ends_at(&next), Some(whole.len()), "{next:?}");
        }
    }

    #[test]
    fn what_is_not_chunked_is_not_waited_for() {
        for (broken, seen) in [
            ("hello\r\n", 1),
            ("-1\r\nx", 1),
            ("{\"text\":\"hello\"}", 1),
            ("false", 3),
            (" 5\r\nhello", 1),
            ("5\r\nhello, all", 9),
            ("5\r\nhello\n0\n\n", 9),
            ("\r\n", 1),
            ("ffffffffffffffff\r\n", 18),
            ("fffffffffffffffffffff\r\n", 23),
        ] {
            assert_eq!(ends_at(broken), Some(seen), "{broken:?}");
        }
        for short in ["", "5", "5\r\nhell", "5\r\nhello\r\n0\r\n", "0\r\na: b\r\n"] {
            assert_eq!(ends_at(short), None, "{short:?}");
        }
    }
}
