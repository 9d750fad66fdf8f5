//! A stream of a made-up history, cut into epochs.

use std::sync::Arc;

use arrow_array::RecordBatch;
use diptych::Event;
use diptych::event::EventAppender as _;

/// A generated stream, divided into epochs: event k of n belongs to epoch k · epochs / n.
pub(crate) struct Drawn<'e, E> {
    pub(crate) stream: &'static str,
    pub(crate) events: &'e [E],
    pub(crate) epochs: usize,
}

impl<'e, E: Event> Drawn<'e, E> {
    /// The events of all epochs up to this one.
    pub(crate) fn until(&self, epoch: usize) -> &'e [E] {
        let end = ((epoch + 1) * self.events.len()).div_ceil(self.epochs);
        &self.events[..end.min(self.events.len())]
    }

    /// The events of one epoch, ready for the log.
    pub(crate) fn rows(&self, epoch: usize) -> (Arc<str>, RecordBatch) {
        let before = epoch.checked_sub(1).map_or(0, |before| self.until(before).len());
        let mut rows = E::Appender::default();
        self.until(epoch)[before..].iter().for_each(|event| rows.push(event));
        (self.stream.into(), rows.finish())
    }
}
