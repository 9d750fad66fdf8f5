//! Whether whoever asks may read, on routes that answer everybody.
//!
//! Such a route tells strangers a status, and why it is so only those who may read: reasons name
//! dataflows, and what a dataflow failed at repeats fields of its events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::Problem;
use diptych_site::auth::{Gate, Role};

/// The gate that tells readers from strangers; without one everybody is a reader.
#[derive(Clone)]
pub(super) struct Readers(pub(super) Option<Arc<Gate>>);

/// May whoever asks read?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MayRead(pub(super) bool);

impl MayRead {
    /// The problem as it is for readers; for others its status alone.
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
        // Where nobody says who the readers are, there are none.
        Ok(MayRead(parts.extensions.get().is_some_and(reads)))
    }
}
