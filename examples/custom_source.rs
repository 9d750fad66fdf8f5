//! How does a source of my own get into the log exactly once? `cargo run --example custom_source`
//!
//! The position of the source is appended with its events, in one frame: both are there, or none.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

use diptych::System;
use diptych::dataflow::Definition;
use diptych::event::EventAppender as _;
use diptych::log::{Append, Writer};
use diptych::prelude::*;
use diptych::serving::Read;
use diptych::system::Cluster;

/// A line `PATH MILLISECONDS` of some program's log.
#[derive(Event, Clone)]
struct Hit {
    path: String,
    ms: i64,
}

/// `hits`: (path) -> the number of hits.
fn hits(df: &mut Dataflow) {
    let hits = df.events::<Hit>("hits").map(|hit| hit.path.to_owned()).count("hits");
    df.view("hits", hits).columns(&["path", "n"]);
}

/// The name of this source in the log.
const SOURCE: &str = "access.log";

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Appends at most `most` lines that are not in the log yet. Gives their number.
fn read_on(file: &Path, writer: &Writer, most: usize) -> Outcome<usize> {
    let from = writer.offsets().get(SOURCE).map_or(Ok(0), |offset| offset.parse::<u64>())?;
    let mut input = BufReader::new(File::open(file)?);
    input.seek(SeekFrom::Start(from))?;
    let (mut rows, mut read, mut upto) = (<Hit as Event>::Appender::default(), 0, from);
    let mut line = String::new();
    // A line without its end is still being written.
    while read < most && input.read_line(&mut line)? > 0 && line.ends_with('\n') {
        let (path, ms) = line.trim_end().split_once(' ').ok_or("a line without a space")?;
        rows.push(&Hit { path: path.to_owned(), ms: ms.parse()? });
        upto += line.len() as u64;
        read += 1;
        line.clear();
    }
    let mut append = Append::rows("hits", rows.finish());
    append.offsets.push((SOURCE.to_owned(), upto.to_string()));
    if read > 0 {
        writer.append(append)?.wait()?;
    }
    println!("bytes {from} to {upto}: {read} lines");
    Ok(read)
}

fn main() -> Outcome<()> {
    let directory = tempfile::tempdir()?;
    let (file, system) = (directory.path().join(SOURCE), System::open(directory.path().join("d")));
    let mut access = OpenOptions::new().create(true).append(true).open(&file)?;
    access.write_all(b"/ 12\n/cart 31\n/ 9\n/cart 8\n/pa")?;
    let writer = system.writer()?;
    read_on(&file, &writer, 3)?;
    drop(writer); // A crash, here or anywhere: what was acknowledged has its position with it.

    let writer = system.writer()?;
    while read_on(&file, &writer, 3)? > 0 {}
    access.write_all(b"id 77\n")?;
    read_on(&file, &writer, 3)?;
    let (upper, hits) = (writer.upper(), Definition::new("hits", hits));
    let index = system.recompute(&hits, upper, Cluster::local(1), true)?;
    for ((path, n), _) in index.snapshot(Read::Latest)?.rows::<String, i64>("hits")? {
        println!("{path}: {n}");
    }
    Ok(())
}
