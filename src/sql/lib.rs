#![doc = include_str!("README.md")]
//! # In Rust
//!
//! One [`Engine`] per site; a [`Session`] per connection or request; a [`Prepared`] statement is
//! executed any number of times, each time at the epoch of that moment. Without the feature the
//! same types exist and every statement is refused with the remedy.

#[cfg(feature = "sql")]
mod access_path;
#[cfg(feature = "sql")]
mod adjacent_literals;
mod answer;
#[cfg(feature = "sql")]
mod cancellation;
#[cfg(feature = "sql")]
mod catalog;
#[cfg(feature = "sql")]
mod column_cache;
#[cfg(feature = "sql")]
mod column_names;
#[cfg(feature = "sql")]
mod columnar_snapshot;
#[cfg(all(test, feature = "sql"))]
mod columnar_tests;
#[cfg(feature = "sql")]
mod df_error;
#[cfg(feature = "sql")]
mod engine;
mod error;
#[cfg(feature = "sql")]
mod flow_snapshot;
#[cfg(feature = "sql")]
mod index_rows;
mod known_settings;
#[cfg(feature = "sql")]
mod make_record_batch;
#[cfg(feature = "sql")]
mod nesting;
#[cfg(not(feature = "sql"))]
#[expect(clippy::unused_async, reason = "the interface of what is there with the feature")]
mod no_sql_stub;
#[cfg(feature = "sql")]
mod parameter_casts;
#[cfg(feature = "sql")]
mod parameter_functions;
#[cfg(feature = "sql")]
mod parameters;
#[cfg(feature = "sql")]
mod postgres;
#[cfg(feature = "sql")]
mod prepared;
#[cfg(feature = "sql")]
mod session;
#[cfg(feature = "sql")]
mod session_functions;
mod settings;
#[cfg(feature = "sql")]
mod spawn_abortable;
#[cfg(feature = "sql")]
mod statement_epochs;
#[cfg(feature = "sql")]
mod statement_parser;
#[cfg(feature = "sql")]
mod stream_table;
#[cfg(feature = "sql")]
mod tables_of_plan;
#[cfg(feature = "sql")]
mod tx_snapshots;
pub mod value_text;
#[cfg(feature = "sql")]
mod view_scan;
#[cfg(feature = "sql")]
mod view_table;

/// The key of a field's metadata that names a type of `PostgreSQL` which has no columns of its own.
pub const TYPE_KEY: &str = "pg_type";

pub use answer::{Notices, ReadAt};
#[cfg(feature = "sql")]
pub use column_names::folded;
pub use error::SqlError;
pub use known_settings::SERVER_VERSION;
pub use settings::{SettingScope, Settings, SettingsMark, ShownSetting};

#[cfg(feature = "sql")]
pub use datafusion::common::ScalarValue;
#[cfg(feature = "sql")]
pub use engine::Engine;
#[cfg(not(feature = "sql"))]
pub use no_sql_stub::{
    NoEngine as Engine, NoPrepared as Prepared, NoSession as Session, ScalarValue,
};
#[cfg(feature = "sql")]
pub use postgres::{PostgresDialect, texts_of};
#[cfg(feature = "sql")]
pub use prepared::{PlanningHints, Prepared};
#[cfg(feature = "sql")]
pub use session::Session;
