//! Shapes that are no event, and attributes that are none.
use diptych::Event;

#[derive(Event, Clone)]
struct Tuple(u64);

#[derive(Event, Clone)]
struct Nothing {}

#[derive(Event, Clone)]
struct Generic<T> {
    of: T,
}

#[derive(Event, Clone, Copy)]
enum Loaded {
    Empty,
    Full(u8),
}

#[derive(Event, Clone)]
struct Misspelt {
    #[event(defualt)]
    size: u64,
}

#[derive(Event, Clone)]
struct Reserved {
    #[event(name = "_epoch")]
    epoch: u64,
}

#[derive(Event, Clone)]
struct Taken {
    a: u64,
    #[event(name = "a")]
    b: u64,
}

fn main() {}
