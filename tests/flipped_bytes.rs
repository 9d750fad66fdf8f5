//! A flipped byte in any file of the log's segments or of a batch view is named by `verify` or
//! refused at open, with the file's name.

mod scale;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use dataflows::Line;
use diptych::event::EventAppender as _;
use diptych::io::{Random, RealClock, SimRandom};
use diptych::log::{Append, Pending, WriterOptions};
use diptych::{Event, System};

const EPOCHS: usize = 6;

fn diptych(data: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diptych"));
    command.args(line.split_whitespace()).arg("--data").arg(data);
    command.output().expect("the binary runs")
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// A log of three segments, and two batch views.
fn fill(data: &Path) {
    let system = System::open(data);
    // All but the last producer are in a file of silent ones.
    let options = WriterOptions { named_producers: 1, ..WriterOptions::default() };
    let writer = system.writer_with(Arc::new(RealClock), options).expect("a writer");
    for epoch in 0..EPOCHS {
        let line = |n: usize| Line { text: format!("word{} common {}", n % 97, epoch * n) };
        let mut rows = <Line as Event>::Appender::default();
        (0..200).for_each(|n| rows.push(&line(n)));
        let request = Append::rows("lines", rows.finish()).by(format!("producer {epoch}"), 0);
        writer.append(request).and_then(Pending::wait).expect("appended");
        if epoch == 2 {
            let reader = system.reader().expect("a reader");
            let first =
                |chunk: &diptych::log::Chunk| Ok((0..chunk.len()).map(|n| Some(n < 3)).collect());
            let found = reader.find("lines", 1..2, first).expect("found");
            let pending = writer.retract(&found, "wrong", Append::default());
            pending.and_then(Pending::wait).expect("retracted");
        }
        if epoch % 2 == 1 {
            writer.seal().expect("sealed");
        }
    }
    writer.close().expect("closed");
    for run in ["batch word_count --upto 4 -w 2", "batch word_count"] {
        let made = diptych(data, run);
        assert!(made.status.success(), "{}", said(&made));
    }
    let verified = diptych(data, "verify word_count");
    assert!(verified.status.success(), "{}", said(&verified));
}

/// The files of segments and of batch views, by kind.
fn files(data: &Path) -> Vec<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    let kinds = [
        ".accumulation.",
        ".view.",
        ".manifest",
        ".arrow",
        ".epochs",
        ".state",
        ".silent",
        ".retractions",
    ];
    let of = |kind: &&str| {
        let is = |path: &&PathBuf| path.to_string_lossy().contains(*kind);
        let some: Vec<_> = found.iter().filter(is).cloned().collect();
        assert!(!some.is_empty(), "no {kind} in {found:?}");
        some
    };
    kinds.iter().map(of).collect()
}

#[test]
fn a_flipped_byte_is_named() {
    let seed = std::env::var("DIPTYCH_SEED").ok();
    let seed: u64 = seed.map_or(0, |text| text.parse().expect("DIPTYCH_SEED is a number"));
    println!("DIPTYCH_SEED={seed} repeats it");
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("D");
    fill(&data);
    let files = files(&data);
    let random = SimRandom::new(seed);
    let below = |most: usize| (random.next() % most as u64) as usize;
    let (mut named, flips) = (0, scale::scaled(200, 2_000));
    for flip in 0..flips {
        let kind = &files[below(files.len())];
        let path = &kind[below(kind.len())];
        let whole = std::fs::read(path).expect("a file");
        if whole.is_empty() {
            continue;
        }
        let (at, bit) = (below(whole.len()), below(8));
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << bit;
        std::fs::write(path, flipped).expect("a file written");
        let output = diptych(&data, "verify word_count");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = said(&output);
        let place = format!("flip {flip}: bit {bit} of byte {at} of {name}");
        // A flipped bit in the number of a format makes it a newer one.
        assert!(matches!(output.status.code(), Some(5 | 6)), "{place}: {text}");
        assert!(text.contains(&name), "{place}: {text}");
        named += 1;
        std::fs::write(path, whole).expect("a file written");
    }
    println!("{named} of {flips} flips named");
    assert_eq!(named, flips);
    let verified = diptych(&data, "verify word_count");
    assert!(verified.status.success(), "{}", said(&verified));
}
