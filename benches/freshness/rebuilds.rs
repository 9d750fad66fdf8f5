//! The effect of a rebuild on the epochs: 20,000 events a second, quiet and while the same process
//! recomputes all of history again and again.
//!
//! The phases take turns, so that a noisy moment meets both. A rebuild reads the whole log, makes a
//! batch view, compares it with the served rows, and puts it under the readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dataflows::{Line, word_count};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::servers::Site;
use diptych::system::{BatchOptions, RebuildOptions, ServeOptions};
use diptych::system::{Control, Rebuild};

use crate::{HISTORY, RATE, batch, measure, ms};

const TURNS: usize = 6;
const TURN_SECONDS: usize = 5;
/// Seconds that all turns take.
pub(crate) const SECONDS: usize = 2 * TURNS * TURN_SECONDS;

/// Measures, and says whether the p99 of an epoch at most doubled.
pub(crate) fn run(lines: &[String]) -> bool {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (history, live) = lines.split_at(HISTORY);
    let request = |lines: &[String]| batch(lines, |_, text| Line { text: text.to_owned() });
    let flows = [Definition::new("word_count", word_count)];
    let system = System::open(directory.path());
    let writer = Arc::new(system.writer().expect("a writer"));
    for _ in 0..20 {
        for lines in history.chunks(20_000) {
            writer.append(request(lines)).expect("accepted").wait().expect("durable");
        }
    }
    system.batch(&flows[0], &BatchOptions::default()).expect("a batch view");
    let served = system.serve(&flows, ServeOptions::default().writer(&writer)).expect("served");
    served.wait_beyond("word_count", writer.upper() - 1).expect("restored");
    let index = served.index("word_count").expect("an index");
    let site = Site::of(&system, &served, &flows, None).expect("a site");
    let options = RebuildOptions::default();
    let rebuilds = system.rebuild_under_readers(&served, &flows, options, drop).expect("started");

    let (mut quiet, mut beside, mut made) = (Vec::new(), Vec::new(), Vec::new());
    for (turn, lines) in live.chunks(RATE * TURN_SECONDS).take(2 * TURNS).enumerate() {
        let over = AtomicBool::new(turn % 2 == 0);
        std::thread::scope(|scope| {
            let rebuilt = scope.spawn(|| again_and_again(&*site.control, &over));
            let (_, ack) = measure(&writer, &index, lines, &request);
            let into = if turn % 2 == 0 { &mut quiet } else { &mut beside };
            into.extend(ack);
            over.store(true, Ordering::Release);
            made.extend(rebuilt.join().expect("no panic"));
        });
    }
    drop(rebuilds);
    served.stop().expect("stopped");
    for times in [&mut quiet, &mut beside, &mut made] {
        times.sort_unstable();
    }
    let (p50, most) = (ms(&made, 0.5), ms(&made, 1.0));
    println!(
        "rebuilds: {} of {} events, p50 {p50:.0} ms, at most {most:.0} ms",
        made.len(),
        20 * HISTORY
    );
    conclude(&quiet, &beside)
}

fn again_and_again(history: &dyn Control, over: &AtomicBool) -> Vec<Duration> {
    let mut made = Vec::new();
    while !over.load(Ordering::Acquire) {
        let begun = Instant::now();
        match history.rebuild("word_count", false).expect("rebuilt") {
            Rebuild::Swapped { .. } => made.push(begun.elapsed()),
            other => panic!("a rebuild that differs: {other:?}"),
        }
    }
    made
}

fn conclude(quiet: &[Duration], beside: &[Duration]) -> bool {
    for (what, times) in [("quiet", quiet), ("during rebuilds", beside)] {
        let (p50, p99, count) = (ms(times, 0.5), ms(times, 0.99), times.len());
        println!("  {what:<15} ack to visible p50 {p50:>6.2} ms   p99 {p99:>6.2} ms   of {count}");
    }
    let ratio = ms(beside, 0.99) / ms(quiet, 0.99);
    let met = ratio <= 2.0;
    println!(
        "  p99 during rebuilds / quiet {ratio:.2} (<= 2: {})",
        if met { "met" } else { "MISSED" }
    );
    met
}
