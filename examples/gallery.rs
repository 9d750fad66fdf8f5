//! How do I try the gallery? Its dataflows, behind the command line.
//!
//! ```sh
//! cargo run --release --example gallery -- sample fraud --data d
//! cargo run --release --example gallery -- batch fraud --data d
//! cargo run --release --example gallery -- query fraud rings --data d
//! ```
//!
//! The first build takes some minutes: these functions are compiled in the program that uses them.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let all = dataflows::all().into_iter().chain(dataflows::gallery());
    diptych::cli::main_with(all, Some(dataflows::made_up()))
}
