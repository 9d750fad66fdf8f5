//! The servers, started and stopped together: HTTP with the live page, and the Postgres protocol.
//!
//! They run on a runtime of their own ([`Servers::start`]), apart from timely's workers and from
//! the runtime of the thread that starts them. [`routes`] puts the same HTTP interface below a
//! service of one's own. What they answer from, and who may ask, is of the crate `diptych-site`.

mod routes;
mod runtime;
mod takeover_responder;

pub use routes::routes;
pub use runtime::{Listeners, Servers};
pub use takeover_responder::Doorstep;
