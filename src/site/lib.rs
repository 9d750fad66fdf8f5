//! The state that all servers share: the served dataflows, the access policy, and the bounds on
//! clients.
//!
//! Everything that HTTP, SQL and the Postgres protocol answer comes from a [`Site`]: the dataflows
//! that are served, the log's writer when this process may append, and [`Control`] for what costs a
//! computation. Every answer is about one epoch of one version of one dataflow, and names them;
//! reading never blocks a worker. Calls that may wait for a disk or a computation run on blocking
//! threads of the servers' runtime.
//!
//! Invariants:
//! - no address but loopback without TLS and credentials;
//! - the work and memory that a client can cause are bounded (`limits`): bodies, pages,
//!   sockets, subscriptions, recomputations;
//! - an error names place and remedy and never a secret.
//!
//! [`Control`]: diptych_system::Control

pub mod access;
pub mod admission;
pub mod append_only;
pub mod auth;
pub mod blocking;
pub mod bounds;
pub mod budget;
pub mod concern;
pub mod concerns;
pub mod connection_places;
pub mod file_watcher;
pub mod frontiers;
pub mod handover;
pub mod hostile;
pub mod lag;
pub mod new_producers;
pub mod options;
pub mod own_site;
pub mod problem;
pub mod read_mode;
pub mod replays;
pub mod request_metrics;
pub mod site;
pub mod threads;
pub mod tls;
pub mod verification;

pub use access::ClearText;
pub use admission::Load;
pub use append_only::AppendOnly;
pub use concern::{Concern, ConcernKind};
pub use handover::NAME_LEN;
pub use hostile::hostile;
pub use lag::MaxLag;
pub use options::ServersOptions;
pub use read_mode::Mode;
pub use site::{Flow, Site};
