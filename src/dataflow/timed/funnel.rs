//! Funnels: the number of steps that each session of a key has reached.

use std::hash::Hash;

use differential_dataflow::ExchangeData;

use super::super::combiner::route;
use super::super::ordered_rows::Ordered;
use super::super::per_epoch_operator::{ByEpoch, Keys, OfKey, by_epoch};
use super::super::vec_collection::Collection;
use diptych_event::Timestamp;

/// A row: `(at, value)`.
type Row<V> = (Timestamp, V);

/// A session: its key and its start.
type Session<K> = (K, Timestamp);

pub(super) fn funnel<K, V, F>(
    rows: Collection<'_, (K, Row<V>)>,
    gap: i64,
    step: F,
) -> Collection<'_, (K, (Timestamp, u64))>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
    F: Fn(&V) -> Option<u64> + 'static,
{
    let sessions = super::sessions::sessions(rows, gap);
    let state = Funnel { sessions: Keys::default(), step };
    by_epoch(sessions, "Funnel", |((key, _), _)| route(key), state)
}

struct Funnel<K, V, F> {
    sessions: Keys<Session<K>, Way<V>>,
    step: F,
}

/// The rows of a session, and the number of steps that was emitted last.
struct Way<V> {
    rows: Ordered<Row<V>>,
    reached: Option<u64>,
}

impl<V> Default for Way<V> {
    fn default() -> Self {
        Way { rows: Ordered::default(), reached: None }
    }
}

impl<V> OfKey for Way<V> {
    fn held(&self) -> usize {
        self.rows.held()
    }
}

impl<K, V, F> ByEpoch for Funnel<K, V, F>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
    F: Fn(&V) -> Option<u64> + 'static,
{
    type Row = (Session<K>, Row<V>);
    type Out = (K, (Timestamp, u64));

    fn close(&mut self, changes: Vec<(Self::Row, isize)>, mut emit: impl FnMut(Self::Out, isize)) {
        let step = &self.step;
        self.sessions.close(changes, |(key, start), Way { rows, reached }, changes| {
            for (row, diff) in changes {
                rows.change(row, diff);
            }
            let mut now: Option<u64> = None;
            for ((_, value), _) in rows.there() {
                let reached = now.get_or_insert(0);
                if step(value) == Some(*reached) {
                    *reached += 1;
                }
            }
            let before = std::mem::replace(reached, now);
            if before != now {
                for (reached, diff) in [(before, -1), (now, 1)] {
                    if let Some(reached) = reached {
                        emit((key.clone(), (*start, reached)), diff);
                    }
                }
            }
        });
    }

    fn held(&self) -> usize {
        self.sessions.held()
    }
}
