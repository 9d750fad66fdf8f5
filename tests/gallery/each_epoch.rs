//! A dataflow, fed in parts, restarted on the way, and looked at after each.

use std::collections::BTreeMap;
use std::fmt::Debug;

use diptych::row::Columns;
use diptych::serving::{Read, Snapshot};
use diptych::testing::Live;
use diptych::{Dataflow, Event};

use crate::scale::scaled;

/// How many events a run has, and how many parts.
pub(crate) fn size() -> (usize, usize) {
    (scaled(1_200, 20_000) as usize, scaled(12, 50) as usize)
}

/// What has arrived of a stream after so many of all parts.
pub(crate) fn so_far<E>(events: &[E], parts: usize, of: usize) -> &[E] {
    &events[..events.len() * parts / of]
}

/// Feeds part k of n of a stream.
pub(crate) fn feed<E: Event + Clone>(
    live: &mut Live,
    stream: &str,
    events: &[E],
    (k, of): (usize, usize),
) {
    let before = so_far(events, k, of).len();
    live.feed(stream, &so_far(events, k + 1, of)[before..]).unwrap();
}

/// Feeds all parts, and checks after each. Goes on from a batch view, with other numbers of
/// workers, after a third and after two thirds of them.
pub(crate) fn each_epoch(
    name: &str,
    function: fn(&mut Dataflow<'_>),
    parts: usize,
    feed: impl Fn(&mut Live, usize),
    check: impl Fn(usize, &Snapshot),
) {
    let mut live = Live::start((name, function)).unwrap();
    for part in 0..parts {
        feed(&mut live, part);
        if part == parts / 3 || part == 2 * parts / 3 {
            live.restart(1 + 3 * part / parts).unwrap();
        }
        check(part, &live.snapshot(Read::Latest).unwrap());
    }
}

/// The view has these rows, once each, and no other.
pub(crate) fn same<K, V>(snapshot: &Snapshot, view: &str, expected: &BTreeMap<K, V>)
where
    K: Columns + Ord + Debug,
    V: Columns + PartialEq + Debug,
{
    let rows = snapshot.rows::<K, V>(view).unwrap();
    let at = snapshot.epoch();
    for ((key, value), times) in &rows {
        assert_eq!(*times, 1, "{view} at {at:?}: {key:?} {value:?}");
        assert_eq!(expected.get(key), Some(value), "{view} at {at:?}: {key:?}");
    }
    if rows.len() != expected.len() {
        let missing = expected.keys().find(|key| !rows.iter().any(|((found, _), _)| found == *key));
        panic!("{view} at {at:?}: no row for {missing:?}");
    }
}
