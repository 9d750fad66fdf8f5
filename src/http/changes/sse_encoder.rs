//! Encoding of Server-Sent Events as text: names, data, ids.

use std::fmt::Write;

use bytes::Bytes;
use serde::Serialize;

use diptych_base::error::Result;
use diptych_base::limits::EVENT_CHANGES;
use diptych_base::time::Epoch;
use diptych_row::RowSchema;
use diptych_serving::{Change, Row, Token};
use diptych_site::budget;

/// A buffer of events on their way to the socket.
#[derive(Default)]
pub(super) struct SseBuffer(Vec<u8>);

/// One row of an event.
struct Item<'a> {
    key: &'a [u8],
    value: &'a [u8],
    diff: isize,
}

impl SseBuffer {
    /// Takes the text so far, which may wait for a slow socket.
    ///
    /// # Errors
    /// When the budget of answers has no room for it.
    pub(super) fn take(&mut self) -> Result<Bytes> {
        budget::answer(std::mem::take(&mut self.0))
    }

    /// The number of bytes so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a comment line, which keeps the connection awake or informs a person.
    pub(super) fn comment(&mut self, text: &str) {
        self.0.extend_from_slice(format!(": {text}\n\n").as_bytes());
    }

    /// Adds the time that a browser waits before it connects again.
    pub(super) fn retry(&mut self, millis: u128) {
        self.0.extend_from_slice(format!("retry: {millis}\n\n").as_bytes());
    }

    /// An event, complete up to `token` when there is one.
    pub(super) fn event(&mut self, name: &str, token: Option<&Token>, data: &impl Serialize) {
        self.begin(name, token);
        // JSON text has no line breaks, and maps of plain values cannot fail.
        let _ = serde_json::to_writer(&mut self.0, data);
        self.end();
    }

    /// Adds rows of a snapshot.
    pub(super) fn snapshot(
        &mut self,
        schema: &RowSchema,
        epoch: Option<Epoch>,
        rows: &[Row],
    ) -> Result<()> {
        self.rows("snapshot", None, schema, epoch, "rows", of_rows(rows))
    }

    /// Adds changes that a later event completes.
    pub(super) fn part(&mut self, schema: &RowSchema, epoch: Epoch, rows: &[Row]) -> Result<()> {
        self.rows("part", None, schema, Some(epoch), "changes", of_rows(rows))
    }

    /// Adds changes of one epoch, of which some were sent already when it has `begun`; with a
    /// token, they are the last of the epoch.
    pub(super) fn changes(
        &mut self,
        schema: &RowSchema,
        changes: &[Change],
        begun: bool,
        token: Option<&Token>,
    ) -> Result<()> {
        let Some(epoch) = changes.first().map(|change| change.epoch) else { return Ok(()) };
        if !begun
            && changes.len() <= EVENT_CHANGES
            && let Some(token) = token
        {
            return self.rows("change", Some(token), schema, Some(epoch), "changes", of(changes));
        }
        for some in changes.chunks(EVENT_CHANGES) {
            self.rows("part", None, schema, Some(epoch), "changes", of(some))?;
        }
        if let Some(token) = token {
            self.complete(Some(epoch), token);
        }
        Ok(())
    }

    /// Completes what came in parts.
    pub(super) fn complete(&mut self, epoch: Option<Epoch>, token: &Token) {
        self.event("epoch", Some(token), &serde_json::json!({ "epoch": epoch }));
    }

    fn rows<'a>(
        &mut self,
        name: &str,
        token: Option<&Token>,
        schema: &RowSchema,
        epoch: Option<Epoch>,
        list: &str,
        items: impl Iterator<Item = Item<'a>>,
    ) -> Result<()> {
        self.begin(name, token);
        let epoch = epoch.map_or_else(|| "null".to_owned(), |epoch| epoch.to_string());
        self.0.extend_from_slice(format!("{{\"epoch\":{epoch},\"{list}\":[").as_bytes());
        for (place, item) in items.enumerate() {
            let comma = if place > 0 { "," } else { "" };
            self.0
                .extend_from_slice(format!("{comma}{{\"diff\":{},\"row\":", item.diff).as_bytes());
            schema.write_json(item.key, item.value, |_| {}, &mut self.0)?;
            self.0.push(b'}');
        }
        self.0.extend_from_slice(b"]}");
        self.end();
        Ok(())
    }

    fn begin(&mut self, name: &str, token: Option<&Token>) {
        let mut text = format!("event: {name}\n");
        if let Some(token) = token {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "id: {}", line(token));
        }
        text.push_str("data: ");
        self.0.extend_from_slice(text.as_bytes());
    }

    fn end(&mut self) {
        self.0.extend_from_slice(b"\n\n");
    }
}

fn of_rows(rows: &[Row]) -> impl Iterator<Item = Item<'_>> {
    rows.iter().map(|row| Item { key: &row.key, value: &row.value, diff: row.multiplicity })
}

fn of(changes: &[Change]) -> impl Iterator<Item = Item<'_>> {
    changes.iter().map(|change| Item { key: &change.key, value: &change.value, diff: change.diff })
}

/// A token on one line: line breaks in a version would end the line, so they are left out. Such a
/// token comes back as one of another version, and its reader starts from a snapshot.
fn line(token: &Token) -> String {
    token.to_string().chars().filter(|c| !c.is_control()).collect()
}
