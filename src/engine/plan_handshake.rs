//! The plan handshake: all processes compare their plans before the first dataflow is installed.
//!
//! timely numbers channels in the order in which a worker makes them. Processes that draw different
//! dataflows would misread each other's messages and panic far from the cause. So every process
//! first sends the others its plan as text, and all of them refuse alike when one differs. Closures
//! are not compared: the versions of the dataflows vouch for them.
//!
//! The number of processes, and of workers in each, is not compared: timely forms the mesh by these
//! numbers before a message can be sent.

use std::cell::RefCell;
use std::rc::Rc;

use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Input;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::vec::Broadcast;
use timely::worker::Worker;

use super::cluster::Cluster;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits;

/// A process's number, and its plan.
type Message = (usize, String);

type Teller = InputHandle<u64, timely::container::CapacityContainerBuilder<Vec<Message>>>;

/// Sends this process's plan, `task`, to all processes of `cluster`, and waits for theirs. A worker
/// must call it before anything else. With one process there is nothing to compare.
///
/// # Errors
/// A conflict, in every process, when the plans of two processes differ.
pub fn agree(worker: &mut Worker, cluster: &Cluster, task: &str) -> Result<()> {
    if cluster.processes() == 1 {
        return Ok(());
    }
    let dataflow = worker.next_dataflow_index();
    let received = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&received);
    let mut input: Teller = worker.dataflow_named("Agreement", |scope| {
        let (input, stream) = scope.new_input_with_builder();
        stream.broadcast().sink(Pipeline, "Hear", move |(input, _)| {
            input.for_each(|_, messages: &mut Vec<Message>| {
                sink.borrow_mut().append(messages);
            });
        });
        input
    });
    input.send((cluster.process, task.to_owned()));
    drop(input);
    while worker.installed_dataflows().contains(&dataflow) {
        worker.step_or_park(Some(limits::WORKER_PARK));
    }
    let mut tasks = received.take();
    tasks.sort();
    compare(&tasks)
}

/// Refuses the first plan that differs from that of process 0.
fn compare(tasks: &[Message]) -> Result<()> {
    let Some((first, task)) = tasks.first() else { return Ok(()) };
    let Some((other, different)) = tasks.iter().find(|(_, other)| other != task) else {
        return Ok(());
    };
    let message = format!(
        "the processes do not do the same: process {first} is to {task}, process {other} is to \
         {different}"
    );
    Err(Error::new(Kind::Conflict, message)
        .remedy("start the same program with the same arguments in every process"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_different_task_is_named() {
        let task = |process: usize, what: &str| (process, what.to_owned());
        assert!(compare(&[]).is_ok());
        assert!(compare(&[task(0, "serve a"), task(1, "serve a"), task(2, "serve a")]).is_ok());
        let refused = compare(&[task(0, "serve a"), task(1, "serve a"), task(2, "batch a")]);
        let message = refused.expect_err("different").to_string();
        assert!(message.contains("process 0 is to serve a, process 2 is to batch a"), "{message}");
    }
}
