//! Small messages from all workers to worker 0, over the same timely mesh as the data.
//!
//! The batch layer learns from these that every worker, in every process, has written its files: a
//! probe tells that data has arrived, not that they are on disk.

use std::cell::RefCell;
use std::rc::Rc;

use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Input;
use timely::dataflow::operators::generic::operator::Operator;
use timely::worker::Worker;

use diptych_base::limits;

type Message = (usize, Vec<u8>);

/// One side of the channel on each worker.
pub struct Reports {
    input: InputHandle<u64, timely::container::CapacityContainerBuilder<Vec<Message>>>,
    received: Rc<RefCell<Vec<Message>>>,
    dataflow: usize,
    index: usize,
}

impl Reports {
    /// Installs the channel; every worker must do so at the same place in its order of dataflows.
    pub fn install(worker: &mut Worker) -> Self {
        let dataflow = worker.next_dataflow_index();
        let received = Rc::new(RefCell::new(Vec::new()));
        let sink = Rc::clone(&received);
        let input = worker.dataflow_named("Reports", |scope| {
            let (input, stream) = scope.new_input_with_builder();
            stream.sink(Exchange::new(|_: &Message| 0), "Collect", move |(input, _)| {
                input.for_each(|_, messages: &mut Vec<Message>| {
                    sink.borrow_mut().append(messages);
                });
            });
            input
        });
        Reports { input, received, dataflow, index: worker.index() }
    }

    /// Sends this worker's message to worker 0.
    pub fn send(&mut self, message: Vec<u8>) {
        self.input.send((self.index, message));
        self.input.flush();
    }

    /// Ends this worker's side and steps until every worker has ended its own; none when a worker
    /// has `failed` before. On worker 0: all messages, in the order of their workers.
    pub fn finish(self, worker: &mut Worker, failed: impl Fn() -> bool) -> Option<Vec<Vec<u8>>> {
        drop(self.input);
        while worker.installed_dataflows().contains(&self.dataflow) {
            if failed() {
                worker.drop_dataflow(self.dataflow);
                return None;
            }
            worker.step_or_park(Some(limits::WORKER_PARK));
        }
        let mut messages = std::mem::take(&mut *self.received.borrow_mut());
        messages.sort();
        Some(messages.into_iter().map(|(_, message)| message).collect())
    }

    /// Removes the channel without waiting for other workers.
    pub fn abandon(self, worker: &mut Worker) {
        let dataflow = self.dataflow;
        drop(self);
        worker.drop_dataflow(dataflow);
    }
}
