//! SQL over views and streams: DataFusion over the index, behind the feature `sql`.
//!
//! One [`Engine`] per [`Site`]; a [`Session`] per connection or request; a [`Prepared`] statement
//! is executed any number of times, each time at the epoch of that moment, and gives an [`Answer`]
//! that says which epochs it is about. All of it is read only.
//!
//! Without the feature the same types exist and every statement is refused with the remedy.

mod answer;
mod error;

#[cfg(not(feature = "sql"))]
mod absent;
#[cfg(feature = "sql")]
mod engine;

pub(in crate::servers) use answer::{Answer, Notices, ReadAt};
pub(in crate::servers) use error::SqlError;

#[cfg(not(feature = "sql"))]
pub(in crate::servers) use absent::{Engine, Prepared, ScalarValue, Session};
#[cfg(feature = "sql")]
pub(in crate::servers) use datafusion::common::ScalarValue;
#[cfg(feature = "sql")]
pub(in crate::servers) use engine::{Engine, Prepared, Session};
