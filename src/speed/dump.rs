//! What workers hold, written by them when all that they were given is published.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::worker_group::lost_worker;
use diptych_base::error::Result;
use diptych_engine::Installed;

/// Called with the index of a worker and the dataflow there.
pub(crate) type Write = Box<dyn Fn(usize, &mut Installed) -> Result<()> + Send + Sync>;

/// What a worker is told.
pub(crate) struct Dump {
    /// Writes one worker's share of the accumulations.
    pub(super) write: Write,
    /// Told by each worker when it has written everything.
    pub(super) done: Sender<Result<()>>,
    gate: Arc<Mutex<Gate>>,
}

/// Accumulations that are being written, or will be when the workers get to it.
pub struct Dumping {
    outcomes: Receiver<Result<()>>,
    gate: Arc<Mutex<Gate>>,
    workers: usize,
}

/// Who passed it writes to the end; once it is closed nobody passes.
#[derive(Default)]
struct Gate {
    passed: usize,
    closed: bool,
}

impl Dump {
    /// For so many workers.
    pub(super) fn new(write: Write, workers: usize) -> (Dump, Dumping) {
        let (done, outcomes) = unbounded();
        let gate = Arc::<Mutex<Gate>>::default();
        (Dump { write, done, gate: Arc::clone(&gate) }, Dumping { outcomes, gate, workers })
    }

    /// May a worker write still? It then does.
    pub(super) fn begin(&self) -> bool {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        gate.passed += usize::from(!gate.closed);
        !gate.closed
    }
}

impl Dumping {
    /// Waits until everything is written. False when a worker has not begun at `deadline`, because
    /// it is in an epoch still: what others wrote is of no use then.
    ///
    /// Errors when a worker cannot write.
    pub fn finish(self, deadline: Instant) -> Result<bool> {
        for _ in 0..self.workers {
            match self.outcomes.recv_deadline(deadline) {
                Ok(outcome) => outcome?,
                Err(RecvTimeoutError::Disconnected) => return Err(lost_worker()),
                Err(RecvTimeoutError::Timeout) => {
                    let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
                    gate.closed = gate.passed < self.workers;
                    if gate.closed {
                        return Ok(false);
                    }
                    drop(gate);
                    self.outcomes.recv().map_err(|_| lost_worker())??;
                }
            }
        }
        Ok(true)
    }
}
