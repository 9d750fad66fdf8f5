//! An alarm broadcasts a failure in one of several processes to all: workers that wait for progress
//! which will not come give up, too.

use serde::{Deserialize, Serialize};
use timely::worker::Worker;

use super::broadcast::Broadcast;
use diptych_base::error::{Error, Kind};

/// An error on its way to other processes: its kind goes by its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SentError {
    kind: String,
    reason: String,
    remedy: String,
}

impl From<&Error> for SentError {
    fn from(error: &Error) -> SentError {
        let kind = error.kind().name().to_owned();
        SentError { kind, reason: error.reason(), remedy: error.what_to_do().to_owned() }
    }
}

impl From<SentError> for Error {
    fn from(fault: SentError) -> Error {
        let kind = Kind::of_name(&fault.kind).unwrap_or(Kind::Stopped);
        let error = Error::new(kind, fault.reason);
        if fault.remedy.is_empty() { error } else { error.remedy(fault.remedy) }
    }
}

/// One end of the alarm on each worker.
pub struct Alarm(Broadcast<SentError>);

impl Alarm {
    /// Installs the alarm; every worker must do so at the same place in its order of dataflows.
    pub fn install(worker: &mut Worker) -> Self {
        Alarm(Broadcast::install(worker, "Alarm"))
    }

    /// Sends a failure to every worker of every process.
    pub fn raise(&mut self, error: &Error) {
        self.0.send(SentError::from(error));
    }

    /// The first failure that has arrived.
    pub fn heard(&self) -> Option<Error> {
        self.0.peek().map(Error::from)
    }

    /// Ends this worker's side and steps until every worker has ended its own.
    pub fn finish(self, worker: &mut Worker) {
        self.0.finish(worker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_keeps_kind_and_remedy() {
        for &kind in Kind::ALL {
            let error = Error::new(kind, "a part is gone").remedy("start again");
            let heard = Error::from(SentError::from(&error));
            assert_eq!((heard.kind(), heard.to_string()), (kind, error.to_string()));
            assert_eq!(heard.what_to_do(), "start again");
        }
        let plain = Error::new(Kind::Panic, "x");
        assert_eq!(Error::from(SentError::from(&plain)).to_string(), "x");
    }
}
