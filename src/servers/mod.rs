//! From the index to people and programs: HTTP, SQL, the Postgres protocol, a live page.
//!
//! Everything here answers from a [`Site`]: the dataflows that are served, the log's writer when
//! this process may append, and [`Control`](crate::Control) for epochs that the index has let go. Every answer is
//! about one epoch of one version of one dataflow, and says which; reading never blocks a worker.
//!
//! Servers know the serving layer's readers, the log's append and the sources' parsers. They run
//! on a runtime of their own ([`Servers::start`]), apart from timely's workers and from the
//! runtime of whoever starts them. Calls that may wait for a disk or a computation run on its
//! blocking threads.
//!
//! Invariants:
//! - no address but loopback without TLS and credentials;
//! - what a client can make the process keep or compute is bounded (`limits`): bodies, pages,
//!   sockets, subscriptions, recomputations;
//! - an error names place and remedy and never a secret.

pub(crate) mod auth;
mod budget;
mod concern;
mod concerns;
mod doorstep;
mod entry;
mod frontiers;
mod grown;
mod handover;
mod hostile;
mod http;
mod lag;
mod listener;
mod load;
mod mode;
mod newcomers;
mod options;
mod pg;
mod places;
mod replays;
mod routes;
mod run;
mod site;
mod sql;
mod threads;
mod tls;
mod verified;
mod watched;

pub use concern::{Concern, ConcernKind};
pub(crate) use doorstep::Doorstep;
pub use grown::Grown;
pub(crate) use handover::NAME_LEN;
pub(crate) use hostile::hostile;
pub use lag::MaxLag;
pub use load::Load;
pub use mode::Mode;
pub use options::ServersOptions;
pub use routes::routes;
pub use run::{Listeners, Servers};
pub use site::{Flow, Site};
