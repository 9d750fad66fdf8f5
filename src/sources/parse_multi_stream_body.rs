//! Parses records of several streams in one body, for one epoch.
//!
//! The body is an object; each of its members has the name of a stream and is one event of it, or a
//! list of events. As lines, each line is such an object.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use arrow_schema::SchemaRef;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::parse_body::{Parsed, Records, each_line, items, malformed, no_records, without_mark};
use super::unmatched_fields::OnUnknown;
use diptych_base::error::{Error, Kind, Result};

/// Parses the records of `body` by stream, in the order of the streams' names; `find` gives the
/// columns of a stream. Each stream has at least one record.
///
/// # Errors
/// When a record is malformed, of an unknown stream, or in a second member for its stream; when
/// there is no record. Names the line and the stream.
pub fn parse_streams(
    body: &[u8],
    lines: bool,
    on_unknown: OnUnknown,
    find: impl Fn(&str) -> Result<SchemaRef>,
) -> Result<Vec<(String, Parsed)>> {
    let body = without_mark(body)?;
    let mut streams = Streams { find, on_unknown, records: BTreeMap::new() };
    if lines {
        each_line(body, |number, line| streams.object(line, number))?;
    } else if !body.trim_ascii().is_empty() {
        streams.object(body.trim_ascii(), 1)?;
    }
    let found = streams.records.into_iter().filter(|(_, records)| records.count() > 0);
    let found: Vec<_> = found.map(|(stream, records)| (stream, records.finish())).collect();
    if found.is_empty() { Err(no_records()) } else { Ok(found) }
}

struct Streams<F> {
    find: F,
    on_unknown: OnUnknown,
    records: BTreeMap<String, Records>,
}

impl<F: Fn(&str) -> Result<SchemaRef>> Streams<F> {
    /// Reads one object that begins in `line`.
    fn object(&mut self, text: &[u8], line: u64) -> Result<()> {
        if text.first() != Some(&b'{') {
            let message = format!("line {line}: not an object");
            return Err(Error::new(Kind::Input, message)
                .remedy("send {\"STREAM\": [EVENTS], …}: nothing was appended"));
        }
        let mut failed = None;
        let mut tokens = serde_json::Deserializer::from_slice(text);
        let members = Members { streams: self, text, line, failed: &mut failed };
        let read = tokens.deserialize_map(members).and_then(|()| tokens.end());
        match (failed, read) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(()),
            // The object's line numbers count from its own beginning.
            (None, Err(error)) if line > 1 => Err(malformed(error).within(format!("line {line}"))),
            (None, Err(error)) => Err(malformed(error)),
        }
    }

    fn member(&mut self, stream: &str, text: &[u8], line: u64, value: &RawValue) -> Result<()> {
        if !self.records.contains_key(stream) {
            let schema = (self.find)(stream)?;
            self.records.insert(stream.to_owned(), Records::new(&schema, self.on_unknown)?);
        }
        let Some(records) = self.records.get_mut(stream) else { return Ok(()) };
        let mut line = line;
        let mut counted = text.as_ptr().addr();
        let mut event = |value: &RawValue| {
            // Each value is a slice of the text, in order.
            let from = counted - text.as_ptr().addr();
            let at = value.get().as_ptr().addr();
            let passed = &text[from..at - text.as_ptr().addr()];
            line += memchr::memchr_iter(b'\n', passed).count() as u64;
            counted = at;
            records.object(line, value.get().as_bytes())
        };
        if value.get().starts_with('[') {
            items(value.get().as_bytes(), event)
        } else {
            event(value)
        }
    }
}

struct Members<'a, F> {
    streams: &'a mut Streams<F>,
    text: &'a [u8],
    line: u64,
    failed: &'a mut Option<Error>,
}

impl<'de, F: Fn(&str) -> Result<SchemaRef>> Visitor<'de> for Members<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the names of streams")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        // At most as many as there are streams: an unknown one fails, and so does a repeated one.
        let mut seen = Vec::<Cow<'de, str>>::new();
        while let Some(stream) = members.next_key::<Cow<'de, str>>()? {
            let value = members.next_value::<&RawValue>()?;
            let outcome = if seen.contains(&stream) {
                let message = format!("stream {stream} is given twice in one object");
                Err(Error::new(Kind::Input, message).remedy("give its events as one list"))
            } else {
                self.streams.member(&stream, self.text, self.line, value)
            };
            if let Err(error) = outcome {
                *self.failed = Some(error.within(format!("stream {stream:?}")));
                return Err(serde::de::Error::custom("a bad member"));
            }
            seen.push(stream);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::{Edge, Line};
    use diptych_event::Event as _;

    fn read(body: &str, lines: bool) -> Result<Vec<(String, usize)>> {
        let find = |stream: &str| match stream {
            "lines" => Ok(Line::schema()),
            "edges" => Ok(Edge::schema()),
            _ => Err(Error::new(Kind::Missing, "there are lines and edges")),
        };
        let parsed = parse_streams(body.as_bytes(), lines, OnUnknown::Refuse, find)?;
        Ok(parsed.into_iter().map(|(stream, parsed)| (stream, parsed.rows.num_rows())).collect())
    }

    const EDGE: &str = "{\"src\": 1, \"dst\": 2, \"diff\": 1}";
    const LINE: &str = "{\"text\": \"a\"}";

    #[test]
    fn streams_are_read_from_one_object_or_from_lines() {
        let expected = vec![("edges".to_owned(), 2), ("lines".to_owned(), 1)];
        let one = format!(" {{\"lines\": {LINE}, \"edges\": [{EDGE},\n {EDGE}]}}\n");
        assert_eq!(read(&one, false).expect("records"), expected);
        let lines = format!("{{\"edges\":{EDGE}}}\n\n{{\"lines\":[{LINE}],\"edges\":[{EDGE}]}}");
        assert_eq!(read(&lines, true).expect("records"), expected);
        let empty = format!("{{\"lines\": [], \"edges\": {EDGE}}}");
        assert_eq!(read(&empty, false).expect("records"), [("edges".to_owned(), 1)]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let bad = "{\"src\": 1, \"dst\": true, \"diff\": 1}";
        for (body, lines, expected) in [
            (String::new(), false, "the body has no records"),
            ("{}".to_owned(), true, "the body has no records"),
            ("{\"lines\": []}".to_owned(), false, "the body has no records"),
            (format!("[{LINE}]"), false, "line 1: not an object"),
            (format!("{{\"words\": {LINE}}}"), false, "stream \"words\": there are lines"),
            (
                format!("{{\"edges\": [{EDGE},\n{bad}]}}"),
                false,
                "stream \"edges\": line 2: column `dst`",
            ),
            (
                format!("{{\"edges\":{EDGE}}}\n{{\"edges\":{bad}}}"),
                true,
                "stream \"edges\": line 2: column `dst`",
            ),
            (
                format!("{{\"lines\": {LINE}, \"lines\": {LINE}}}"),
                false,
                "stream \"lines\": stream lines is given twice",
            ),
            (
                "{\"lines\": {\"text\": \"a\", \"tekst\": \"b\"}}".to_owned(),
                false,
                "stream \"lines\": line 1: `tekst` is no column",
            ),
            ("{\"lines\": 7}".to_owned(), false, "stream \"lines\": line 1: `7` is not"),
            (format!("{{\"lines\": [{LINE}"), false, "line 1, character"),
            (format!("{{\"lines\": {LINE}}} x"), false, "line 1, character"),
        ] {
            let error = read(&body, lines).expect_err("refused").to_string();
            assert!(error.starts_with(expected), "{body}: {error}");
        }
    }
}
