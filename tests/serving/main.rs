//! Tests of the servers, with the built binary and with the library's own parts.

mod appends;
mod asking;
mod framing;
#[path = "../told/hanging.rs"]
mod hanging;
mod hanging_disk;
mod keys;
mod long_keys;
mod metrics;
mod openapi;
mod own_writes;
mod parameters;
mod reachability;
mod reads;
mod rebuilt;
mod recomputed;
mod resume;
mod retracted;
mod server;
mod site;
mod stalled;
mod subscriber;
mod verified;
