//! The command line as its users meet it: the built binary, its output, messages and exit codes.

mod answers;
mod binary;
mod processes;
mod refusals;
#[path = "../serving/server.rs"]
#[allow(dead_code, reason = "other tests of servers stop and measure them, too")]
mod server;
mod servers;
