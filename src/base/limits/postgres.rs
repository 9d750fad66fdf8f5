//! Bounds of the Postgres port.

use std::time::Duration;

/// Connections on the Postgres port; more are refused with 53300.
pub const PG_CONNECTIONS_MAX: usize = 256;

/// How long a connection on the Postgres port may take for its start-up, up to its first statement.
pub const PG_STARTUP_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of one message from a client on the Postgres port: a statement, or its parameters, of
/// which one may have 16 MiB. Longer messages are thrown away as they come, and refused.
pub const PG_MESSAGE_BYTES_MAX: usize = 17 << 20;

/// How long the rest of a partly received message may take.
pub const PG_MESSAGE_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a client on the Postgres port may be silent, unless its session sets another time.
pub const PG_IDLE_MAX: Duration = Duration::from_hours(1);

/// Bytes of answers that are gathered before they are sent.
pub const PG_OUTPUT_BYTES: usize = 64 << 10;

/// How long a client may take to read the bytes that were sent.
pub const PG_WRITE_TIMEOUT: Duration = Duration::from_mins(1);

/// Prepared statements of one connection.
pub const PG_STATEMENTS_MAX: usize = 1_000;

/// Bytes of the texts of one connection's prepared statements.
pub const PG_STATEMENT_BYTES_MAX: usize = 4 << 20;

/// Open portals and cursors of one connection.
pub const PG_PORTALS_MAX: usize = 100;

/// Bytes of rows that one SCROLL cursor keeps to go backward.
pub const PG_CURSOR_BYTES_MAX: usize = 64 << 20;

/// Bytes of rows that a cursor WITH HOLD reads ahead, so that its statement ends.
pub const PG_HELD_CURSOR_BYTES: usize = 8 << 20;

/// Savepoints of one transaction.
pub const PG_SAVEPOINTS_MAX: usize = 1_000;
