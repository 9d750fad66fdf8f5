//! Finds out whether a drawn dataflow keeps state behind its accumulations, from the names that
//! timely's log gives its operators.
//!
//! Operators that pass rows on keep nothing, so their part of a dataflow is restored by
//! restoring the accumulations, without a row. All others are taken for ones with state: a join's
//! arrangement is in memory, and has to see every row.

use std::cell::RefCell;
use std::rc::Rc;

use timely::logging::{TimelyEvent, TimelyEventBuilder};
use timely::worker::Worker;

/// The names of operators of timely, differential and this crate that keep nothing of a row which
/// has passed.
const PASS_ON: [&str; 11] = [
    "Concatenate",
    "Exchange",
    "Filter",
    "FlatMap",
    "Input",
    "Inspect",
    "MapInPlace",
    "OkErr",
    "Probe",
    "Relay",
    "UnorderedInput",
];
/// Names of this crate's operators that end with another name: owners, whose state is the
/// accumulation, and checks of a result's range.
const PASS_ON_NAMED: [&str; 2] = ["Own: ", "In range: "];

/// The names of the operators that a worker has drawn.
pub(super) struct DrawnOperators {
    names: Rc<RefCell<Vec<String>>>,
}

impl DrawnOperators {
    /// Follows what `worker` draws from now on.
    pub(super) fn watch(worker: &Worker) -> DrawnOperators {
        let names = Rc::<RefCell<Vec<String>>>::default();
        if let Some(mut register) = worker.log_register() {
            let drawn = Rc::clone(&names);
            register.insert::<TimelyEventBuilder, _>("timely", move |_, events| {
                let Some(events) = events else { return };
                for (_, event) in events.drain(..) {
                    // The dataflow itself has an address of one number.
                    if let TimelyEvent::Operates(event) = event
                        && event.addr.len() > 1
                    {
                        drawn.borrow_mut().push(event.name);
                    }
                }
            });
        }
        DrawnOperators { names }
    }

    /// Does every operator pass rows on? False where no log is kept.
    pub(super) fn pass_rows_on(&self, worker: &Worker) -> bool {
        let Some(register) = worker.log_register() else { return false };
        let Some(log) = register.get::<TimelyEventBuilder>("timely") else { return false };
        log.flush();
        let names = self.names.borrow();
        !names.is_empty() && names.iter().all(|name| passes_on(name))
    }
}

fn passes_on(name: &str) -> bool {
    PASS_ON.contains(&name) || PASS_ON_NAMED.iter().any(|prefix| name.starts_with(prefix))
}
