//! Bounds on the clients of a port.

use diptych_base::limits;

/// The most connections of a port, and the longest body of a request.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at one time.
    pub connections: usize,
    /// Bytes in the body of a request.
    pub body: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { connections: limits::CONNECTIONS_MAX, body: limits::BODY_BYTES_MAX }
    }
}
