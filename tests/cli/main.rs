//! Tests of the command line: the built binary, its output, messages and exit codes.

mod answers;
mod binary;
mod processes;
mod refusals;
mod retract;
mod sample;
#[path = "../serving/server.rs"]
mod server;
mod servers;
mod stopped;
