//! How do I try Nexmark's queries? All of them over one log, behind the command line.
//!
//! ```sh
//! cargo run --release --example nexmark -- sample nexmark --data d
//! cargo run --release --example nexmark -- batch nexmark_q4 nexmark_q8 --data d
//! cargo run --release --example nexmark -- query nexmark_q4 prices --data d
//! ```

use std::process::ExitCode;

use dataflows::nexmark;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    diptych::cli::main_with(nexmark::all(), Some(dataflows::made_up()))
}
