//! The check whether a client may read, on routes that answer every client.
//!
//! Such a route tells a stranger a status, and the reason only a client that may read: reasons name
//! dataflows, and the failure of a dataflow repeats fields of its events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use diptych_site::auth::{Gate, Role};
use diptych_site::problem::Problem;

/// The gate that recognises readers; without one every client is a reader.
#[derive(Clone)]
pub(super) struct Readers(pub(super) Option<Arc<Gate>>);

/// Whether the client may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MayRead(pub(super) bool);

impl MayRead {
    /// The problem for a reader; for another client, its status alone.
    pub(super) fn tell(self, problem: Problem) -> Problem {
        if self.0 { problem } else { problem.without_reason() }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MayRead {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<MayRead, Infallible> {
        let reads = |Readers(gate): &Readers| {
            let Some(gate) = gate else { return true };
            gate.may(&parts.headers, Role::Read)
        };
        // Without the extension no client is a reader.
        Ok(MayRead(parts.extensions.get().is_some_and(reads)))
    }
}
