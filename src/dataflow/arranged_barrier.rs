//! The barriers `keyed` and `collect`, whose state is an arrangement.
//!
//! Their contents are multisets of whole rows, which the operators behind need indexed anyway, so
//! the arrangement is the state: a join reuses it, and the accumulation on disk is read from its
//! trace. Compaction of the trace follows the input, or memory would grow with every epoch.

use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::cursor::cursor_list;
use differential_dataflow::trace::implementations::ValSpine;
use differential_dataflow::trace::{Cursor, TraceReader};
use differential_dataflow::{AsCollection, ExchangeData};
use timely::dataflow::operators::Input;
use timely::dataflow::{InputHandle, Scope};
use timely::progress::Antichain;

use super::accumulation_codec::Sink;
use super::accumulation_monoids::Key;
use super::barrier::Barrier;
use super::combiner::PartialTable;
use super::flush_before_exchange::flush_before_exchange;
use super::linear_operators::Front;
use super::record_batch_pass::Pass;
use super::vec_collection::Collection;
use diptych_base::error::Result;
use diptych_base::limits;
use diptych_base::time::Epoch;

/// The trace of a keyed arrangement.
pub type KeyedTrace<K, V> = TraceAgent<ValSpine<K, V, Epoch, isize>>;

type Update<K, V> = ((K, V), Epoch, isize);

/// A barrier whose state is a differential arrangement of `(key, value)` pairs.
pub(super) struct ArrangedBarrier<K: Key, V: Key, P> {
    name: String,
    signature: String,
    front: P,
    combiner: PartialTable<(K, V), i64>,
    input: InputHandle<Epoch, timely::container::CapacityContainerBuilder<Vec<Update<K, V>>>>,
    trace: KeyedTrace<K, V>,
}

impl<K: Key, V: Key, P> ArrangedBarrier<K, V, P> {
    /// Operator and types as text: the same for every barrier that keeps such pairs of this front.
    pub(super) fn types() -> String {
        std::any::type_name::<(Self, V)>().to_owned()
    }

    /// Builds the barrier in `scope`, and the arrangement behind it.
    pub(super) fn install<'s>(
        scope: Scope<'s, Epoch>,
        name: &str,
        front: P,
    ) -> (Self, Arranged<'s, KeyedTrace<K, V>>) {
        let (input, stream) = scope.new_input_with_builder();
        let collection: Collection<'s, (K, V)> = flush_before_exchange(stream).as_collection();
        let arranged = collection.arrange_by_key_named(&format!("Arrange: {name}"));
        let barrier = ArrangedBarrier {
            name: name.to_owned(),
            signature: Self::types(),
            front,
            combiner: PartialTable::default(),
            input,
            trace: arranged.trace.clone(),
        };
        (barrier, arranged)
    }
}

impl<K, V, P> Barrier for ArrangedBarrier<K, V, P>
where
    K: Key,
    V: Key,
    P: for<'a> Front<Item<'a> = (K, V)>,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &str {
        &self.signature
    }

    fn drive(&mut self, pass: &Pass<'_>) {
        let combiner = &mut self.combiner;
        self.front.drive(pass, &mut |item: (K, V), weight| {
            // Each event counts once: see `Events::keyed`.
            *combiner.entry(item).or_insert(0) += weight as i64;
        });
    }

    fn has_inverse(&self) -> bool {
        true
    }

    fn pending(&self) -> usize {
        self.combiner.len()
    }

    fn flush(&mut self) {
        let time = *self.input.time();
        for (item, weight) in self.combiner.drain() {
            if weight != 0 {
                self.input.send((item, time, weight as isize));
            }
        }
        self.input.flush();
    }

    fn discard(&mut self) {
        self.combiner.clear();
    }

    fn advance_to(&mut self, epoch: Epoch) {
        self.flush();
        self.input.advance_to(epoch);
        // Readers of this handle only ever ask for contents below the input's time.
        let frontier = Antichain::from_elem(epoch.saturating_sub(1));
        self.trace.set_logical_compaction(frontier.borrow());
        self.trace.set_physical_compaction(frontier.borrow());
    }

    fn dump(&mut self, frontier: Epoch, sink: &mut Sink<'_>) -> Result<()> {
        let mut upper = Antichain::new();
        self.trace.read_upper(&mut upper);
        self.trace.advance_upper(&mut upper);
        assert!(
            upper.iter().all(|upper| *upper <= frontier),
            "accumulation {:?} dumped at {frontier}, but its trace is at {upper:?}",
            self.name,
        );
        // No batch is cut where there is no bound.
        let batches = self.trace.batches_through(Antichain::new().borrow());
        let (mut cursor, storage) = cursor_list(batches.expect("a trace gives all its batches"));
        let mut rows = Vec::new();
        while let Some(key) = cursor.get_key(&storage) {
            while let Some(value) = cursor.get_val(&storage) {
                let mut weight = 0;
                cursor.map_times(&storage, |_, diff| weight += *diff as i64);
                if weight != 0 {
                    rows.push(((key.clone(), value.clone()), weight));
                }
                cursor.step_val(&storage);
            }
            cursor.step_key(&storage);
            if rows.len() >= limits::DUMP_ROWS {
                super::accumulation_codec::write(rows.drain(..), sink)?;
            }
        }
        super::accumulation_codec::write(rows.into_iter(), sink)
    }

    fn load(&mut self, block: &[u8]) -> Result<()> {
        let entries: Vec<((K, V), i64)> = super::accumulation_codec::read(&self.name, block)?;
        for (item, weight) in entries {
            *self.combiner.entry(item).or_insert(0) += weight;
            if self.combiner.len() >= limits::COMBINER_KEYS_MAX {
                self.flush();
            }
        }
        Ok(())
    }
}

