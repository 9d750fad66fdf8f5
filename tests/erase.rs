//! Erased events are gone from history, from everything derived from it, and from the disk; the
//! rest equals a history that never had them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "erase/derived.rs"]
mod derived;
#[path = "erase/history.rs"]
mod history;
mod logs;
#[path = "erase/typed.rs"]
mod typed;
