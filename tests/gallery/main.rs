//! Tests of the gallery: each dataflow keeps the law on random histories and on a made-up one, and
//! equals its naive twin at every epoch of a made-up run; for some, events are retracted.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod baskets;
mod clickstream;
mod drawn;
mod extremes;
mod follow;
mod fraud;
mod inventory;
mod iot;
mod k_core;
mod order_book;
mod recommendations;
mod retail;
mod samples;
#[path = "../scale/mod.rs"]
mod scale;
mod taken_away;
mod taken_back;
