//! The Lambda Architecture in one Rust function.

pub mod error;
pub mod limits;
pub mod row;
pub mod serving;
pub mod time;

pub use error::{Error, Result};
pub use time::Epoch;
