//! The Lambda Architecture in one Rust function.

extern crate self as diptych;

pub mod error;
pub mod event;
pub mod io;
pub mod limits;
pub mod log;
pub mod sources;
pub mod time;

pub use error::{Error, Result};
pub use event::Event;
pub use time::Epoch;
