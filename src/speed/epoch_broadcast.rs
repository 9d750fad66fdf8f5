//! The broadcast of sealed epochs and of failures to the workers of other processes.
//!
//! Process 0 owns the order of epochs. Its first worker broadcasts the upper bound of the epochs it
//! took from the log over timely's own mesh; the other processes read the epochs themselves, from
//! the same directory. The branch sent with each upper bound proves that it is the same directory,
//! and not a copy that was written further.
//!
//! A dataflow that fails on one worker is dropped by all: the worker that notices the failure
//! broadcasts it.

use serde::{Deserialize, Serialize};

use diptych_base::time::Epoch;
use diptych_engine::{Broadcast, SentError};

/// A message from one worker to all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum BroadcastMessage {
    /// Every epoch below is sealed, and this branch wrote the last of them.
    Sealed(Epoch, Option<u64>),
    /// The dataflow with this number has failed, and the reason.
    Failed(usize, SentError),
    /// No more epochs follow.
    Stop,
}

/// One end of the broadcast on each worker.
pub(super) type Commands = Broadcast<BroadcastMessage>;
