#![doc = include_str!("README.md")]

mod columns;
mod order;
mod range;
mod schema;

pub use columns::{Columns, SingleColumn, decode, encode};
pub use range::ByteRange;
pub use schema::{Column, ColumnType, RowSchema, column_name};
