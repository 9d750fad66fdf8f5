//! Made-up events of built-in dataflows, for `sample` and `demo`; a binary that has them passes
//! them in.

use arrow_array::RecordBatch;
use diptych_dataflow::Definition;
use diptych_event::Timestamp;
use diptych_testing::Story;

use diptych_base::error::{Error, Kind, Result};

/// The made-up events of a binary.
#[derive(Clone, Copy)]
pub struct MadeUp {
    /// The dataflow of `demo`: it reads the stream `tweets`.
    pub demo: fn() -> Definition,
    /// The events of `demo`, the same for a seed: this many of history, then live ones from the
    /// present on.
    pub source: fn(seed: u64, history: u64) -> Box<dyn EventSource>,
    /// The dataflows for which `sample` has events.
    pub sampled: &'static [&'static str],
    /// The events of one dataflow, the same for a seed: this many, in this many epochs.
    pub sample: fn(dataflow: &str, seed: u64, events: usize, epochs: usize) -> Option<Story>,
}

/// A generator of events without end.
pub trait EventSource: Send {
    /// The next `count` events.
    fn rows(&mut self, count: u64) -> RecordBatch;

    /// The time of the last event.
    fn now(&self) -> Timestamp;
}

/// The made-up events of this binary.
///
/// # Errors
/// When it has none.
pub(crate) fn made_up(given: Option<&MadeUp>) -> Result<&MadeUp> {
    given.ok_or_else(|| {
        Error::new(Kind::Missing, "this binary has no made-up events")
            .remedy("the binary `diptych` has some: `cargo run --release -- demo` in its sources")
    })
}
