//! The Lambda Architecture in one Rust function.

extern crate self as diptych;

pub mod batch;
pub mod batch_view;
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
mod speed;
mod system;
pub mod sources;
pub mod time;

pub use batch::BatchReport;
pub use dataflow::{
    Collection, CollectionExt, Dataflow, Definition, Description, Events, Front, Keyed, Monoid,
    PairsExt, Summand,
};
pub use engine::{Cluster, Progress};
pub use error::{Error, Result};
pub use event::{Date, Decimal, Event, Timestamp};
pub use system::{BatchOptions, Boundary, ServeOptions, Served, System};
pub use time::Epoch;
