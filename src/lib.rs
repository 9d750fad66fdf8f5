//! The Lambda Architecture in one Rust function.

pub mod error;
pub mod io;
pub mod limits;
pub mod log;
pub mod time;

pub use error::{Error, Result};
pub use time::Epoch;
