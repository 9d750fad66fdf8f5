//! What a source appends to: the log, or a stand-in for it.

use crate::error::Result;
use crate::log::{Ack, Append};

/// Takes append requests, makes them durable, and applies those of one producer once.
pub trait AppendTo {
    /// Hands a request over. The answer is a function that waits until the request is durable, so
    /// that a few may be on their way at once; they are applied in the order of the calls.
    ///
    /// # Errors
    /// When the request is refused or the log has stopped; nothing of the request was appended.
    fn append(&self, append: Append) -> Result<impl FnOnce() -> Result<Ack>>;

    /// The first sequence number that `producer` has not appended; 0 when unknown. Only lets a
    /// source skip what the log has long acknowledged; the log's own check is what counts.
    ///
    /// # Errors
    /// When the log cannot say.
    fn next_sequence(&self, producer: &str) -> Result<u64>;
}
