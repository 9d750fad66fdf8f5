//! **The engine**: compiles a dataflow onto timely workers, feeds it epochs, publishes its views.
//!
//! The engine knows neither layer. The batch layer feeds it all of history at the time `F - 1`; the
//! speed layer feeds it one epoch after another from F on. Both use `Installed`, so there is one
//! code path from rows to views.
//!
//! ```text
//! record batch ─► front (user's closures, one dynamic call per barrier) ─► combiner ─┐ this worker
//!      input ─► exchange by key ─► owner's state ─► differential ─► view ─► publisher ┘ timely
//! ```
//!
//! A panic of user code ends only its own dataflow. A panic in the front is caught where it
//! happens, and its error names stream, epoch and event; one behind the barrier is caught where the
//! dataflow is scheduled, and its error names operator and epoch. All workers then drop the
//! dataflow.

mod base_publisher;
mod batch_progress;
mod broadcast;
mod capturing_publisher;
mod cluster;
mod failure_broadcast;
mod find_panicked_operator;
mod hydration;
mod panic_scope;
mod plan_handshake;
mod profile;
mod report_to_zero;
mod retraction_support;
mod stored_state;
mod wait_for_threads;
mod worker_dataflow;
mod worker_panic_policy;

pub use base_publisher::Gather;
pub use batch_progress::Progress;
pub use broadcast::Broadcast;
pub use capturing_publisher::Capture;
pub use cluster::Cluster;
pub use failure_broadcast::{Alarm, SentError};
pub use find_panicked_operator::watch;
pub use hydration::{AccumulationBlocks, History, HistoryPiece, Lane, StatePlace, history};
pub use plan_handshake::agree;
pub use profile::Profile;
pub use report_to_zero::Reports;
pub use retraction_support::reach;
pub use stored_state::StoredState;
pub use wait_for_threads::ended_by;
pub use worker_dataflow::{Installed, share};
pub use worker_panic_policy::{abort_on_panic, worker_of};
