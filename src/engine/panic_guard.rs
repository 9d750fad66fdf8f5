//! What happens when code panics on a worker thread.
//!
//! In the linear front nothing of timely is on the stack: a panic is caught where it happens.
//! Behind the barrier it is caught where the dataflow is scheduled; see [`super::contained`]. Code
//! of the user runs nowhere else on a worker. What panics elsewhere is the engine itself: timely
//! has no way to lose one worker, the others would wait for its progress for ever, so that ends the
//! process.

use diptych_base::panics::{self, Place};

/// Declares this thread a worker of `what`: a panic of the engine itself aborts the process.
pub use panics::abort_on_panic;

/// What a worker of these dataflows is called then.
pub fn worker_of<'n>(layer: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    format!("{layer} of {}", names.join(", "))
}

/// Runs user code; a panic comes back as its message and source location. What it was working on
/// may be half updated then: the caller throws it away.
pub(super) fn in_front<T>(place: &Place, logic: impl FnOnce() -> T) -> Result<T, String> {
    panics::caught_at(place, logic)
}
