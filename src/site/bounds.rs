//! What a port allows its clients.

use diptych_base::limits;

/// How many connections a port holds, and how long a body may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// Bytes of a request's body.
    pub body: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { connections: limits::CONNECTIONS_MAX, body: limits::BODY_BYTES_MAX }
    }
}
