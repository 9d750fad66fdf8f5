#![doc = include_str!("README.md")]
//! # In Rust
//!
//! One [`Engine`] per site; a [`Session`] per connection or request; a [`Prepared`] statement is
//! executed any number of times, each time at the epoch of that moment.

#![cfg(feature = "sql")]

mod access_path;
mod adjacent_literals;
mod answer;
mod cancellation;
mod catalog;
#[cfg(test)]
mod cell_text_tests;
mod column_cache;
mod column_names;
mod columnar_snapshot;
#[cfg(test)]
mod columnar_tests;
mod df_error;
mod engine;
mod error;
mod flow_snapshot;
mod index_rows;
mod known_settings;
mod make_record_batch;
mod nesting;
mod parameter_casts;
mod parameter_functions;
mod parameters;
mod postgres;
mod prepared;
mod session;
mod session_functions;
mod settings;
mod spawn_abortable;
mod statement_epochs;
mod statement_parser;
mod stream_table;
mod tables_of_plan;
mod tx_snapshots;
pub mod value_text;
mod view_scan;
mod view_table;

/// The key of a field's metadata that names a type of `PostgreSQL` which has no columns of its own.
pub const TYPE_KEY: &str = "pg_type";

pub use answer::{Notices, ReadAt};
pub use column_names::folded;
pub use error::SqlError;
pub use known_settings::SERVER_VERSION;
pub use settings::{SettingScope, Settings, SettingsMark, ShownSetting};

pub use datafusion::common::ScalarValue;
pub use engine::Engine;
pub use postgres::{PostgresDialect, texts_of};
pub use prepared::{PlanningHints, Prepared};
pub use session::Session;
