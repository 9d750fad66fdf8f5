//! The gallery: each dataflow keeps the law on random histories, and says what its naive twin says
//! at every epoch of a made-up run.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod baskets;
mod clickstream;
mod each_epoch;
mod extremes;
mod follow;
mod fraud;
mod inventory;
mod iot;
mod k_core;
mod order_book;
mod recommendations;
mod retail;
#[path = "../scale/mod.rs"]
mod scale;
mod taken_away;
