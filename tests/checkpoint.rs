//! A checkpoint is a batch view: its files do not differ by the layer that wrote them, or by the
//! boundary from which it started.
//!
//! Random histories of every built-in dataflow are served and concluded, or run incrementally; the
//! batch view on disk is compared with one made from all events.

mod naive;

use diptych::System;
use diptych::dataflow::Definition;
use diptych::log::{Append, Pending};
use diptych::system::{BatchOptions, Boundary, Cluster, ServeOptions};
use naive::{History, batches, cases, generate, scaled};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A log of the history, in memory.
fn log(history: &History) -> System {
    let system = System::in_memory();
    let writer = system.writer().expect("a writer");
    for facts in history {
        let append = Append { batches: batches(facts), ..Append::default() };
        writer.append(append).and_then(Pending::wait).expect("appended");
    }
    writer.close().expect("closed");
    system
}

fn batch(system: &System, flow: &Definition, upto: usize, workers: usize, incremental: bool) {
    let cluster = Cluster::local(workers);
    let upto = Some(upto as u64);
    let options = BatchOptions { cluster, upto, incremental, ..BatchOptions::default() };
    let report = system.batch(flow, &options).expect("a batch view");
    assert_eq!(report.from > 0, incremental, "continued from {}", report.from);
}

/// The digests of all views of the newest batch view, and its boundary.
fn digests(system: &System, flow: &Definition) -> Result<(u64, Vec<String>), String> {
    let described = flow.describe().expect("it compiles");
    let view = system.newest(&described, u64::MAX).map_err(|e| e.to_string())?.0;
    let view = view.ok_or("there is no batch view")?;
    view.verify().map_err(|error| error.to_string())?;
    let digest = |name: &str| format!("{name} {:?}", view.view_size(name).expect("it is there"));
    let views = described.views.iter().map(|view| digest(&view.name));
    Ok((view.boundary(), views.collect()))
}

fn case() -> impl Strategy<Value = (String, History, Index, [usize; 3])> {
    let names: Vec<_> = dataflows::all().iter().map(|d| d.name().to_owned()).collect();
    let history = select(names)
        .prop_flat_map(|name| generate::history(&name).prop_map(move |h| (name.clone(), h)));
    let workers = || select(vec![1_usize, 2, 3]);
    (history, any::<Index>(), [workers(), workers(), workers()])
        .prop_map(|((name, history), split, workers)| (name, history, split, workers))
}

fn flow(name: &str) -> Definition {
    dataflows::all().into_iter().find(|flow| flow.name() == name).expect("built in")
}

#[test]
fn a_batch_view_may_be_continued() {
    cases("checkpoint", "a_batch_view_may_be_continued", scaled(60, 2_000), case(), |case| {
        let (name, history, split, workers) = case;
        let (flow, upper) = (flow(name), history.len());
        let whole = log(history);
        batch(&whole, &flow, upper, workers[0], false);
        let continued = log(history);
        let split = split.index(upper);
        if split > 0 {
            batch(&continued, &flow, split, workers[1], false);
        }
        batch(&continued, &flow, upper, workers[2], split > 0);
        same(digests(&whole, &flow)?, digests(&continued, &flow)?)
    });
}

#[test]
fn what_serving_leaves_is_a_batch_view() {
    cases("checkpoint", "what_serving_leaves_is_a_batch_view", scaled(60, 2_000), case(), |case| {
        let (name, history, split, workers) = case;
        let (flow, upper) = (flow(name), history.len() as u64);
        let whole = log(history);
        batch(&whole, &flow, history.len(), workers[0], false);
        let served = log(history);
        let serve = |start: Boundary, until: u64, workers: usize| {
            let options = ServeOptions::default().cluster(Cluster::local(workers));
            let options = options.boundary(start).until(until);
            let live = served.serve(std::slice::from_ref(&flow), options).expect("served");
            if until > 0 {
                live.wait_beyond(name, until - 1).expect("it gets there");
            }
            served.conclude(live).expect("concluded")
        };
        // Twice: the second continues the checkpoint of the first.
        let split = split.index(history.len() + 1) as u64;
        serve(Boundary::InPlace(split / 2), split, workers[1]);
        let made = serve(Boundary::Newest, upper, workers[2]);
        if made.iter().map(|made| made.boundary).collect::<Vec<_>>() != [upper] {
            return Err(format!("checkpoints {made:?}, expected one at {upper}"));
        }
        same(digests(&whole, &flow)?, digests(&served, &flow)?)
    });
}

#[test]
fn old_ones_are_removed_and_the_newest_is_whole() {
    let history: History = cases::sample(&generate::history("bank"), 7);
    let system = System::in_memory();
    let writer = system.writer().expect("a writer");
    let flow = flow("bank");
    let mut ends = Vec::new();
    for facts in history.iter().cycle().take(5) {
        let append = Append { batches: batches(facts), ..Append::default() };
        writer.append(append).and_then(Pending::wait).expect("appended");
        let served = system.serve(std::slice::from_ref(&flow), ServeOptions::default());
        let served = served.expect("served");
        served.wait_beyond("bank", writer.upper() - 1).expect("it gets there");
        ends.extend(system.conclude(served).expect("concluded").iter().map(|made| made.boundary));
    }
    assert_eq!(ends, [1, 2, 3, 4, 5]);
    let described = flow.describe().expect("it compiles");
    let at = |most| system.newest(&described, most).expect("read").0.map(|view| view.boundary());
    assert_eq!((at(9), at(4), at(3)), (Some(5), Some(4), None), "two are kept");
}

fn same<T: PartialEq + std::fmt::Debug>(one: T, other: T) -> Result<(), String> {
    if one == other { Ok(()) } else { Err(format!("from all events {one:?}\nleft {other:?}")) }
}
