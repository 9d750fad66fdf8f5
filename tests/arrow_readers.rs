//! Any Arrow reader opens the sealed segments, so the history can be read without this library.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod logs;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow_array::UInt64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_ipc::reader::FileReader;
use diptych::io::{RealClock, RealDisk};
use diptych::log::{Append, Reader, Writer, WriterOptions, inspect};
use logs::{rows, rows_evolved};

/// Rows per (stream, epoch).
type Counts = BTreeMap<(String, u64), u64>;

fn write_log(dir: &Path) -> Counts {
    let writer =
        Writer::open(Arc::new(RealDisk), Arc::new(RealClock), dir, WriterOptions::default());
    let writer = writer.unwrap();
    let mut counts = Counts::new();
    for n in 0..12u64 {
        let stream = ["tweets", "users", "a-b_c"][n as usize % 3];
        // More than one block of rows in an epoch, and many epochs in a block.
        let len = if n == 3 { 150_000 } else { 10 * n as i64 };
        let events: Vec<_> = (0..len).map(|i| (i, "some text, é")).collect();
        let rows = if n % 4 == 1 { rows_evolved(&events) } else { rows(&events) };
        let epoch = writer.append(Append::rows(stream, rows)).unwrap().wait().unwrap().epoch;
        if len > 0 {
            *counts.entry((stream.to_owned(), epoch)).or_default() += len as u64;
        }
        if n == 6 {
            writer.seal().unwrap();
        }
    }
    assert_eq!(writer.seal().unwrap(), 12);
    writer.close().unwrap();
    counts
}

fn stream_of(name: &str) -> String {
    name.split('.').nth(1).unwrap().to_owned()
}

#[test]
fn the_arrow_crate_reads_sealed_segments() {
    let dir = tempfile::tempdir().unwrap();
    let expected = write_log(dir.path());
    let mut counts = Counts::new();
    for file in inspect::ls(Arc::new(RealDisk), dir.path()).unwrap() {
        if file.kind != "rows" {
            continue;
        }
        let opened = std::fs::File::open(dir.path().join(&file.name)).unwrap();
        for batch in FileReader::try_new(opened, None).unwrap() {
            let batch = batch.unwrap();
            assert!(batch.num_rows() <= 65_536);
            let epochs: &UInt64Array =
                batch.column_by_name("_epoch").unwrap().as_primitive::<UInt64Type>();
            for epoch in epochs.values() {
                *counts.entry((stream_of(&file.name), *epoch)).or_default() += 1;
            }
        }
    }
    assert_eq!(counts, expected);
    let stat = inspect::stat(Arc::new(RealDisk), dir.path()).unwrap();
    assert_eq!((stat.lower, stat.upper, stat.segments, stat.frame_bytes), (0, 12, 2, 0));
    let total: u64 = stat.streams.iter().map(|stream| stream.rows).sum();
    assert_eq!(total, expected.values().sum::<u64>());
    let reader = Reader::open(Arc::new(RealDisk), dir.path()).unwrap();
    let parts = reader.parts(0, 12).unwrap();
    assert_eq!(parts.iter().map(|part| part.rows() as u64).sum::<u64>(), total);
}

#[test]
fn pyarrow_reads_sealed_segments() {
    let script = "\
import sys, glob, os
import pyarrow.ipc as ipc, pyarrow.compute as pc
for path in sorted(glob.glob(os.path.join(sys.argv[1], '*.arrow'))):
    table = ipc.open_file(path).read_all()
    table.validate(full=True)
    for count in pc.value_counts(table['_epoch']).to_pylist():
        print(os.path.basename(path).split('.')[1], count['values'], count['counts'])
";
    let available = Command::new("python3").args(["-c", "import pyarrow"]).output();
    if !available.is_ok_and(|output| output.status.success()) {
        println!("skipped: no python3 with pyarrow (pip install pyarrow)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let expected = write_log(dir.path());
    let output = Command::new("python3").args(["-c", script]).arg(dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut counts = Counts::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let words: Vec<_> = line.split(' ').collect();
        let key = (words[0].to_owned(), words[1].parse().unwrap());
        *counts.entry(key).or_default() += words[2].parse::<u64>().unwrap();
    }
    assert_eq!(counts, expected);
}
