//! A failure in one of several processes, told to all: who waits for progress that does not come
//! gives up, too.

use std::cell::RefCell;
use std::rc::Rc;

use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Input;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::vec::Broadcast;
use timely::worker::Worker;

use crate::error::{Error, Kind};
use crate::limits;

/// Was it a panic of the function, and what was said?
type Message = (bool, String);

/// One end of the broadcast on each worker.
pub(crate) struct Alarm {
    input: InputHandle<u64, timely::container::CapacityContainerBuilder<Vec<Message>>>,
    received: Rc<RefCell<Option<Message>>>,
    dataflow: usize,
}

impl Alarm {
    /// Installs the broadcast; every worker must do so at the same place in its order of dataflows.
    pub(crate) fn install(worker: &mut Worker) -> Self {
        let dataflow = worker.next_dataflow_index();
        let received = Rc::new(RefCell::new(None));
        let sink = Rc::clone(&received);
        let input = worker.dataflow_named("Alarm", |scope| {
            let (input, stream) = scope.new_input_with_builder();
            stream.broadcast().sink(Pipeline, "Heed", move |(input, _)| {
                input.for_each(|_, messages: &mut Vec<Message>| {
                    // The first reason stays.
                    let first = messages.drain(..).next();
                    let mut reason = sink.borrow_mut();
                    *reason = reason.take().or(first);
                });
            });
            input
        });
        Alarm { input, received, dataflow }
    }

    /// Tells every worker of every process.
    pub(crate) fn raise(&mut self, (kind, reason): (Kind, String)) {
        self.input.send((kind == Kind::Panic, reason));
        self.input.flush();
    }

    /// What was told.
    pub(crate) fn heard(&self) -> Option<Error> {
        let (panicked, reason) = self.received.borrow().clone()?;
        Some(Error::new(if panicked { Kind::Panic } else { Kind::Stopped }, reason))
    }

    /// Ends this worker's side and steps until every worker has ended its own.
    pub(crate) fn finish(self, worker: &mut Worker) {
        drop(self.input);
        while worker.installed_dataflows().contains(&self.dataflow) {
            worker.step_or_park(Some(limits::WORKER_PARK));
        }
    }
}
