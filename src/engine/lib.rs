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
//! A panic of user code ends only the dataflow it is in. In the front it is caught where it
//! happens, and names stream, epoch and event; behind the barrier it is caught where the dataflow
//! is scheduled, and names operator and epoch. All workers then drop the dataflow.

mod agreement;
mod alarm;
mod broadcast;
mod capture;
mod cluster;
mod contained;
mod gather;
mod guard;
mod installed;
mod lane;
mod leaving;
mod profile;
mod progress;
mod reach;
mod reports;
mod trail;

pub use agreement::agree;
pub use alarm::Alarm;
pub use broadcast::Broadcast;
pub use capture::Capture;
pub use cluster::Cluster;
pub use gather::Gather;
pub use guard::{abort_on_panic, worker_of};
pub use installed::{Installed, share};
pub use lane::{Blocks, Feed, History, Lane, history};
pub use leaving::ended_by;
pub use profile::Profile;
pub use progress::Progress;
pub use reach::reach;
pub use reports::Reports;
pub use trail::watch;
