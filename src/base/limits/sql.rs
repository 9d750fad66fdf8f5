//! Bounds of SQL statements and of the engine that runs them.

use std::time::Duration;

/// Bytes of one SQL statement: room for ten thousand texts of a list.
pub const SQL_TEXT_BYTES_MAX: usize = 1 << 20;

/// Words and signs of one SQL statement: each takes some hundred bytes while it is planned, and
/// parsing so many takes some ten milliseconds.
pub const SQL_TOKENS_MAX: usize = 100_000;

/// Operators of one SQL statement that nest one another; planning recurses over them. Values of a
/// list nest nothing, so they do not count.
pub const SQL_OPERATORS_MAX: usize = 1_000;

/// Tables that one SQL statement names, repetitions included; each join nests the ones before it.
pub const SQL_TABLES_MAX: usize = 100;

/// Stack of a thread that plans SQL: statements at the bounds above fit it in a debug build. Only
/// touched pages become memory.
pub const SQL_STACK_BYTES: usize = 64 << 20;

/// SQL statements that run at the same time; others wait for [`SQL_QUEUE_WAIT`].
pub const SQL_STATEMENTS_MAX: usize = 16;

/// How long a statement waits for its turn before it is refused.
pub const SQL_QUEUE_WAIT: Duration = Duration::from_secs(5);

/// How long a SQL statement may run, including the time its client takes to read.
pub const SQL_STATEMENT_TIME: Duration = Duration::from_mins(2);

/// How long `diptych.at_least` waits for its epoch.
pub const SQL_AT_LEAST_WAIT: Duration = Duration::from_secs(10);

/// Custom settings of one session (names with a point, which `PostgreSQL` takes without knowing
/// them).
pub const SQL_CUSTOM_SETTINGS_MAX: usize = 100;

/// Bytes of the values that a session has set, with those that its transaction may return to.
pub const SQL_SETTINGS_BYTES_MAX: usize = 256 << 10;

/// Bytes that all SQL statements together may use for joins, sorts and groups.
pub const SQL_MEMORY_BYTES: usize = 1 << 30;

/// Bytes of views kept as columns for SQL scans, beside the index. A view that would need more
/// than this by itself is read row by row.
pub const SQL_COLUMNS_BYTES: usize = 1 << 30;

/// Rows of one block of columns, and of one record batch of an answer.
pub const SQL_BLOCK_ROWS: usize = 8 << 10;

/// Rows up to which a range of a view is read from the index and not as columns.
pub const SQL_INDEX_ROWS_MAX: usize = 4 << 10;

/// Byte ranges and keys that a statement's conditions may become; wider conditions are checked
/// row by row.
pub const SQL_RANGES_MAX: usize = 4 << 10;

/// Rows of one answer over HTTP.
pub const SQL_HTTP_ROWS_MAX: usize = 10_000_000;

const _: () = {
    assert!(SQL_BLOCK_ROWS.is_multiple_of(64), "a block's rows are whole words of a bit mask");
    assert!(SQL_INDEX_ROWS_MAX <= SQL_BLOCK_ROWS);
    assert!(SQL_QUEUE_WAIT.as_millis() < SQL_STATEMENT_TIME.as_millis());
};
