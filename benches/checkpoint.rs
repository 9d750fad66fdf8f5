//! The cost of a checkpoint when little has changed: `cargo bench --bench checkpoint [-- KEYS]`
//!
//! `word_count` has KEYS words (1,000,000 by default). One in a hundred occurs again, in one epoch,
//! and serving ends, which leaves a batch view. With the state in files that is what has changed,
//! and the files of the batch view before under second names; with the state in memory everything
//! is written. Both are timed from the request to the end until the batch view is durable and the
//! workers have left; the contents of both are compared by digest.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflows::{Line, word_count};
use diptych::System;
use diptych::batch_view::{BatchView, Identity};
use diptych::dataflow::Definition;
use diptych::io::RealDisk;
use diptych::serving::{Digest, IndexOptions};
use diptych::sources::append;
use diptych::system::{BatchOptions, Cluster, RebuildOptions, ServeOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const REPEATS: usize = 5;
const WORDS_OF_A_LINE: usize = 50;
const LINES_OF_AN_EPOCH: usize = 1_000;
/// The target: how many times cheaper the checkpoint of changes is.
const CHEAPER: f64 = 20.0;

fn lines(words: impl Iterator<Item = usize>) -> Vec<Line> {
    let words: Vec<_> = words.map(|word| format!("word-{word:09}")).collect();
    words.chunks(WORDS_OF_A_LINE).map(|some| Line { text: some.join(" ") }).collect()
}

/// A history of `keys` words, each of which occurs once, and its batch view.
fn write(root: &Path, keys: usize) -> diptych::Result<()> {
    let system = System::open(root);
    let writer = system.writer()?;
    for lines in lines(0..keys).chunks(LINES_OF_AN_EPOCH) {
        append(&writer, "lines", lines)?;
    }
    writer.close()?;
    let flow = Definition::new("word_count", word_count);
    let options = BatchOptions { cluster: Cluster::local(2), ..BatchOptions::default() };
    system.batch(&flow, &options).map(drop)
}

/// Changes one key in a hundred, and gives the time that the end of serving took, and the digest of
/// the batch view that it left.
fn checkpoint(
    root: &Path,
    keys: usize,
    repeat: usize,
    in_files: bool,
) -> diptych::Result<(Duration, Digest)> {
    let system = System::open(root);
    let writer = system.writer()?;
    let flow = Definition::new("word_count", word_count);
    let index = IndexOptions { views_in_files: in_files, ..IndexOptions::default() };
    let options = ServeOptions::default().cluster(Cluster::local(2)).writer(&writer).index(index);
    let served = system.serve(std::slice::from_ref(&flow), options)?;
    let mut last = 0;
    for lines in lines((0..keys / 100).map(|n| n * 100 + repeat)).chunks(LINES_OF_AN_EPOCH) {
        last = append(&writer, "lines", lines)?;
    }
    served.index("word_count")?.wait_beyond(last, Duration::from_mins(10));
    // As a server does, files are checked in the background after the start: how far that is cannot
    // be observed, and it takes about as long as reading them.
    let definitions = std::slice::from_ref(&flow);
    let rebuilds =
        system.rebuild_under_readers(&served, definitions, RebuildOptions::default(), |_| ())?;
    std::thread::sleep(Duration::from_secs(1) + Duration::from_micros(keys as u64));
    drop(rebuilds);
    let begun = Instant::now();
    let made = system.conclude(served)?;
    let took = begun.elapsed();
    writer.close()?;
    let identity = Identity::new("word_count", flow.describe()?.version);
    let view = BatchView::open(Arc::new(RealDisk), root, &identity, made[0].boundary)?;
    view.verify()?;
    Ok((took, view.digest()))
}

fn run(keys: usize) -> diptych::Result<bool> {
    println!("{keys} words, one in a hundred changed; seconds");
    println!("{:>7} {:>9} {:>9} {:>7}", "", "changes", "all", "ratio");
    let places = [true, false].map(|in_files| {
        let place = tempfile::tempdir().unwrap_or_else(|error| panic!("a directory: {error}"));
        (in_files, place)
    });
    for (_, place) in &places {
        write(place.path(), keys)?;
    }
    let mut ratios = Vec::new();
    for repeat in 0..REPEATS {
        let mut took = Vec::new();
        let mut digests = Vec::new();
        for (in_files, place) in &places {
            let (time, digest) = checkpoint(place.path(), keys, repeat, *in_files)?;
            took.push(time.as_secs_f64());
            digests.push(digest);
        }
        assert_eq!(digests[0], digests[1], "the contents differ");
        ratios.push(took[1] / took[0]);
        let (changes, all) = (took[0], took[1]);
        println!("{repeat:>7} {changes:>9.3} {all:>9.3} {:>7.1}", all / changes);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[REPEATS / 2];
    println!("median: {median:.1} times cheaper; the target is {CHEAPER}");
    Ok(median >= CHEAPER)
}

fn main() -> ExitCode {
    let keys = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    match run(keys) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
