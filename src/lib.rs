//! The Lambda Architecture in one Rust function.

extern crate self as diptych;

pub mod batch_view;
pub mod error;
pub mod event;
pub mod io;
pub mod limits;
pub mod log;
pub mod row;
pub mod serving;
pub mod time;

pub use error::{Error, Result};
pub use event::Event;
pub use time::Epoch;
