//! The foundation of every Diptych crate: errors, time, files and clocks, bounds.
//!
//! [`io`] is the only way to files, clocks and the system, real or simulated; [`limits`] has every
//! bound in one place; [`error`] reports the failure, its place and the remedy; [`panics`] confines
//! a panic to the dataflow that caused it. This crate does not know events, the log or views.

pub mod error;
pub mod escaped_text;
#[doc(hidden)]
pub mod fuzz_target;
pub mod hash_buckets;
pub mod io;
pub mod limits;
pub mod lock_mutex;
pub mod panics;
pub mod time;
