//! The Lambda Architecture in one Rust function.

extern crate self as diptych;

pub mod dataflow;
#[path = "../dataflows/mod.rs"]
pub mod dataflows;
pub mod engine;
pub mod error;
pub mod event;
pub mod io;
pub mod limits;
pub mod log;
pub mod row;
pub mod serving;
pub mod speed;
pub mod time;

pub use dataflow::{
    Collection, CollectionExt, Dataflow, Definition, Events, Front, Keyed, Monoid, PairsExt,
    Summand,
};
pub use error::{Error, Result};
pub use event::{Date, Decimal, Event, Timestamp};
pub use time::Epoch;
mod tmp_columns;
