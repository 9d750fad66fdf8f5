//! The `diptych` binary: the built-in dataflows behind the command line.

use diptych::dataflows;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    diptych::main(dataflows::all().into_iter().chain(dataflows::nexmark::all()))
}
