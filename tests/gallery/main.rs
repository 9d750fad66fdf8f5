//! The gallery's dataflows: the law on random histories, and every view against a naive program,
//! at every epoch of a drawn run.

#[path = "../scale/mod.rs"]
mod scale;

mod clickstream;
mod follow;
mod fraud;
mod recommendations;
