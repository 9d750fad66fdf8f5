#![doc = include_str!("README.md")]

mod columns;
mod order;
mod schema;

pub use columns::{Columns, SingleColumn, decode, encode};
pub use schema::{Column, ColumnType, RowSchema, column_name};
