//! The cost of encodings for scratch data: a million rows of {u64, String, u32}, written once, read
//! and summed.
//!
//! `cargo bench --bench codecs [--features abomonation]`
//!
//! bincode builds every row anew; abomonation reads its own memory in place (a row has a second
//! u32, because padding does not compile); Arrow is the log's format, read through borrowed rows.

use std::hint::black_box;
use std::time::{Duration, Instant};

use diptych::event::{Event, EventAppender};
use diptych::scratch::{BincodeRows, Scratch};

#[derive(Event, Clone, Debug)]
struct Visit {
    id: u64,
    page: String,
    millis: u32,
}

type Row = (u64, String, u32, u32);

const ROWS: usize = 1_000_000;
const REPEATS: usize = 5;

struct Measured {
    encode: Duration,
    decode: Duration,
    bytes: usize,
    sum: u64,
}

fn rows() -> Vec<Row> {
    let page = |row: usize| format!("/a/page/of/about/forty/bytes/{:08}", row % 100_000);
    (0..ROWS).map(|row| (row as u64, page(row), row as u32 % 977, 0)).collect()
}

fn weigh(id: u64, page: &str, millis: u32) -> u64 {
    let text = page.len() + usize::from(page.as_bytes().last().copied().unwrap_or_default());
    id + text as u64 + u64::from(millis)
}

/// The shortest of several runs, for each part separately.
fn best(mut run: impl FnMut() -> Measured) -> Measured {
    let mut best = run();
    for _ in 1..REPEATS {
        let again = run();
        assert_eq!((best.sum, best.bytes), (again.sum, again.bytes), "runs differ");
        best.encode = best.encode.min(again.encode);
        best.decode = best.decode.min(again.decode);
    }
    best
}

fn scratch<S: Scratch<Row>>() -> Measured {
    let rows = rows();
    let begun = Instant::now();
    let mut block = S::of(black_box(rows));
    let encode = begun.elapsed();
    let (begun, mut sum) = (Instant::now(), 0_u64);
    block.for_each(|(id, page, millis, _)| sum = sum.wrapping_add(weigh(*id, page, *millis)));
    Measured { encode, decode: begun.elapsed(), bytes: block.bytes(), sum }
}

fn arrow() -> Measured {
    let visits = rows().into_iter().map(|(id, page, millis, _)| Visit { id, page, millis });
    let visits: Vec<Visit> = visits.collect();
    let begun = Instant::now();
    let mut appender = <Visit as Event>::Appender::default();
    for visit in black_box(visits) {
        appender.push(&visit);
    }
    let batch = appender.finish();
    let encode = begun.elapsed();
    let (begun, mut sum) = (Instant::now(), 0_u64);
    let columns = Visit::columns(&batch).expect("its own schema");
    for index in 0..batch.num_rows() {
        let row = Visit::row(black_box(&columns), index);
        sum = sum.wrapping_add(weigh(row.id, row.page, row.millis));
    }
    Measured { encode, decode: begun.elapsed(), bytes: batch.get_array_memory_size(), sum }
}

fn main() {
    let mut table = vec![("bincode, owned", best(scratch::<BincodeRows<Row>>))];
    #[cfg(feature = "abomonation")]
    table.push(("abomonation, in place", best(scratch::<diptych::scratch::AbomonationRows<Row>>)));
    table.push(("Arrow, in place", best(arrow)));
    println!("| {ROWS} rows | encode ms | decode and sum ms | MB |");
    println!("|---|---|---|---|");
    for (name, measured) in &table {
        assert_eq!(measured.sum, table[0].1.sum, "{name} read something else");
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let (encode, decode) = (millis(measured.encode), millis(measured.decode));
        println!("| {name} | {encode:.1} | {decode:.1} | {:.0} |", measured.bytes as f64 / 1e6);
    }
}
