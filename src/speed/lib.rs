//! **The speed layer**: the same function, continuing at the boundary F, one epoch after another.
//!
//! The layer reads no event below F (asserted). Epochs come sealed from the log, over bounded
//! channels; each worker takes its even share of an epoch's rows, and takes the next epoch only
//! while few are in flight, so that a burst waits in the log and not in memory. timely has no flow
//! control of its own.
//!
//! ```text
//! log ─► driver ─► bounded channel per worker ─► front ─► … ─► publish ─► index
//!          ▲ admission: epochs and bytes in flight against the probe
//! ```

mod channel;
mod dump;
mod epoch_broadcast;
mod feeder;
mod live_dataflow;
mod live_dataflow_status;
mod speed_layer;
mod worker;
mod worker_group;

pub use dump::Dumping;
pub use feeder::{Join, Tail};
pub use live_dataflow::{LiveDataflow, Start};
pub use live_dataflow_status::{HaltReason, LaneStatus};
pub use speed_layer::SpeedLayer;

#[cfg(test)]
mod simulated_schedules;
mod worker_command;
