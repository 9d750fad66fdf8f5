//! Made-up events of built-in dataflows, for `sample` and `demo`: given by a binary that has them.

use arrow_array::RecordBatch;
use diptych_dataflow::Definition;
use diptych_event::Timestamp;
use diptych_testing::Story;

use diptych_base::error::{Error, Kind, Result};

/// Made-up events that a binary brings along.
#[derive(Clone, Copy)]
pub struct MadeUp {
    /// The dataflow of `demo`: it reads the stream `tweets`.
    pub demo: fn() -> Definition,
    /// The events of `demo`, the same for a seed: so many of history, then on from the present.
    pub source: fn(seed: u64, history: u64) -> Box<dyn EventSource>,
    /// The dataflows that `sample` has events of.
    pub sampled: &'static [&'static str],
    /// Events of one of them, the same for a seed: so many, in so many epochs.
    pub sample: fn(dataflow: &str, seed: u64, events: usize, epochs: usize) -> Option<Story>,
}

/// Events without end.
pub trait EventSource: Send {
    /// The next `count` events.
    fn rows(&mut self, count: u64) -> RecordBatch;

    /// The time of the last one.
    fn now(&self) -> Timestamp;
}

/// Those of this binary.
///
/// # Errors
/// When it has none.
pub(crate) fn made_up(given: Option<&MadeUp>) -> Result<&MadeUp> {
    given.ok_or_else(|| {
        Error::new(Kind::Missing, "this binary has no made-up events")
            .remedy("the binary `diptych` has some: `cargo run --release -- demo` in its sources")
    })
}
