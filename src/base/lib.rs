//! What every part of Diptych stands on: errors, time, files and clocks, bounds.
//!
//! [`io`] is the only way to files, clocks and the system, real or simulated; [`limits`] has every
//! bound in one place; [`error`] says what went wrong, where, and what to do; [`panics`] keeps a
//! panic of a dataflow within what it concerns. Nothing here knows an event, a log or a view.

pub mod error;
pub mod harmless;
#[doc(hidden)]
pub mod hostile;
pub mod io;
pub mod limits;
pub mod panics;
pub mod time;
