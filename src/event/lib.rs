//! Typed events: a plain struct on one side, Arrow record batches on the other.
//!
//! Events are Arrow from ingest on, because decoding rows would cost more than counting them.
//! `#[derive(Event)]` gives a struct a schema, an appender (struct to record batch) and a borrowed
//! row: a `Copy` struct whose fields are read in place from the arrays, so that a `String` is a
//! `&str` into the batch and nothing is allocated.
//!
//! ```
//! use diptych::event::{Event, EventAppender, Timestamp};
//!
//! #[derive(Event, Debug, Clone, PartialEq)]
//! struct Tweet {
//!     at: Timestamp,
//!     content: String,
//!     followers: i64,
//!     region: Option<String>,
//! }
//!
//! # fn main() -> diptych::Result<()> {
//! let tweet = Tweet {
//!     at: "2016-10-01T00:00:00Z".parse()?,
//!     content: "hello #world".into(),
//!     followers: 7,
//!     region: None,
//! };
//! let mut appender = <Tweet as Event>::Appender::default();
//! appender.push(&tweet);
//! let batch = appender.finish();
//!
//! let columns = Tweet::columns(&batch)?;
//! let row = Tweet::row(&columns, 0);
//! let content: &str = row.content;
//! assert_eq!((content, row.followers, row.region), ("hello #world", 7, None));
//! assert_eq!(row.into_event(), tweet);
//! # Ok(())
//! # }
//! ```
//!
//! A field of a type that cannot be stored is refused when the program is compiled:
//! ```compile_fail,E0277
//! #[derive(Clone)]
//! struct Colour(u32); // does not derive Event
//! #[derive(diptych::Event, Clone)]
//! struct Car { colour: Colour }
//! ```
//!
//! # Evolution
//! Columns are found by name, when a record batch is opened ([`Event::columns`]), not per row:
//! - a column that the struct does not have is ignored;
//! - a missing column is `None` for an `Option`, the default under `#[event(default)]` (which also
//!   replaces nulls), and otherwise refused by name;
//! - another type is widened where nothing can be lost (`i32` to `i64`, `f32` to `f64`, `u32` to
//!   `f64`, coarser to finer time, any Arrow form of text to text), given to the function named by
//!   `#[event(upcast = "path")]` when the column has the type that function takes, and otherwise
//!   refused by name, old type and new type.
//!
//! The invariant: once [`Event::columns`] has answered, [`Event::row`] cannot fail for an index
//! below the number of rows.

mod cell_text;
mod column_lookup;
mod column_path;
mod date;
mod decimal;
#[doc(hidden)]
pub mod derived;
mod field;
mod float;
mod list;
mod option;
mod read_rows_as_event;
mod scalar;
mod time_unit;
mod timestamp;
mod unit_enum;
mod widen;
mod widened_array;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

pub use cell_text::cell_text;
pub use date::Date;
pub use decimal::Decimal;
pub use decimal::divided;
pub use decimal::parse as parse_decimal;
pub use diptych_derive::Event;
pub use field::{Field, Item, PlainField};
pub use float::Float;
pub use list::{List, ListIter};
pub use read_rows_as_event::ReadAs;
pub use time_unit::UNIT_KEY;
pub use time_unit::{Unit, is_number};
pub use timestamp::Timestamp;
pub use unit_enum::Variants;

use diptych_base::error::Result;

/// The metadata key under which a column lists the texts that it may hold (a JSON array of
/// strings).
///
/// Written for unit enums, so that an ingest without the Rust type (of a file, over HTTP) can
/// refuse a text of no variant.
pub const VARIANTS_KEY: &str = "diptych:variants";

/// One immutable fact of a stream. Derive it; do not implement it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no event: no stream can hold it",
    label = "not a type that derives Event",
    note = "write `#[derive(Event, Clone, Debug)]` above the struct (`use diptych::Event;`)"
)]
pub trait Event: Sized + Clone + Send + 'static {
    /// One row, borrowed from its columns.
    type Row<'a>: Copy;
    /// The typed arrays of one record batch; a clone shares them.
    type Columns: 'static;
    /// The builder of record batches of this type.
    type Appender: EventAppender<Self>;

    /// The schema of this type's record batches; made once, then shared.
    fn schema() -> SchemaRef;

    /// The columns in which a missing value is read as the default of its type.
    fn defaulted() -> &'static [&'static str] {
        &[]
    }

    /// Opens the columns of `rows` as typed arrays, matched by name (see the module's *Evolution*).
    ///
    /// # Errors
    /// An input error that names the column: when it is missing, has a type that neither widens nor
    /// is upcast, holds a null where the struct has no `Option`, or a text of no variant.
    fn columns(rows: &RecordBatch) -> Result<Self::Columns>;

    /// The row at `index`.
    ///
    /// # Panics
    /// When `index` is not below the number of rows of the record batch.
    fn row(columns: &Self::Columns, index: usize) -> Self::Row<'_>;

    /// Copies the row into a value that owns its data: for tests, naive twins and error messages.
    /// (On a concrete type `row.into_event()` does the same without the ambiguity with `ToOwned`.)
    fn to_owned(row: Self::Row<'_>) -> Self;
}

/// Builds record batches of `E`, row by row.
pub trait EventAppender<E: Event>: Default + Send + 'static {
    /// Appends a copy of `event`.
    fn push(&mut self, event: &E);

    /// Appends a copy of a row of another record batch.
    fn push_row(&mut self, row: E::Row<'_>);

    /// The number of rows appended since the last [`finish`](Self::finish).
    fn len(&self) -> usize;

    /// Whether no rows were appended since the last [`finish`](Self::finish).
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the rows appended so far as a record batch of [`Event::schema`]; the appender is
    /// empty afterwards.
    ///
    /// # Panics
    /// When the text or bytes of one column exceed 2 GiB (Arrow's 32-bit offsets): callers bound
    /// their batches long before.
    fn finish(&mut self) -> RecordBatch;
}
