//! The naive twins: the meaning of each dataflow, in plain Rust over plain maps.
//!
//! A twin shares nothing with the library but the event structs. It sees a list of facts and
//! computes every view from scratch by brute force, in the most obvious way; it knows no epochs, no
//! workers and no increments. Rows are compared as bytes, which [`Value::put`] writes after the
//! format in `src/row/README.md`, not with the library's encoder.
//!
//! ```text
//! generate ─► History (facts by epoch) ─┬─► twins  ─► Answer ─┐
//!                                       └─► System ─► Index ──┴─► equal bytes, at every epoch
//! ```
#![allow(dead_code, unused_imports, reason = "each test binary uses a part of this module")]

pub(crate) mod cases;
pub(crate) mod facts;
pub(crate) mod generate;
pub(crate) mod program;
mod program_draw;
pub(crate) mod program_strategy;
mod program_twin;
#[path = "../scale/mod.rs"]
mod scale;
pub(crate) mod text;
pub(crate) mod twins;
pub(crate) mod value;

pub(crate) use cases::cases;
pub(crate) use facts::{Fact, History, batches};
pub(crate) use program::Program;
pub(crate) use scale::{is_long, scaled};
pub(crate) use value::{Answer, ByteRows, Rows, Value, bytes_of};
