//! The baselines: the same count in a plain loop, and in hand-written differential.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use diptych::differential_dataflow::input::Input;
use diptych::differential_dataflow::operators::CountTotal;
use diptych::timely;
use diptych::timely::dataflow::operators::probe::Handle;

use crate::measure::{Live, cpu};

/// Lines between two steps of the worker while history is fed.
const STEP_LINES: usize = 1_000;

/// Processor seconds of counting into a hash map that owns its keys, with a fast hasher.
pub(crate) fn plain_loop(lines: &[String]) -> f64 {
    let (seconds, counts) = cpu(|| {
        let mut counts: HashMap<String, i64, foldhash::fast::FixedState> = HashMap::default();
        for line in black_box(lines) {
            for word in line.split_whitespace() {
                *counts.entry(word.to_owned()).or_insert(0) += 1;
            }
        }
        counts
    });
    black_box(counts);
    seconds
}

/// Processor seconds of `count_total` over all lines at one time.
pub(crate) fn differential(lines: &[String]) -> f64 {
    let lines = lines.to_vec();
    cpu(|| run(lines, Vec::new(), 1)).0
}

/// Epochs of `size` lines each, after history at one time.
pub(crate) fn live(history: &[String], live: &[String], size: usize) -> Live {
    run(history.to_vec(), live.to_vec(), size)
}

fn run(history: Vec<String>, live: Vec<String>, size: usize) -> Live {
    timely::execute_directly(move |worker| {
        let probe = Handle::new();
        let mut input = worker.dataflow::<u64, _, _>(|scope| {
            let (input, lines) = scope.new_collection::<String, isize>();
            lines
                .flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
                .count_total()
                .probe_with(&probe);
            input
        });
        for some in history.chunks(STEP_LINES) {
            for line in some {
                input.insert(line.clone());
            }
            input.flush();
            worker.step();
        }
        let mut epoch = 1;
        input.advance_to(epoch);
        input.flush();
        while probe.less_than(&epoch) {
            worker.step();
        }
        let mut times = Vec::new();
        let (seconds, ()) = cpu(|| {
            for lines in live.chunks(size) {
                let begun = Instant::now();
                for line in lines {
                    input.insert(line.clone());
                }
                epoch += 1;
                input.advance_to(epoch);
                input.flush();
                while probe.less_than(&epoch) {
                    worker.step();
                }
                times.push(begun.elapsed());
            }
        });
        if times.is_empty() {
            times.push(std::time::Duration::ZERO);
        }
        Live::of(times, seconds)
    })
}
