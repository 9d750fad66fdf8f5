//! What is no row of a view: the message names the field and the allowed types.
use diptych::row::Columns;
use std::collections::BTreeMap;

#[derive(Columns)]
struct Map {
    tags: BTreeMap<String, u32>,
}

#[derive(Columns)]
struct Wide {
    size: Option<u128>,
}

#[derive(Columns)]
struct List {
    items: Vec<u64>,
}

#[derive(Columns)]
struct Borrowed {
    text: &'static str,
}

#[derive(Columns)]
struct Twice {
    twice: (u8, Option<Option<u8>>),
}

struct Colour(u32);

#[derive(Columns)]
struct Car {
    colour: Colour,
}

#[derive(Columns)]
struct Inner {
    a: u8,
}

#[derive(Columns)]
struct Perhaps {
    inner: Option<Inner>,
}

#[derive(Columns)]
struct Tuple(u64);

#[derive(Columns)]
struct Nothing {}

#[derive(Columns)]
struct Generic<T> {
    of: T,
}

#[derive(Columns)]
enum Choice {
    A,
}

#[derive(Columns)]
struct Taken {
    a: u64,
    #[columns(name = "a")]
    b: u64,
}

#[derive(Columns)]
struct Misspelt {
    #[columns(nmae = "b")]
    a: u64,
}

fn main() {}
