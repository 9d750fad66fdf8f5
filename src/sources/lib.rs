//! Sources: read files, pipes and request bodies, and append their records to the log.
//!
//! [`ingest`] appends CSV and NDJSON files (also compressed, also standard input) to a stream,
//! under four guarantees:
//!
//! - **Nothing is guessed or rounded.** Each value is parsed from its text by the type of its
//!   column; a text that is no such value is refused with file, line, column and text. (This is why
//!   values are not read through arrow-csv and arrow-json: they report neither line nor column, and
//!   round numbers that do not fit.)
//! - **All or nothing** (unless told to skip): every file is read to its end and checked before the
//!   first event is appended. Memory stays bounded whatever the size of the file, because it is
//!   read twice rather than kept.
//! - **Exactly once.** A file is cut into chunks by its text alone, the digest of that text names
//!   the producer, and chunk `k` is its request `k`. So running an ingest again, after a kill or by
//!   mistake, appends what is missing and nothing else. A file that changes between the two
//!   readings is noticed before the changed chunk is appended.
//! - **Never twice in silence.** The log remembers the last files of each stream: path, length, the
//!   digests of their beginnings, and their skipped records. A file that has grown since, or in
//!   which skipped records were corrected, is refused with both remedies: to append the rest, or
//!   all of it ([`OnKnown`]). So is the second of two equal files. Files are compared from their
//!   beginning: another overlap of two files is not noticed.
//!
//! # Accepted values
//! Columns are matched by name, in any order; columns that the stream does not have are ignored.
//!
//! | column type | accepted |
//! |---|---|
//! | integers | digits with a sign, in range; `17850.0` counts as whole |
//! | floats | decimal or scientific notation |
//! | decimals | as many digits behind the point as the column has, or fewer |
//! | booleans | `true`, `false`, `t`, `f`, `1`, `0` in any case |
//! | text | any UTF-8; in JSON a string |
//! | unit enums | the name of a variant |
//! | times | RFC 3339, `2016-10-01 09:26[:31[.5]]` (UTC), `1475313991 s` (or `ms`, `us`, `ns`) |
//! | days | `2016-10-01`, `20161001`, `17075 days` since 1970 |
//! | bytes | hexadecimal digits |
//! | lists, structs | JSON (in a CSV cell too) |
//!
//! A number alone is not accepted as a time, because its unit is unknown; a field with
//! `#[event(unit = "ms")]` declares the unit, and takes numbers that lie in the years 0 to 9999. A
//! file whose times all lie in January 1970 usually has another unit: the report names the column.
//!
//! In JSON a number may also be a string. An empty CSV cell is null where the column allows it, the
//! empty text in a column of text, and otherwise an error; so is a missing key in a JSON object.

mod append_events;
mod bad_record;
mod column_writers;
mod compression;
mod csv;
mod decide_new_records;
mod file_prefix_digests;
mod file_reader;
mod follow_pipe;
mod fuzz_targets;
mod ingest;
mod ingest_options;
mod known_files;
mod lines;
mod nested_column_writers;
mod open_input;
mod parse_body;
mod parse_multi_stream_body;
mod predicate;
mod record_number_set;
mod select_events;
mod sink;
mod unmatched_fields;
mod value_equality;
mod wrong_time_unit;

pub use append_events::append;
pub use follow_pipe::follow;
pub use fuzz_targets::hostile;
pub use ingest::ingest;
pub use ingest_options::{
    FileReport, Format, IngestOptions, IngestProgress, OnError, OnKnown, Phase, Report,
};
pub use parse_body::{Parsed, Spelling, parse};
pub use parse_multi_stream_body::parse_streams;
pub use predicate::Conditions;
pub use select_events::{choose, texts};
pub use sink::AppendTo;
pub use unmatched_fields::OnUnknown;
