//! Dumps: workers write their accumulations once all epochs that they were given are published.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::live_dataflow_status::lost_worker;
use diptych_base::error::Result;
use diptych_base::lock_mutex::lock;
use diptych_engine::Installed;

/// The function that writes, called with the index of a worker and the dataflow there.
pub(crate) type Write = Box<dyn Fn(usize, &mut Installed) -> Result<()> + Send + Sync>;

/// The command to a worker to write its share of the accumulations.
pub(crate) struct Dump {
    /// Writes one worker's share of the accumulations.
    pub(super) write: Write,
    /// Receives each worker's outcome when it has written everything.
    pub(super) done: Sender<Result<()>>,
    gate: Arc<Mutex<Gate>>,
}

/// A handle to accumulations that workers are writing, or will write when they reach the command.
pub struct Dumping {
    outcomes: Receiver<Result<()>>,
    gate: Arc<Mutex<Gate>>,
    workers: usize,
}

/// A gate before writing: a worker that has passed it writes to the end; once it is closed, no more
/// workers pass.
#[derive(Default)]
struct Gate {
    passed: usize,
    closed: bool,
}

impl Dump {
    /// A dump by `workers` workers, and the handle to wait for it.
    pub(super) fn new(write: Write, workers: usize) -> (Dump, Dumping) {
        let (done, outcomes) = unbounded();
        let gate = Arc::<Mutex<Gate>>::default();
        (Dump { write, done, gate: Arc::clone(&gate) }, Dumping { outcomes, gate, workers })
    }

    /// Passes a worker through the gate, unless it is closed; false then.
    pub(super) fn begin(&self) -> bool {
        let mut gate = lock(&self.gate);
        gate.passed += usize::from(!gate.closed);
        !gate.closed
    }
}

impl Dumping {
    /// Waits until everything is written. False when a worker has not begun at `deadline`, because
    /// it is still in an epoch: the files of the others are then of no use.
    ///
    /// Errors when a worker cannot write.
    pub fn finish(self, deadline: Instant) -> Result<bool> {
        for _ in 0..self.workers {
            match self.outcomes.recv_deadline(deadline) {
                Ok(outcome) => outcome?,
                Err(RecvTimeoutError::Disconnected) => return Err(lost_worker()),
                Err(RecvTimeoutError::Timeout) => {
                    let mut gate = lock(&self.gate);
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
