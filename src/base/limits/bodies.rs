//! Bounds of the memory that a request may hold, and of the content of its body.

use std::time::Duration;

use super::{BODY_BYTES_MAX, BODY_RATE_MIN, CONNECTIONS_MAX, HEAD_BYTES_MAX, PG_MESSAGE_BYTES_MAX};

/// Bytes that all requests together may hold until they are in the log or answered: bodies as
/// received and as decoded, their rows, long heads, messages and prepared statements on the
/// Postgres port. A request that finds no room is refused with a time to retry. Where larger bodies
/// are allowed than by default (`--max-body`), the bound is at least twice such a body and
/// [`BODY_WINDOWS_BYTES_MAX`].
pub const BODIES_BYTES_MAX: usize = 48 << 20;

/// Bytes that decoding a body takes beside the decoded body.
pub const BODY_WINDOWS_BYTES_MAX: usize = BODY_CODINGS_MAX << ZSTD_WINDOW_LOG_MAX;

/// Bytes by which the memory of a body grows.
pub const BODY_PIECE_BYTES: usize = 32 << 10;

/// Bytes of a request's head, complete or not, that are exempt from the bound of all requests:
/// reads go on when there is no room for bodies.
pub const HEAD_BYTES_FREE: usize = 4 << 10;

/// Bytes that are read from a connection of HTTP/1.1 at once: room for a head.
pub const HTTP1_BUFFER_BYTES: usize = 40 << 10;

/// Unread bytes of one HTTP/2 stream that may be in flight.
pub const HTTP2_STREAM_BYTES: u32 = 64 << 10;

/// Unread bytes of one HTTP/2 connection that may be in flight.
pub const HTTP2_CONNECTION_BYTES: u32 = 256 << 10;

/// How long a body may take for the next [`BODY_WINDOW_BYTES`], and how long it may be silent.
pub const BODY_WINDOW: Duration = Duration::from_secs(10);

/// Bytes of a body that must arrive in each [`BODY_WINDOW`]: slower than any modem in use. Each
/// window is counted by itself, so that a fast start does not allow a slow rest.
pub const BODY_WINDOW_BYTES: u64 = BODY_RATE_MIN * BODY_WINDOW.as_secs();

/// Bodies of more than [`APPEND_INLINE_BYTES`](super::APPEND_INLINE_BYTES) that are parsed at
/// once: their rows may have [`APPEND_BYTES_MAX`] each.
pub const BODIES_PARSED_MAX: usize = 2;

const _: () = {
    assert!(
        HEAD_BYTES_FREE * CONNECTIONS_MAX <= BODIES_BYTES_MAX,
        "free heads are the lesser part"
    );
    assert!(HEAD_BYTES_MAX < HTTP1_BUFFER_BYTES, "a head fits the buffer");
    assert!(PG_MESSAGE_BYTES_MAX < BODIES_BYTES_MAX);
    assert!(
        2 * BODY_BYTES_MAX as usize + BODY_WINDOWS_BYTES_MAX <= BODIES_BYTES_MAX,
        "a body fits compressed and not"
    );
    assert!(HTTP2_STREAM_BYTES <= HTTP2_CONNECTION_BYTES);
};

/// Compressed bodies that are decoded at once.
pub const BODIES_DECODED_MAX: usize = 4;

/// Codings of one body, one upon the other: clients apply one, a proxy perhaps another.
pub const BODY_CODINGS_MAX: usize = 2;

/// Logarithm of the window that zstd may use: 8 MiB (RFC 9659).
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Names of unknown members, and of missing columns, that an answer lists.
pub const UNKNOWN_NAMES_MAX: usize = 20;

/// One address may hold one in so many of a port's connections; this machine's own clients may hold
/// all of them.
pub const PLACES_OF_ONE_PART: usize = 2;

/// Connections beyond those of a port that are accepted for probes when all others have requests
/// running.
pub const PROBE_PLACES: usize = 16;

/// How long a connection must have been idle before it is closed in favour of a new one.
pub const IDLE_GIVES_WAY: Duration = Duration::from_secs(1);

/// The same on the Postgres port, where a session is worth more.
pub const PG_IDLE_GIVES_WAY: Duration = Duration::from_secs(10);
