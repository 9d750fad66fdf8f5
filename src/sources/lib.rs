//! From the outside into the log.
//!
//! [`ingest`] puts CSV and NDJSON files (also compressed, also standard input) into a stream, and
//! holds three things:
//!
//! - **Nothing is guessed or rounded.** Each value is read by the type its column declares, from
//!   the text as it stands; what is no such value is refused with file, line, column and text.
//!   (This is why values are not read through arrow-csv and arrow-json: they say neither line nor
//!   column, and round numbers that do not fit.)
//! - **All or nothing** (unless told to skip): every file is read to its end and checked before
//!   the first event is appended. Memory stays bounded whatever the size of the file, because it is
//!   read twice rather than kept.
//! - **Exactly once.** A file is cut into chunks by its text alone, the digest of that text names
//!   the producer, and chunk `k` is its request `k`. So running an ingest again, after a kill or
//!   by mistake, appends what is missing and nothing else. A file that changes between the two
//!   readings is noticed before the changed chunk is appended.
//!
//! - **Never twice in silence.** The log remembers the last files of each stream: path, length, the
//!   digests of what they begin with, and which of their records were skipped. A file that has
//!   grown since, or in which skipped records were mended, is refused with both remedies: to append
//!   the rest, or all of it ([`OnKnown`]). So is the second of two equal files. What is known of a
//!   file is its beginning: of two that overlap otherwise nothing is noticed.
//!
//! # What a file may say
//! Columns are matched by name, in any order; columns the stream does not have are ignored.
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
//! A number alone is no time, because nobody can tell what it counts; a field with
//! `#[event(unit = "ms")]` says it, and takes numbers that lie in the years 0 to 9999. A file whose
//! times all lie in January 1970 is in another unit more often than not: the report names the
//! column.
//!
//! In JSON a number may also be a string. An empty CSV cell is null where the column allows it,
//! the empty text in a column of text, and else an error; so is a key missing in a JSON object.

mod bad_record;
mod body;
mod column_writers;
mod compression;
mod csv;
mod decide;
mod envelope;
mod file;
mod follow;
mod hostile;
mod ingest;
mod january;
mod known;
mod lines;
mod nested;
mod open_input;
mod options;
mod positions;
mod predicate;
mod prefixes;
mod same;
mod select;
mod sink;
mod typed;
mod unknown;

pub use body::{Parsed, Spelling, parse};
pub use envelope::parse_streams;
pub use follow::follow;
pub use hostile::hostile;
pub use ingest::ingest;
pub use options::{FileReport, Format, IngestOptions, OnError, OnKnown, Phase, Progress, Report};
pub use predicate::Conditions;
pub use select::{choose, texts};
pub use sink::AppendTo;
pub use typed::append;
pub use unknown::OnUnknown;
