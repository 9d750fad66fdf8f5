//! The ratios that the design promises, in one run: `cargo bench --bench ratios [-- NAME] [--lines
//! N]`.
//!
//! All programs count the words of the same lines, with the same allocator, on one worker:
//! - a plain loop over an owned-key hash map: the floor;
//! - hand-written differential (`count_total`);
//! - Diptych, from sealed files on disk, and live, from append to readers.
//!
//! Processor time by `clock_gettime(CLOCK_PROCESS_CPUTIME_ID)`; the median of several repeats.

mod by_hand;
mod lines;
mod measure;
mod with_diptych;

use std::process::ExitCode;

use measure::{Targets, median};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const REPEATS: usize = 5;
const EPOCHS: usize = 200;
const EPOCH_LINES: usize = 1_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut filter, mut count) = (String::new(), 1_000_000);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "--lines" => {
                let given = arguments.next().and_then(|n| n.replace('_', "").parse().ok());
                count = given.expect("--lines needs a number");
            }
            name => name.clone_into(&mut filter),
        }
    }
    let lines = lines::lines(count + EPOCHS * EPOCH_LINES);
    let (history, live) = lines.split_at(count);
    println!("{count} lines of {} words, {REPEATS} repeats, one worker\n", lines::WORDS);
    let log = with_diptych::Log::write(history);
    let batch = log.batch(REPEATS);
    let mut targets = Targets::new(&filter);
    targets.at_most("decode_share", 0.20, || batch.decode_share);
    targets.at_most("batch_vs_loop", 2.0, || {
        let plain = median((0..REPEATS).map(|_| by_hand::plain_loop(history)));
        println!("  loop {plain:.3} s, batch without decoding {:.3} s", batch.cpu_s);
        batch.cpu_s / plain
    });
    targets.at_least("batch_vs_differential", 4.0, || {
        let differential = median((0..REPEATS.min(3)).map(|_| by_hand::differential(history)));
        println!("  differential {differential:.3} s, batch {:.3} s", batch.cpu_s);
        differential / batch.cpu_s
    });
    if targets.wants("live") || targets.wants("recompute") || targets.wants("reads") {
        let ours = log.live(live, EPOCH_LINES);
        targets.at_least("live_vs_differential", 1.0, || {
            let theirs = by_hand::live(history, live, EPOCH_LINES);
            println!("  differential {theirs}\n  diptych      {ours}");
            theirs.p50 / ours.p50
        });
        targets.at_least("recompute_vs_incremental", 1.0, || {
            let whole = batch.cpu_s + batch.decoding_s;
            println!("  batch {whole:.3} s, an epoch of {EPOCH_LINES} {:.3} ms", ours.cpu);
            whole * 1e3 / ours.cpu
        });
        targets.at_least("reads_per_cpu_second", 1e6, || log.reads(live, EPOCH_LINES, false));
        targets.at_least("hot_reads_per_cpu_second", 1e5, || log.reads(live, EPOCH_LINES, true));
    }
    targets.conclude()
}
