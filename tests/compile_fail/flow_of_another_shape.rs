//! A dataflow is a function of `&mut Dataflow`.
use diptych::Dataflow;
use diptych::dataflow::Definition;

fn by_value(_: Dataflow) {}

fn gives_something(_: &mut Dataflow) -> usize {
    7
}

fn main() -> std::process::ExitCode {
    Definition::new("by_value", by_value);
    diptych::main(diptych::flows![gives_something])
}
