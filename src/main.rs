//! The `diptych` binary: the built-in dataflows behind the command line.
fn main() {}
