//! How workers in other processes learn what is sealed, and what has failed.
//!
//! Process 0 owns the order of epochs. Its first worker broadcasts the upper bound of what it took
//! from the log over timely's own mesh; the other processes read the epochs themselves, from the
//! same directory. That it is the same, and no copy that was written on, is said by the branch that
//! goes with each upper bound.
//!
//! A dataflow that fails on one worker is dropped by all: whoever finds out tells.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Input;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::vec::Broadcast;
use timely::worker::Worker;

use crate::limits;
use crate::time::Epoch;

/// What one worker tells all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// Every epoch below is sealed, and this branch wrote the last of them.
    Sealed(Epoch, Option<u64>),
    /// The dataflow with that number cannot go on, and why; did it panic?
    Failed(usize, bool, String),
    /// No more epochs follow.
    Stop,
}

/// One end of the broadcast on each worker.
pub(super) struct Commands {
    input: InputHandle<u64, timely::container::CapacityContainerBuilder<Vec<Message>>>,
    received: Rc<RefCell<VecDeque<Message>>>,
    index: usize,
}

impl Commands {
    /// Installs the broadcast; every worker must do so at the same place in its order of dataflows.
    pub(super) fn install(worker: &mut Worker) -> Self {
        let index = worker.next_dataflow_index();
        let received = Rc::new(RefCell::new(VecDeque::new()));
        let sink = Rc::clone(&received);
        let input = worker.dataflow_named("Commands", |scope| {
            let (input, stream) = scope.new_input_with_builder();
            stream.broadcast().sink(Pipeline, "Receive", move |(input, _)| {
                input.for_each(|_, messages: &mut Vec<Message>| {
                    sink.borrow_mut().extend(messages.drain(..));
                });
            });
            input
        });
        Commands { input, received, index }
    }

    /// Tells every worker of every process.
    pub(super) fn send(&mut self, message: Message) {
        self.input.send(message);
        self.input.flush();
    }

    /// The next message that has arrived here.
    pub(super) fn receive(&self) -> Option<Message> {
        self.received.borrow_mut().pop_front()
    }

    /// Ends this worker's side and steps until every worker has ended its own, so that the last
    /// message arrives everywhere.
    pub(super) fn finish(self, worker: &mut Worker) {
        drop(self.input);
        while worker.installed_dataflows().contains(&self.index) {
            worker.step_or_park(Some(limits::WORKER_PARK));
        }
    }
}