/// Rows arranged by key, ready to be joined: the result of [`Events::keyed`](super::Events::keyed).
#[derive(Clone)]
pub struct Keyed<'s, K: Key, V: Key> {
    pub(super) arranged: Arranged<'s, KeyedTrace<K, V>>,
}

impl<'s, K: Key, V: Key> Keyed<'s, K, V> {
    /// The arrangement itself, for differential's own operators.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn senders(df: &mut Dataflow) {
    ///     let parts = df.events::<Transfer>("transfers").map(|t| (t.to_account, t.from_account));
    ///     let arranged = parts.keyed("parts").arranged();
    ///     df.view("senders", arranged.as_collection(|to, from| (*from, *to)));
    /// }
    /// # let mut live = Live::start(("senders", senders))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(3, 2, 20, 2)])?;
    /// assert_eq!(live.rows::<i64, i64>("senders")?, [(1, 2), (3, 2)]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn arranged(self) -> Arranged<'s, KeyedTrace<K, V>> {
        self.arranged
    }

    /// The rows as a collection of `(key, value)`.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn large(df: &mut Dataflow) {
    ///     let parts = df.events::<Transfer>("transfers").map(|t| (t.to_account, t.amount));
    ///     df.view("large", parts.keyed("parts").collection().filter(|(_, amount)| *amount > 20));
    /// }
    /// # let mut live = Live::start(("large", large))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(3, 2, 20, 2)])?;
    /// assert_eq!(live.rows::<i64, i64>("large")?, [(2, 50)]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn collection(self) -> Collection<'s, (K, V)> {
        self.arranged.as_collection(|key, value| (key.clone(), value.clone()))
    }

    /// Pairs of values with equal keys, reusing both arrangements.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn pairs(df: &mut Dataflow) {
    ///     let sent = df.events::<Transfer>("transfers").map(|t| (t.from_account, t.id));
    ///     let sent = sent.keyed("sent");
    ///     df.view("pairs", sent.clone().join(sent));
    /// }
    /// # let mut live = Live::start(("pairs", pairs))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 10), transfer(3, 2, 20, 11)])?;
    /// assert_eq!(live.rows::<i64, (i64, i64)>("pairs")?, [(1, (10, 10)), (3, (11, 11))]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    ///
    /// With a plain collection this is [`Keyed::join_collection`].
    pub fn join<O: Beside<'s, K>>(self, other: O) -> Collection<'s, (K, (V, O::Value))> {
        other.beside(self)
    }

    /// Pairs of values with equal keys, where the other side is a plain collection.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn shares(df: &mut Dataflow) {
    ///     let transfers = df.events::<Transfer>("transfers");
    ///     let total = transfers.clone().map(|t| (t.to_account, t.amount)).sum("total");
    ///     let parts = transfers.map(|t| (t.to_account, t.amount)).keyed("parts");
    ///     df.view("shares", parts.join_collection(total));
    /// }
    /// # let mut live = Live::start(("shares", shares))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(3, 2, 20, 2)])?;
    /// assert_eq!(live.rows::<i64, (i64, i64)>("shares")?, [(2, (20, 70)), (2, (50, 70))]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn join_collection<W: ExchangeData>(
        self,
        other: Collection<'s, (K, W)>,
    ) -> Collection<'s, (K, (V, W))> {
        self.arranged.join_core(other.arrange_by_key(), |key, left, right| {
            Some((key.clone(), (left.clone(), right.clone())))
        })
    }
}

/// The other side of [`Keyed::join`]: keyed rows, or a collection of pairs, with keys of the same
/// type.
#[diagnostic::on_unimplemented(
    message = "keyed rows are joined with keyed rows, or with a collection of `(key, value)`, \
               whose keys are `{K}`",
    label = "neither of the two",
    note = "events in front of a barrier: `.keyed(\"name\")` keeps and arranges them; a collection \
            of other rows: `.map(|row| (key, row))` makes pairs"
)]
pub trait Beside<'s, K: Key> {
    /// The values of the other side.
    type Value;

    /// Joins both sides by key.
    #[doc(hidden)]
    fn beside<V: Key>(self, left: Keyed<'s, K, V>) -> Collection<'s, (K, (V, Self::Value))>;
}

impl<'s, K: Key, W: Key> Beside<'s, K> for Keyed<'s, K, W> {
    type Value = W;

    fn beside<V: Key>(self, left: Keyed<'s, K, V>) -> Collection<'s, (K, (V, W))> {
        left.arranged.join_core(self.arranged, |key, left, right| {
            Some((key.clone(), (left.clone(), right.clone())))
        })
    }
}

impl<'s, K: Key, W: ExchangeData> Beside<'s, K> for Collection<'s, (K, W)> {
    type Value = W;

    fn beside<V: Key>(self, left: Keyed<'s, K, V>) -> Collection<'s, (K, (V, W))> {
        left.join_collection(self)
    }
}
