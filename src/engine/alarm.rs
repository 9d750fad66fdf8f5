//! An alarm broadcasts a failure in one of several processes to all: workers that wait for progress
//! which will not come give up, too.

use timely::worker::Worker;

use super::broadcast::Broadcast;
use diptych_base::error::{Error, Kind};

/// Whether the failure was a panic of the function, and its message.
type Message = (bool, String);

/// One end of the alarm on each worker.
pub struct Alarm(Broadcast<Message>);

impl Alarm {
    /// Installs the alarm; every worker must do so at the same place in its order of dataflows.
    pub fn install(worker: &mut Worker) -> Self {
        Alarm(Broadcast::install(worker, "Alarm"))
    }

    /// Sends a failure to every worker of every process.
    pub fn raise(&mut self, (kind, reason): (Kind, String)) {
        self.0.send((kind == Kind::Panic, reason));
    }

    /// The first failure that has arrived.
    pub fn heard(&self) -> Option<Error> {
        let (panicked, reason) = self.0.peek()?;
        Some(Error::new(if panicked { Kind::Panic } else { Kind::Stopped }, reason))
    }

    /// Ends this worker's side and steps until every worker has ended its own.
    pub fn finish(self, worker: &mut Worker) {
        self.0.finish(worker);
    }
}
