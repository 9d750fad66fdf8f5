//! The cost of reading a row in place: a million rows of {u64, &str, &str, u32}, every field used.
//!
//! `cargo bench --bench event_rows`

use diptych::event::{Event, EventAppender};
use std::hint::black_box;
use std::time::Instant;

#[derive(Event, Debug, Clone)]
struct Visit {
    id: u64,
    user: String,
    page: String,
    millis: u32,
}

const ROWS: usize = 1_000_000;
const REPEATS: usize = 9;

fn main() {
    let mut appender = <Visit as Event>::Appender::default();
    for row in 0..ROWS {
        appender.push(&Visit {
            id: row as u64,
            user: format!("user-{}", row % 5000),
            page: format!("/a/page/of/about/forty/bytes/{:08}", row % 100_000),
            millis: row as u32 % 977,
        });
    }
    let batch = appender.finish();
    let mut best = f64::MAX;
    for _ in 0..REPEATS {
        let start = Instant::now();
        let columns = Visit::columns(&batch).expect("its own schema");
        let mut sum = 0_u64;
        for index in 0..batch.num_rows() {
            let row = Visit::row(black_box(&columns), index);
            let text = row.user.len() + row.page.len() + usize::from(row.page.as_bytes()[5]);
            sum = sum.wrapping_add(row.id + text as u64 + u64::from(row.millis));
        }
        black_box(sum);
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("borrowed rows: {:.2} ns/row, best of {REPEATS}", best * 1e9 / ROWS as f64);

    let start = Instant::now();
    let columns = Visit::columns(&batch).expect("its own schema");
    let owned: Vec<Visit> =
        (0..ROWS).map(|index| Visit::row(&columns, index).into_event()).collect();
    let elapsed = start.elapsed().as_secs_f64();
    println!("owned structs: {:.2} ns/row", elapsed * 1e9 / ROWS as f64);

    let start = Instant::now();
    for visit in &owned {
        appender.push(visit);
    }
    black_box(appender.finish());
    let elapsed = start.elapsed().as_secs_f64();
    println!("appended:      {:.2} ns/row", elapsed * 1e9 / ROWS as f64);
}
