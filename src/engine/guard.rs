//! What happens when code panics on a worker thread.
//!
//! timely has no way to lose one worker: if a thread unwinds, the others wait for its progress for
//! ever. So a panic on a worker thread aborts the process after naming dataflow and epoch, unless
//! it happens in the linear front, where nothing of timely is on the stack and it can be caught.

use crate::panics;
use crate::time::Epoch;

/// Declares this thread a worker: from now on a panic behind the barrier aborts the process.
/// `what` names the dataflow.
pub(crate) use panics::{abort_on_panic, end_thread, on_trial};

/// Notes how far the worker is, for the message of a panic.
pub(super) fn working_on(dataflow: &str, epoch: Epoch) {
    use std::fmt::Write;
    panics::working_on(|place| {
        place.clear();
        // Writing to a String cannot fail.
        let _ = write!(place, "dataflow {dataflow:?}, epoch {epoch}");
    });
}

/// Runs front code; a panic comes back as its message and source location. The combiner may be
/// half updated then: the caller throws it away.
pub(super) fn in_front<T>(logic: impl FnOnce() -> T) -> Result<T, String> {
    panics::caught(logic)
}
