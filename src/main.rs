//! The `diptych` binary: the classics among the built-in dataflows behind the command line. The
//! others are the examples `gallery` and `nexmark`: nobody has to wait for the compiler before the
//! demo begins.

// They are a crate of their own, too, which cannot be a dependency of the package it depends on.
#[path = "../dataflows/lib.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "a binary exports nothing: what it does not use is for those of the crate"
)]
mod dataflows;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    diptych::cli::main_with(dataflows::all(), Some(dataflows::made_up()))
}
