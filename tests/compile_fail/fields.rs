//! Types that can be told from their spelling: the message names the field and the allowed types.
use diptych::Event;
use std::collections::HashMap;

#[derive(Event, Clone)]
struct Map {
    id: u64,
    tags: HashMap<String, u32>,
}

#[derive(Event, Clone)]
struct Size {
    size: Option<usize>,
}

#[derive(Event, Clone)]
struct Borrowed {
    text: &'static str,
}

#[derive(Event, Clone)]
struct Pair {
    pair: Vec<(u8, u8)>,
}

#[derive(Event, Clone)]
struct Twice {
    twice: Option<Option<u8>>,
}

#[derive(Event, Clone)]
struct Unit {
    #[event(unit = "ms")]
    n: Option<i64>,
}

#[derive(Event, Clone)]
struct Wrong {
    #[event(unit = "days")]
    at: Vec<diptych::event::Timestamp>,
}

fn main() {}
