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

mod alarm;
mod base_publisher;
mod broadcast;
mod capture;
mod cluster;
mod hydration;
mod leaving;
mod panic_guard;
mod panic_scope;
mod plan_handshake;
mod profile;
mod progress;
mod report_to_zero;
mod retraction_support;
mod trail;
mod worker_dataflow;

pub use alarm::{Alarm, SentError};
pub use base_publisher::Gather;
pub use broadcast::Broadcast;
pub use capture::Capture;
pub use cluster::Cluster;
pub use hydration::{AccumulationBlocks, History, HistoryPiece, Lane, history};
pub use leaving::ended_by;
pub use panic_guard::{abort_on_panic, worker_of};
pub use plan_handshake::agree;
pub use profile::Profile;
pub use progress::Progress;
pub use report_to_zero::Reports;
pub use retraction_support::reach;
pub use trail::watch;
pub use worker_dataflow::{Installed, share};
