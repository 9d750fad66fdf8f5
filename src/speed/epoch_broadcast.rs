//! How workers in other processes learn what is sealed, and what has failed.
//!
//! Process 0 owns the order of epochs. Its first worker broadcasts the upper bound of what it took
//! from the log over timely's own mesh; the other processes read the epochs themselves, from the
//! same directory. That it is the same, and no copy that was written on, is said by the branch that
//! goes with each upper bound.
//!
//! A dataflow that fails on one worker is dropped by all: whoever finds out tells.

use serde::{Deserialize, Serialize};

use diptych_base::time::Epoch;
use diptych_engine::{Broadcast, Fault};

/// What one worker tells all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// Every epoch below is sealed, and this branch wrote the last of them.
    Sealed(Epoch, Option<u64>),
    /// The dataflow with that number cannot go on, and why.
    Failed(usize, Fault),
    /// No more epochs follow.
    Stop,
}

/// One end of the broadcast on each worker.
pub(super) type Commands = Broadcast<Message>;
