//! The operator trail: finds the operator of a panic, from timely's log of scheduled operators.
//!
//! timely logs the start and the end of each turn of an operator, and hands the log over at the end
//! of each step at the latest. Operators that have started and not ended when the scope around them
//! ends are those that a panic went through; it began in the innermost.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use std::time::Duration;

use timely::logging::{StartStop, TimelyEvent, TimelyEventBuilder};
use timely::worker::Worker;

thread_local! {
    /// The trail of this thread's worker.
    static TRAIL: RefCell<Trail> = RefCell::default();
}

/// The operators of a worker, as its log announces and schedules them.
#[derive(Default)]
struct Trail {
    /// By number of the operator: its dataflow and its name.
    operators: HashMap<usize, (usize, String)>,
    /// The running operators, the innermost last.
    running: Vec<usize>,
    /// By dataflow: the operator in which a panic began.
    lost: BTreeMap<usize, String>,
}

/// Follows the log of this thread's worker, for all dataflows installed from now on. `then` is
/// given the log, too.
pub fn watch(worker: &Worker, mut then: impl FnMut(&mut Vec<(Duration, TimelyEvent)>) + 'static) {
    TRAIL.take();
    // A worker without a clock keeps no logs.
    let Some(mut register) = worker.log_register() else { return };
    register.insert::<TimelyEventBuilder, _>("timely", move |_, events| {
        let Some(events) = events else { return };
        TRAIL.with_borrow_mut(|trail| events.iter().for_each(|(_, event)| trail.note(event)));
        then(events);
        events.clear();
    });
}

/// The operator in which a panic began, on this thread's worker, in the dataflow with this number.
pub(super) fn lost(dataflow: usize) -> Option<String> {
    TRAIL.with_borrow(|trail| trail.lost.get(&dataflow).cloned())
}

impl Trail {
    fn note(&mut self, event: &TimelyEvent) {
        match event {
            TimelyEvent::Operates(event) => {
                let dataflow = event.addr.first().copied().unwrap_or(usize::MAX);
                self.operators.insert(event.id, (dataflow, event.name.clone()));
            }
            TimelyEvent::Shutdown(event) => drop(self.operators.remove(&event.id)),
            TimelyEvent::Schedule(event) => match event.start_stop {
                StartStop::Start => self.running.push(event.id),
                StartStop::Stop => self.stopped(event.id),
            },
            _ => {}
        }
    }

    fn stopped(&mut self, id: usize) {
        let Some(at) = self.running.iter().rposition(|running| *running == id) else { return };
        let inside = self.running.drain(at..).skip(1).last();
        if let Some((dataflow, name)) = inside.and_then(|inside| self.operators.get(&inside)) {
            self.lost.entry(*dataflow).or_insert_with(|| name.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use timely::logging::{OperatesEvent, ScheduleEvent};

    use super::*;

    #[test]
    fn the_innermost_that_did_not_end_is_where_it_began() {
        let mut trail = Trail::default();
        let operates = |id: usize, addr: &[usize], name: &str| {
            TimelyEvent::from(OperatesEvent { id, addr: addr.to_vec(), name: name.to_owned() })
        };
        let start = |id| TimelyEvent::from(ScheduleEvent::start(id));
        let stop = |id| TimelyEvent::from(ScheduleEvent::stop(id));
        let events = [
            operates(0, &[4], "flow"),
            operates(1, &[4, 1], "flow"),
            operates(2, &[4, 1, 1], "Map"),
            operates(3, &[4, 1, 2], "Reduce"),
            operates(4, &[5], "other"),
            start(0),
            start(1),
            start(2),
            stop(2),
            start(3),
            // The operator panics; its scope ends because the panic is caught.
            stop(1),
            stop(0),
            start(4),
            stop(4),
        ];
        events.iter().for_each(|event| trail.note(event));
        assert_eq!(trail.lost, BTreeMap::from([(4, "Reduce".to_owned())]));
    }
}
