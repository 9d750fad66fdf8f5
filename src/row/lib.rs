#![doc = include_str!("README.md")]
//! # In Rust
//!
//! [`Columns`] is the typed interface; [`RowSchema`] and [`Datum`] work with the schema alone:
//!
//! ```
//! use diptych::row::{self, RowSchema};
//! let schema = RowSchema::of::<(u64, String), i64>().named(&["hour", "tag", "n"])?;
//! let key = row::encode(&(7u64, "rust".to_string()));
//! let value = row::encode(&3i64);
//! let json = schema.json(&key, &value)?;
//! assert_eq!(serde_json::Value::from(json).to_string(), r#"{"hour":7,"tag":"rust","n":3}"#);
//! assert_eq!(schema.parse_key(&["7", "rust"])?, key);
//! assert!(schema.text_range(&["7"], "ru")?.contains(&key));
//! # Ok::<(), diptych::Error>(())
//! ```

mod accumulation_entries;
mod arrays;
mod columns_trait;
mod datum;
mod digest;
mod format_decimal;
mod fuzz_targets;
mod json;
mod key_text;
mod order_codec;
mod parse;
mod range;
mod schema;
mod untyped_rows;

pub use accumulation_entries::{
    AccumulationPiece, EntryBefore, StoredAccumulation, StoredPartial, places_of,
};
pub use arrays::{RowArrays, arrow_schema};
pub use columns_trait::{Columns, SingleColumn, decode, encode};
pub use datum::Datum;
pub use digest::Digest;
pub use diptych_derive::Columns;
pub use fuzz_targets::hostile;
pub use json::write_text;
pub use range::ByteRange;
pub use schema::{Column, ColumnType, RowSchema, ViewInfo, column_name};
