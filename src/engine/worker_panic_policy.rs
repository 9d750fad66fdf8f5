//! The policy for panics on a worker thread.
//!
//! In the linear front timely is not on the stack: a panic is caught where it happens. Behind the
//! barrier it is caught where the dataflow is scheduled; see [`super::contained`]. User code runs
//! nowhere else on a worker. A panic elsewhere is one of the engine itself: timely cannot lose one
//! worker, the others would wait for its progress for ever, so such a panic ends the process.

use diptych_base::panics::{self, PanicPlace};

/// Declares this thread a worker of `what`: a panic of the engine itself aborts the process.
pub use panics::abort_on_panic;

/// The name of a worker of these dataflows in the message of such a panic.
pub fn worker_of<'n>(layer: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    format!("{layer} of {}", names.join(", "))
}

/// Runs user code; a panic comes back as its message and source location. The data it was working
/// on may be half updated then: the caller throws them away.
pub(super) fn in_front<T>(place: &PanicPlace, logic: impl FnOnce() -> T) -> Result<T, String> {
    panics::caught_at(place, logic)
}
