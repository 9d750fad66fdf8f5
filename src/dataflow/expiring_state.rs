//! The expiring state of a retained barrier: a partial of each key for each step of time.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::accumulation_codec::Sink;
use super::accumulation_monoids::{Accumulate, Made};
use super::combiner::{self, PartialTable};
use super::retention::Expiry;
use diptych_base::error::Result;

/// Partials by key and expiry, and the keys that leave, by expiry.
///
/// Invariants: a key has an entry exactly when it has a partial that is not zero; `leaving` has it
/// under an expiry exactly when the key has a partial there and the expiry is not
/// [`Expiry::NEVER`].
pub(super) struct Kept<A: Accumulate> {
    accumulate: Rc<A>,
    keys: PartialTable<A::Key, OfKey<A::Partial>>,
    leaving: BTreeMap<Expiry, PartialTable<A::Key, ()>>,
    partials: usize,
}

/// The partials of one key.
struct OfKey<P> {
    /// The partials by step, in the order of their expiry.
    steps: Vec<(Expiry, P)>,
    /// The partial of all steps together; none when there is only one step, or when the total has
    /// to be merged again.
    total: Option<P>,
}

impl<A: Accumulate> Kept<A> {
    pub(super) fn new(accumulate: Rc<A>) -> Self {
        let keys = PartialTable::default();
        let leaving = BTreeMap::new();
        Kept { accumulate, keys, leaving, partials: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The number of kept partials.
    pub(super) fn len(&self) -> usize {
        self.partials
    }

    /// Adds a partial to those of the key.
    pub(super) fn add(&mut self, expiry: Expiry, key: A::Key, partial: A::Partial) {
        if self.accumulate.is_zero(&partial) {
            return;
        }
        let entry = self.keys.entry(key.clone());
        let of_key = entry.or_insert_with(|| OfKey { steps: Vec::new(), total: None });
        if let [(only, there)] = &of_key.steps[..]
            && *only != expiry
        {
            of_key.total = Some(there.clone());
        }
        if let Some(total) = &mut of_key.total {
            self.accumulate.merge(total, partial.clone());
        }
        match of_key.steps.binary_search_by_key(&expiry, |(expiry, _)| *expiry) {
            Ok(at) => {
                let (_, there) = &mut of_key.steps[at];
                self.accumulate.merge(there, partial);
                if self.accumulate.is_zero(there) {
                    of_key.steps.remove(at);
                    self.partials -= 1;
                    self.forget(expiry, &key);
                }
            }
            Err(at) => {
                of_key.steps.insert(at, (expiry, partial));
                self.partials += 1;
                if expiry != Expiry::NEVER {
                    self.leaving.entry(expiry).or_default().insert(key.clone(), ());
                }
            }
        }
        self.tidy(&key);
    }

    /// Removes the key from those that leave with `expiry`.
    fn forget(&mut self, expiry: Expiry, key: &A::Key) {
        if let Some(keys) = self.leaving.get_mut(&expiry) {
            keys.remove(key);
            if keys.is_empty() {
                self.leaving.remove(&expiry);
            }
        }
    }

    /// Drops a key without steps, and the total of a key with a single step.
    fn tidy(&mut self, key: &A::Key) {
        let Some(of_key) = self.keys.get_mut(key) else { return };
        match of_key.steps.len() {
            0 => {
                self.keys.remove(key);
            }
            1 => of_key.total = None,
            _ => {}
        }
    }

    /// Drops the partials that leave by retention `of` before step `first`; `leaving` sees each key
    /// before.
    pub(super) fn expire(
        &mut self,
        of: u32,
        first: i64,
        leaving: &mut impl FnMut(&mut Self, &A::Key),
    ) {
        let range = Expiry { of, step: i64::MIN }..Expiry { of, step: first };
        while let Some(expiry) = self.leaving.range(range.clone()).next().map(|(expiry, _)| *expiry)
        {
            for (key, ()) in self.leaving.remove(&expiry).unwrap_or_default() {
                leaving(self, &key);
                self.remove(expiry, &key);
            }
        }
    }

    fn remove(&mut self, expiry: Expiry, key: &A::Key) {
        let Some(of_key) = self.keys.get_mut(key) else { return };
        let found = of_key.steps.binary_search_by_key(&expiry, |(expiry, _)| *expiry);
        let Ok(at) = found else { return };
        let (_, partial) = of_key.steps.remove(at);
        self.partials -= 1;
        // A total that cannot be reduced is merged again when its row is needed.
        let total = of_key.total.take();
        of_key.total = total.and_then(|total| self.accumulate.take_back(total, &partial));
        self.tidy(key);
    }

    /// The row of a key, if it has one.
    pub(super) fn row(&mut self, key: &A::Key) -> Made<A::Row> {
        match self.keys.get_mut(key).and_then(|of_key| of_key.total(&*self.accumulate)) {
            Some(total) => self.accumulate.row(key, total),
            None => Ok(None),
        }
    }

    /// The rows of all keys.
    pub(super) fn rows(&mut self) -> impl Iterator<Item = (&A::Key, Made<A::Row>)> {
        let accumulate = &*self.accumulate;
        self.keys.iter_mut().filter_map(|(key, of_key)| {
            let made = accumulate.row(key, of_key.total(accumulate)?);
            Some((key, made))
        })
    }

    /// Writes all partials as entries of the accumulation.
    pub(super) fn write(&self, sink: &mut Sink<'_>) -> Result<()> {
        combiner::write(&*self.accumulate, self.entries(), sink)
    }

    fn entries(&self) -> impl Iterator<Item = ((Expiry, &A::Key), &A::Partial)> {
        self.keys.iter().flat_map(|(key, of_key)| {
            of_key.steps.iter().map(move |(expiry, partial)| ((*expiry, key), partial))
        })
    }
}

impl<P: Clone> OfKey<P> {
    fn total<A: Accumulate<Partial = P>>(&mut self, accumulate: &A) -> Option<&P> {
        if let [(_, only)] = &self.steps[..] {
            return Some(only);
        }
        if self.total.is_none() {
            let mut partials = self.steps.iter().map(|(_, partial)| partial.clone());
            let mut total = partials.next()?;
            partials.for_each(|partial| accumulate.merge(&mut total, partial));
            self.total = Some(total);
        }
        self.total.as_ref()
    }
}
