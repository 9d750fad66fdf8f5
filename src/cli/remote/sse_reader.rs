//! Reader of Server-Sent Events from a response's body.

use std::io::{BufRead, BufReader};

use crossbeam::channel::{Receiver, bounded};
use serde_json::Value;

use super::{Remote, SILENCE, server_errors};
use diptych_base::error::{Error, Kind, Result};

/// One event.
pub(super) struct SseEvent {
    pub(super) name: String,
    /// The token to resume from, when the event completes an epoch.
    pub(super) id: Option<String>,
    pub(super) data: Value,
}

/// Capacity of the queue of events that have arrived and were not taken yet.
const WAITING: usize = 64;

/// Opens the events of `path` from `from` on. A thread reads them, and ends with the receiver or
/// with the connection; an error is the last item then.
///
/// # Errors
/// When the server is unreachable, or refuses.
pub(super) fn open(
    remote: &Remote,
    path: &str,
    from: Option<&str>,
) -> Result<Receiver<Result<SseEvent>>> {
    let response = remote.response(path, &[], from, SILENCE)?;
    let base = remote.base().to_owned();
    let (taken, events) = bounded(WAITING);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(response.into_body().into_reader());
        loop {
            let event = next(&mut lines).transpose();
            let over = || {
                Err(Error::new(Kind::Stopped, format!("{base}: the connection has ended"))
                    .remedy("go on with the last token"))
            };
            let event = event.unwrap_or_else(over);
            let last = event.is_err();
            if taken.send(event).is_err() || last {
                return;
            }
        }
    });
    Ok(events)
}

/// The next event; none at the end of the stream. An event that is cut off is dropped.
fn next(lines: &mut impl BufRead) -> Result<Option<SseEvent>> {
    let mut event = SseEvent { name: "message".to_owned(), id: None, data: Value::Null };
    let mut text = String::new();
    let mut line = String::new();
    loop {
        line.clear();
        let read = lines.read_line(&mut line);
        let read = read.map_err(|error| Error::io("reading events", error))?;
        if read == 0 || !line.ends_with('\n') {
            return Ok(None);
        }
        let content = line.trim_end_matches(['\n', '\r']);
        if content.is_empty() {
            if text.is_empty() {
                continue;
            }
            event.data = serde_json::from_str(&text).map_err(|error| {
                Error::new(Kind::Input, format!("an event {:?} is no JSON: {error}", event.name))
                    .remedy("use the release that the server is of")
            })?;
            return match event.name.as_str() {
                "problem" => Err(problem(&event.data)),
                _ => Ok(Some(event)),
            };
        }
        let (field, value) = content.split_once(':').unwrap_or((content, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event.name),
            "id" => event.id = Some(value.to_owned()),
            "data" => text.push_str(value),
            _ => {}
        }
    }
}

fn problem(document: &Value) -> Error {
    let detail = document["detail"].as_str().unwrap_or("the server ends the stream");
    Error::new(server_errors::kind(Some(document)), detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_up_to_where_they_are_cut() {
        let text = "retry: 5000\n\n: still here\n\nevent: change\nid: v@3\ndata: {\"epoch\":2}\n\n\
                    event: progress\r\ndata: {\"epoch\":null}\r\n\r\nevent: change\ndata: {\"epo";
        let mut lines = text.as_bytes();
        let first = next(&mut lines).expect("an event").expect("an event");
        assert_eq!((first.name.as_str(), first.id.as_deref()), ("change", Some("v@3")));
        assert_eq!(first.data["epoch"], 2);
        let second = next(&mut lines).expect("an event").expect("an event");
        assert_eq!((second.name.as_str(), second.id), ("progress", None));
        assert!(next(&mut lines).expect("an end").is_none());
    }

    #[test]
    fn a_problem_is_an_error_of_its_kind() {
        let mut lines = "event: problem\ndata: {\"type\":\"about:blank#missing\",\
                         \"detail\":\"gone\"}\n\n"
            .as_bytes();
        let error = next(&mut lines).err().expect("a problem");
        assert!(error.is_missing(), "{error}");
    }
}
