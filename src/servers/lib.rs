//! The servers, started and stopped together: HTTP with the live page, and the Postgres protocol.
//!
//! They run on a runtime of their own ([`Servers::start`]), apart from timely's workers and from
//! the runtime of the thread that starts them. [`routes`] puts the same HTTP interface below a
//! service of one's own. The crate `diptych-site` holds the state that they answer from, and access
//! control.

mod axum_routes;
mod runtime;
mod takeover_responder;

pub use axum_routes::routes;
pub use runtime::{Listeners, Servers};
pub use takeover_responder::TakeoverResponder;
