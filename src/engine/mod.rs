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
//! A panic of user code in the front is caught: it names stream, epoch and event, and only that
//! dataflow stops. A panic behind the barrier aborts the process, because a lone missing worker
//! would leave the others waiting for ever.

mod agreement;
mod capture;
mod cluster;
mod gather;
mod guard;
mod installed;
mod lane;
mod profile;
mod progress;
mod reach;
mod reports;

pub(crate) use agreement::agree;
pub(crate) use capture::Capture;
pub use cluster::Cluster;
pub(crate) use gather::Gather;
pub(crate) use guard::{abort_on_panic, end_thread, on_trial};
pub(crate) use installed::{Installed, share};
pub(crate) use lane::{Blocks, Feed, History, Lane, history};
pub(crate) use profile::Profile;
pub use progress::Progress;
pub(crate) use reach::reach;
pub(crate) use reports::Reports;
