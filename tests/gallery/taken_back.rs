//! Every fifth event of a made-up history is retracted: the answers equal those without these
//! events.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{BooleanArray, RecordBatch};
use dataflows::{
    Sensed, draw_iot, draw_k_core, draw_recommendations, iot, k_core, recommendations,
};
use diptych::dataflow::Definition;
use diptych::log::Append;
use diptych::serving::{Read, Snapshot};
use diptych::system::{Boundary, Cluster, RebuildOptions, ServeOptions};
use diptych::time::Epoch;
use diptych::{Event, System};

use crate::drawn::Drawn;
use crate::follow::size;

/// Serves a history and retracts every fifth event of one of its streams meanwhile: a dataflow that
/// cannot undo them is recomputed beside the readers. Then the same from the log alone, and from
/// the checkpoint that the server leaves.
fn without_every_fifth<E: Event + Clone>(
    flow: impl Into<Definition>,
    drawn: &Drawn<'_, E>,
    rows: impl Fn(usize) -> Vec<(Arc<str>, RecordBatch)>,
    check: impl Fn(&Snapshot, &[E]),
) {
    let (flow, system) = (flow.into(), System::in_memory());
    let (name, flows) = (flow.name(), std::slice::from_ref(&flow));
    let writer = system.writer().unwrap();
    for epoch in 0..drawn.epochs {
        let append = Append { batches: rows(epoch), ..Append::default() };
        writer.append(append).unwrap().wait().unwrap();
    }
    let served = system.serve(flows, ServeOptions::default().cluster(Cluster::local(2))).unwrap();
    let options = RebuildOptions { look: Duration::from_millis(2), ..RebuildOptions::default() };
    let rebuilds = system.rebuild_under_readers(&served, flows, options, drop).unwrap();
    served.wait_beyond(name, drawn.epochs as Epoch - 1).unwrap();
    let now = || served.serving(name).unwrap().snapshot(Read::Latest).unwrap();
    check(&now(), drawn.events);

    let mut at = 0;
    let found = system.reader().unwrap().find(drawn.stream, 0..writer.upper(), |chunk| {
        let chosen = (at..at + chunk.len()).map(|at| Some(at % 5 == 4));
        at += chunk.len();
        Ok(chosen.collect::<BooleanArray>())
    });
    let found = found.unwrap();
    let kept = drawn.events.iter().enumerate().filter(|(at, _)| at % 5 != 4);
    let kept: Vec<E> = kept.map(|(_, event)| event.clone()).collect();
    assert_eq!(found.len(), drawn.events.len() - kept.len());
    let retracted = writer.retract(&found, "a mistake", Append::default()).unwrap();
    let last = retracted.wait().unwrap().epoch;
    served.wait_beyond(name, last).unwrap();
    let seen = now();
    assert_eq!(seen.epoch(), Some(last));
    check(&seen, &kept);

    drop(rebuilds);
    system.conclude(served).unwrap();
    for workers in [1, 3] {
        let batch = system.recompute(&flow, last + 1, Cluster::local(workers), true).unwrap();
        check(&batch.snapshot(Read::Latest).unwrap(), &kept);
    }
    let options = ServeOptions::default().boundary(Boundary::Newest).until(last + 1);
    let served = system.serve(flows, options).unwrap();
    served.wait_beyond(name, last).unwrap();
    check(&served.index(name).unwrap().snapshot(Read::Latest).unwrap(), &kept);
    served.stop().unwrap();
}

#[test]
fn readings_are_taken_back() {
    let (events, epochs) = size();
    let Sensed { readings, calibrations } = draw_iot(7, events);
    let sensed = Drawn { stream: "readings", events: &readings, epochs };
    let calibrated = Drawn { stream: "calibrations", events: &calibrations, epochs };
    let each = |epoch| vec![sensed.rows(epoch), calibrated.rows(epoch)];
    without_every_fifth(("iot", iot), &sensed, each, |snapshot, readings| {
        crate::iot::check(snapshot, readings, &calibrations);
    });
}

#[test]
fn ties_are_taken_back() {
    let (events, epochs) = size();
    let ties = draw_k_core(7, events);
    let tied = Drawn { stream: "ties", events: &ties, epochs };
    let each = |epoch| vec![tied.rows(epoch)];
    without_every_fifth(("k_core", k_core), &tied, each, crate::k_core::check);
}

#[test]
fn purchases_are_taken_back() {
    let (events, epochs) = size();
    let purchases = draw_recommendations(7, events);
    let bought = Drawn { stream: "purchases", events: &purchases, epochs };
    let each = |epoch| vec![bought.rows(epoch)];
    let flow = ("recommendations", recommendations);
    without_every_fifth(flow, &bought, each, |snapshot, purchases| {
        assert!(crate::recommendations::check(snapshot, purchases) > 0);
    });
}
