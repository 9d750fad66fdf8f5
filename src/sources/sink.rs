//! What a source appends to: the log, or a stand-in for it.

use diptych_base::error::Result;
use diptych_log::{Ack, Append, Writer};

/// Takes append requests, makes them durable, and applies those of one producer once.
pub trait AppendTo {
    /// Hands a request over. The answer is a function that waits until the request is durable, so
    /// that a few may be on their way at once; they are applied in the order of the calls.
    ///
    /// # Errors
    /// When the request is refused or the log has stopped; nothing of the request was appended.
    fn append(&self, append: Append) -> Result<impl FnOnce() -> Result<Ack>>;

    /// The first sequence number that `producer` has not appended. A request below it that is
    /// refused as a conflict is one that was appended too long ago for its epoch to be known.
    ///
    /// # Errors
    /// When the log cannot say.
    fn next_sequence(&self, producer: &str) -> Result<u64>;

    /// The last offset that was appended for `source`; files are known again by it. A sink that
    /// keeps none knows no file but by its whole content.
    ///
    /// # Errors
    /// When the log cannot say.
    fn offset(&self, source: &str) -> Result<Option<String>> {
        let _ = source;
        Ok(None)
    }
}

impl AppendTo for Writer {
    fn append(&self, append: Append) -> Result<impl FnOnce() -> Result<Ack>> {
        let pending = Writer::append(self, append)?;
        Ok(move || pending.wait())
    }

    fn next_sequence(&self, producer: &str) -> Result<u64> {
        Writer::next_sequence(self, producer)
    }

    fn offset(&self, source: &str) -> Result<Option<String>> {
        Ok(Writer::offset(self, source))
    }
}
