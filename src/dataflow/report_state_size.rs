//! State size logging: reports the entries of this crate's own operators to differential's log of
//! arrangement sizes, so that a reader of that log sees all state.

use differential_dataflow::logging::{BatchEvent, DifferentialEventBuilder, DropEvent, Logger};
use timely::worker::Worker;

/// The size of one operator's state, as last reported.
pub(super) struct LoggedSize {
    /// The log; none when no logger is registered.
    log: Option<Logger>,
    operator: usize,
    told: usize,
}

impl LoggedSize {
    /// The size of `operator`'s state, which is empty so far.
    pub(super) fn new(worker: &Worker, operator: usize) -> LoggedSize {
        let log = worker.logger_for::<DifferentialEventBuilder>("differential/arrange");
        LoggedSize { log: log.map(Into::into), operator, told: 0 }
    }

    /// Reports that the state now has `entries` entries.
    pub(super) fn tell(&mut self, entries: usize) {
        let (Some(log), operator) = (&self.log, self.operator) else { return };
        if entries > self.told {
            log.log(BatchEvent { operator, length: entries - self.told });
        } else if entries < self.told {
            log.log(DropEvent { operator, length: self.told - entries });
        }
        self.told = entries;
    }
}
