//! Parser of messages from the client. Every length is checked against the bytes that came.

use super::error::Failure;

/// A message of a client after startup.
#[derive(Debug)]
pub(super) enum FrontendMessage {
    Query(String),
    Parse(Parse),
    Bind(Bind),
    Describe(StatementOrPortal),
    Execute {
        portal: String,
        rows_max: u64,
    },
    Close(StatementOrPortal),
    Flush,
    Sync,
    Terminate,
    Password(Vec<u8>),
    /// A piece or the end of a COPY that the server did not ask for.
    Copy,
    Call,
}

#[derive(Debug)]
pub(super) struct Parse {
    pub(super) name: String,
    pub(super) sql: String,
    /// The types that the client states; 0 leaves a type to the server.
    pub(super) types: Vec<u32>,
}

#[derive(Debug)]
pub(super) struct Bind {
    pub(super) portal: String,
    pub(super) statement: String,
    pub(super) parameter_formats: Vec<i16>,
    pub(super) parameters: Vec<Option<Vec<u8>>>,
    pub(super) formats: Vec<i16>,
}

/// A prepared statement or a portal.
#[derive(Debug)]
pub(super) enum StatementOrPortal {
    Statement(String),
    Portal(String),
}

/// Whether a message of this type exists. For any other type the connection is closed.
pub(super) fn is_known(tag: u8) -> bool {
    b"QPBDECHSXpdcfF".contains(&tag)
}

/// Whether the server skips to the next Sync when this message fails.
pub(super) fn is_extended(tag: u8) -> bool {
    b"PBDECH".contains(&tag)
}

impl FrontendMessage {
    /// Parses the message of type `tag` with this body.
    ///
    /// # Errors
    /// When the body is not of that type, or a text is not UTF-8.
    pub(super) fn parse(tag: u8, body: &[u8]) -> Result<FrontendMessage, Failure> {
        let mut body = BodyReader(body);
        let message = match tag {
            b'Q' => FrontendMessage::Query(body.text()?),
            b'P' => FrontendMessage::Parse(Parse {
                name: body.text()?,
                sql: body.text()?,
                types: body.list(4, BodyReader::u32)?,
            }),
            b'B' => FrontendMessage::Bind(Bind {
                portal: body.text()?,
                statement: body.text()?,
                parameter_formats: body.list(2, BodyReader::i16)?,
                parameters: body.list(4, BodyReader::value)?,
                formats: body.list(2, BodyReader::i16)?,
            }),
            b'D' => FrontendMessage::Describe(body.target()?),
            b'C' => FrontendMessage::Close(body.target()?),
            b'E' => FrontendMessage::Execute {
                portal: body.text()?,
                // Zero and negative numbers mean all rows.
                rows_max: u64::try_from(body.i32()?).unwrap_or_default(),
            },
            b'p' => FrontendMessage::Password(std::mem::take(&mut body.0).to_vec()),
            b'H' => FrontendMessage::Flush,
            b'S' => FrontendMessage::Sync,
            b'X' => FrontendMessage::Terminate,
            b'F' => return Ok(FrontendMessage::Call),
            _ => return Ok(FrontendMessage::Copy),
        };
        if body.0.is_empty() { Ok(message) } else { Err(malformed("bytes behind its end")) }
    }
}

/// The rest of a message body.
pub(super) struct BodyReader<'a>(pub(super) &'a [u8]);

impl BodyReader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let (head, tail) = self.0.split_first_chunk().ok_or_else(|| malformed("it is cut"))?;
        self.0 = tail;
        Ok(*head)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Failure> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Failure> {
        self.take().map(i32::from_be_bytes)
    }

    fn i16(&mut self) -> Result<i16, Failure> {
        self.take().map(i16::from_be_bytes)
    }

    /// A text up to its zero byte.
    pub(super) fn text(&mut self) -> Result<String, Failure> {
        let end = memchr::memchr(0, self.0).ok_or_else(|| malformed("a text without an end"))?;
        let (text, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        String::from_utf8(text.to_vec())
            .map_err(|_| Failure::new("22021", "a text that is not UTF-8"))
    }

    /// A counted list whose elements have at least `size` bytes each.
    fn list<T>(
        &mut self,
        size: usize,
        element: impl Fn(&mut Self) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let count = usize::from(self.take().map(u16::from_be_bytes)?);
        if count * size > self.0.len() {
            return Err(malformed("a list longer than itself"));
        }
        (0..count).map(|_| element(self)).collect()
    }

    /// A length and this many bytes; none for -1.
    pub(super) fn value(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let length = self.i32()?;
        if length == -1 {
            return Ok(None);
        }
        let found = usize::try_from(length).ok().and_then(|at| self.0.split_at_checked(at));
        let (value, rest) = found.ok_or_else(|| malformed("a value longer than itself"))?;
        self.0 = rest;
        Ok(Some(value.to_vec()))
    }

    fn target(&mut self) -> Result<StatementOrPortal, Failure> {
        match self.take()? {
            [b'S'] => self.text().map(StatementOrPortal::Statement),
            [b'P'] => self.text().map(StatementOrPortal::Portal),
            _ => Err(malformed("neither statement nor portal")),
        }
    }
}

/// The error of a malformed message.
pub(super) fn malformed(what: &str) -> Failure {
    Failure::new("08P01", format!("malformed message: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bind_is_read_whole() {
        let body = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x02hi\xff\xff\xff\xff\0\0";
        let Ok(FrontendMessage::Bind(bind)) = FrontendMessage::parse(b'B', body) else {
            panic!("no bind")
        };
        assert_eq!((bind.portal.as_str(), bind.statement.as_str()), ("p", "s"));
        assert_eq!(bind.parameter_formats, [1]);
        assert_eq!(bind.parameters, [Some(b"hi".to_vec()), None]);
        assert!(bind.formats.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_a_failure(
            tag in prop::sample::select(b"QPBDECHSXpdcfF".to_vec()),
            body in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            // Parsing does not panic, and never makes more of the body than there is.
            if let Ok(FrontendMessage::Bind(bind)) = FrontendMessage::parse(tag, &body) {
                let bytes: usize = bind.parameters.iter().flatten().map(Vec::len).sum();
                prop_assert!(bytes <= body.len());
            }
        }
    }
}
