//! Appends values of a Rust type to the log.

use diptych_base::error::Result;
use diptych_base::time::Epoch;
use diptych_event::{Event, EventAppender as _};
use diptych_log::{Append, Writer};

/// Appends `events` to `stream` and returns their epoch once they are durable. Without events the
/// epoch is empty.
///
/// # Errors
/// When the writer refuses (see [`diptych_log::Pending::wait`]); nothing was appended then, except
/// after a failed sync.
pub fn append<E: Event>(writer: &Writer, stream: &str, events: &[E]) -> Result<Epoch> {
    let mut rows = E::Appender::default();
    for event in events {
        rows.push(event);
    }
    let request =
        if events.is_empty() { Append::default() } else { Append::rows(stream, rows.finish()) };
    Ok(writer.append(request)?.wait()?.epoch)
}
