//! The trait of append targets: the log, or a stand-in for it.

use diptych_base::error::Result;
use diptych_log::{Ack, Append, Writer};

/// A target that makes append requests durable, and applies each request of a producer once.
pub trait AppendTo {
    /// Submits a request. Returns a function that waits until the request is durable, so that a few
    /// may be in flight at once; they are applied in the order of the calls.
    ///
    /// # Errors
    /// When the request is refused or the log has stopped; nothing of the request was appended.
    fn append(&self, append: Append) -> Result<impl FnOnce() -> Result<Ack>>;

    /// The first sequence number that `producer` has not appended. A request below it that is
    /// refused as a conflict was appended too long ago for its epoch to be known.
    ///
    /// # Errors
    /// When the log cannot say.
    fn next_sequence(&self, producer: &str) -> Result<u64>;

    /// The last offset that was appended for `source`; files are recognised by it. A sink that
    /// keeps no offsets recognises a file only by its whole content.
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
