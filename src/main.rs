//! The `diptych` binary: the built-in dataflows behind the command line.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    diptych::main(diptych::dataflows::all())
}
