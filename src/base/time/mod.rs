//! Logical time: epochs and the intervals between them.
//!
//! An epoch is a group of events that became durable together. Epochs are totally ordered and are
//! the timestamps of every timely dataflow here. They say nothing of wall-clock time: the log
//! records a clock beside each epoch, and nothing is ever ordered by it.
//!
//! A *frontier* is the first epoch that is not complete. `upper = u` says that every epoch below
//! `u` is sealed; the history "up to F" is the half-open interval `[0, F)`, and a collapsed
//! history lives at the time `F - 1`, the last epoch it contains.

mod history_branch;

pub use history_branch::another;
pub use history_branch::{At, Branch, Branches};

/// The logical time of an event, and the timestamp of every dataflow.
pub type Epoch = u64;
