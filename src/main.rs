//! The `diptych` binary: the classics among the built-in dataflows behind the command line. The
//! others are the examples `gallery` and `nexmark`: nobody has to wait for the compiler before the
//! demo begins.

use diptych::dataflows;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    diptych::main(dataflows::all())
}
