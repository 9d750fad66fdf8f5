//! The `diptych` binary: the built-in dataflows behind the command line.

use diptych::dataflows;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let flows = dataflows::all().into_iter().chain(dataflows::gallery());
    diptych::main(flows.chain(dataflows::nexmark::all()))
}
