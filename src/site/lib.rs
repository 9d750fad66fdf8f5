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

pub mod access_policy;
pub mod admission;
pub mod append_only_list;
pub mod auth;
pub mod blocking;
pub mod budget;
pub mod client_bounds;
pub mod connection_places;
pub mod cross_site_check;
pub mod dedicated_runtime;
pub mod detect_concerns;
pub mod file_watcher;
pub mod frontier_watch;
pub mod fuzz_targets;
pub mod handover;
pub mod max_lag;
pub mod new_producer_limit;
pub mod operator_concern;
pub mod problem;
pub mod read_mode;
pub mod recomputation_queue;
pub mod request_metrics;
pub mod server_options;
pub mod site;
pub mod tls;
pub mod verify_views;

pub use access_policy::ClearText;
pub use admission::Load;
pub use append_only_list::AppendOnly;
pub use fuzz_targets::hostile;
pub use handover::NAME_LEN;
pub use max_lag::MaxLag;
pub use operator_concern::{Concern, ConcernKind};
pub use read_mode::Mode;
pub use server_options::ServersOptions;
pub use site::{Flow, Site};
