//! The combiner, a worker's side of a barrier: partial results by place, until they travel to their
//! owners.
//!
//! A *place* is the key under which the owner keeps a partial: the row's key, or its key and the
//! step of time that it expires with. One entry per place travels, for any number of rows.

use std::hash::Hash;
use std::rc::Rc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::Input;
use timely::dataflow::{InputHandle, Scope, StreamVec};

use super::accumulation_codec::{self, AccumulationBlockWriter, Sink};
use super::accumulation_monoids::Accumulate;
use super::flush_before_exchange::flush_before_exchange;
use super::linear_operators::Front;
use super::record_batch_pass::Pass;
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// A hash table of partials, of a combiner or an owner.
pub(super) type PartialTable<K, V> = HashMap<K, V, FixedState>;

/// An entry that is sent to its owner.
pub(super) type KeyPartial<A, K> = (K, <A as Accumulate>::Partial);

/// Routes a key to its owner. Its seed differs from the tables': the keys of one owner would
/// otherwise share the low bits that choose a table's bucket.
pub(super) fn route<K: Hash>(key: &K) -> u64 {
    use std::hash::BuildHasher;
    const SEED: u64 = 0x0d1b_7c15;
    FixedState::with_seed(SEED).hash_one(key)
}

/// Merges a partial into its place.
#[inline]
pub(super) fn combine<K: Eq + Hash, A: Accumulate>(
    accumulate: &A,
    table: &mut PartialTable<K, A::Partial>,
    place: K,
    partial: A::Partial,
) {
    use hashbrown::hash_map::Entry;
    match table.entry(place) {
        Entry::Occupied(mut entry) => accumulate.merge(entry.get_mut(), partial),
        Entry::Vacant(entry) => {
            entry.insert(partial);
        }
    }
}

/// The partials of one worker for the owners, by place `K`.
pub(super) struct Combiner<A: Accumulate, P, K: Clone + 'static> {
    accumulate: Rc<A>,
    front: P,
    table: PartialTable<K, A::Partial>,
    input: InputHandle<Epoch, CapacityContainerBuilder<Vec<KeyPartial<A, K>>>>,
}

impl<A, P, K> Combiner<A, P, K>
where
    A: Accumulate,
    K: Clone + Eq + Hash + DeserializeOwned + 'static,
{
    /// A combiner, and the stream of the entries it sends, which an exchange may follow.
    pub(super) fn install<'s>(
        scope: Scope<'s, Epoch>,
        accumulate: &Rc<A>,
        front: P,
    ) -> (Self, StreamVec<'s, Epoch, KeyPartial<A, K>>) {
        let (input, stream) = scope.new_input_with_builder();
        let accumulate = Rc::clone(accumulate);
        (
            Combiner { accumulate, front, table: PartialTable::default(), input },
            flush_before_exchange(stream),
        )
    }

    /// Runs the front over `pass`; each partial goes to its `place`.
    pub(super) fn drive(&mut self, pass: &Pass<'_>, place: impl Fn(A::Key) -> K)
    where
        P: for<'a> Front<Item<'a> = A::Item>,
    {
        if pass.weight() < 0 && !A::INVERSE {
            // The front runs all the same: rows that it rejects can be taken back.
            self.front.drive(pass, &mut |_: A::Item, _| pass.reach());
            return;
        }
        let accumulate = &*self.accumulate;
        let table = &mut self.table;
        self.front.drive(pass, &mut |item: A::Item, weight| {
            let (key, partial) = accumulate.split(item, weight);
            combine(accumulate, table, place(key), partial);
        });
    }

    /// The number of waiting entries.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Sends all entries, at the input's current time.
    pub(super) fn flush(&mut self) {
        for (place, partial) in self.table.drain() {
            if !self.accumulate.is_zero(&partial) {
                self.input.send((place, partial));
            }
        }
        self.input.flush();
    }

    /// Drops all entries.
    pub(super) fn clear(&mut self) {
        self.table.clear();
    }

    /// Flushes, then advances the input to `epoch`: nothing below it follows.
    pub(super) fn advance_to(&mut self, epoch: Epoch) {
        self.flush();
        self.input.advance_to(epoch);
    }

    /// Sends the entries of a block that owners of accumulation `name` have dumped.
    pub(super) fn load(&mut self, name: &str, block: &[u8]) -> Result<()> {
        // Nearly every place occurs once, so there is nothing to combine first.
        if accumulation_codec::is_wide(block) {
            let entries: Vec<KeyPartial<A, K>> = accumulation_codec::read(name, block)?;
            entries.into_iter().for_each(|entry| self.input.send(entry));
            return Ok(());
        }
        let entries: Vec<(K, A::Stored)> = accumulation_codec::read(name, block)?;
        for (place, stored) in entries {
            self.input.send((place, self.accumulate.restored(stored)));
        }
        Ok(())
    }
}

/// Writes an owner's partials, each with its place.
pub(super) fn write<'p, A: Accumulate, K: Serialize>(
    accumulate: &A,
    entries: impl Iterator<Item = (K, &'p A::Partial)>,
    sink: &mut Sink<'_>,
) -> Result<()> {
    let mut blocks = AccumulationBlockWriter::new(sink);
    for (place, partial) in entries {
        match accumulate.stored(partial) {
            Some(stored) => blocks.push(&(place, stored))?,
            None => blocks.push_wide(&(place, partial))?,
        }
    }
    blocks.finish()
}
