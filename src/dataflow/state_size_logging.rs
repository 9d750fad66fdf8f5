//! How many entries an operator of ours holds, told to the log that differential keeps of its
//! arrangements: who adds those up need not know two kinds of state.

use differential_dataflow::logging::{BatchEvent, DifferentialEventBuilder, DropEvent, Logger};
use timely::worker::Worker;

/// The last size that was told.
pub(super) struct Held {
    /// None when nobody listens.
    log: Option<Logger>,
    operator: usize,
    told: usize,
}

impl Held {
    /// Nothing is held by `operator` so far.
    pub(super) fn new(worker: &Worker, operator: usize) -> Held {
        let log = worker.logger_for::<DifferentialEventBuilder>("differential/arrange");
        Held { log: log.map(Into::into), operator, told: 0 }
    }

    /// It holds so many entries now.
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
