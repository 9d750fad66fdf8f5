//! Broadcast of messages from one worker to all, over timely's own mesh.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use timely::ExchangeData;
use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Input;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::vec::Broadcast as _;
use timely::worker::Worker;

use diptych_base::limits;

/// One end of a broadcast on each worker.
pub struct Broadcast<M: ExchangeData + Clone> {
    input: InputHandle<u64, timely::container::CapacityContainerBuilder<Vec<M>>>,
    received: Rc<RefCell<VecDeque<M>>>,
    dataflow: usize,
}

impl<M: ExchangeData + Clone> Broadcast<M> {
    /// Installs the broadcast; every worker must do so at the same place in its order of dataflows.
    pub fn install(worker: &mut Worker, name: &str) -> Self {
        let dataflow = worker.next_dataflow_index();
        let received = Rc::new(RefCell::new(VecDeque::new()));
        let sink = Rc::clone(&received);
        let input = worker.dataflow_named(name, |scope| {
            let (input, stream) = scope.new_input_with_builder();
            stream.broadcast().sink(Pipeline, "Receive", move |(input, _)| {
                input.for_each(|_, messages: &mut Vec<M>| {
                    sink.borrow_mut().extend(messages.drain(..));
                });
            });
            input
        });
        Broadcast { input, received, dataflow }
    }

    /// Sends a message to every worker of every process.
    pub fn send(&mut self, message: M) {
        self.input.send(message);
        self.input.flush();
    }

    /// Takes the next message that has arrived here.
    pub fn receive(&self) -> Option<M> {
        self.received.borrow_mut().pop_front()
    }

    /// The next message that has arrived here, which is not taken.
    pub fn peek(&self) -> Option<M> {
        self.received.borrow().front().cloned()
    }

    /// Ends this worker's side and steps until every worker has ended its own, so that the last
    /// message arrives everywhere.
    pub fn finish(self, worker: &mut Worker) {
        drop(self.input);
        while worker.installed_dataflows().contains(&self.dataflow) {
            worker.step_or_park(Some(limits::WORKER_PARK));
        }
    }
}
