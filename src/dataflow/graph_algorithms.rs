//! Graph operators: reachable nodes and connected components, by labels that spread along edges.
//!
//! Both are a prioritised propagation ([`label_propagation`](super::label_propagation)): each node
//! starts with a label, the least label that comes to a node wins, and labels that will win are let
//! in first, so that nearly all nodes change once. For components the labels are the nodes in the
//! order of a hash of them, their *lot*: letting labels in by rank needs ranks of ever fewer
//! labels, which a hash gives for any nodes. The *name* of a component, its least member, is looked
//! up after the propagation.

use std::hash::{BuildHasher, Hash};

use differential_dataflow::ExchangeData;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use serde::{Deserialize, Serialize};

use super::combiner::{PartialTable, route};
use super::label_propagation::propagate;
use super::ordered_rows::Ordered;
use super::per_epoch_operator::{ByEpoch, Keys, OfKey, by_epoch};
use super::vec_collection::Collection;

/// A node, ordered by its lot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Drawn<K> {
    /// The lot; kept, since labels are compared far more often than they are made.
    lot: u64,
    node: K,
}

impl<K: Hash> Drawn<K> {
    /// A node with its lot, which is the same in every process. The seed differs from those of
    /// tables and routes.
    fn new(node: K) -> Self {
        const SEED: u64 = 0x7061_7274;
        Drawn { lot: FixedState::with_seed(SEED).hash_one(&node), node }
    }
}

/// The component `(key, least)` of each key; keys that share a value are connected.
pub(super) fn components<K, V>(pairs: Collection<'_, (K, V)>) -> Collection<'_, (K, K)>
where
    K: ExchangeData + Hash,
    V: ExchangeData + Hash,
{
    let sharing = pairs.map(|(key, value)| (value, Drawn::new(key)));
    let links = by_epoch(sharing, "Links", |(value, _)| route(value), Links(Keys::default()));
    // Each node once: if a label had as many copies as its node has links, each link that is added
    // or removed would change it, and have the node evaluated again, at the label's rank.
    let nodes = by_epoch(links.clone().map(|(key, _)| key), "Nodes", route, Present::default());
    let labels = nodes.map(|node| (node.clone(), Drawn::new(node)));
    let labels = propagate(links.arrange_by_key_named("Arrange: Links"), labels, |label| label.lot);
    let members = labels.map(|(key, label)| (label, key));
    by_epoch(
        members,
        "Least of a component",
        |(label, _)| route(&label.node),
        Members(Keys::default()),
    )
}

/// Sugar on collections of edges `(from, to)`.
pub trait EdgesExt<'s, N>: Sized {
    /// The nodes that can be reached from `roots`, along any number of edges, each once, including
    /// the roots. Edges and roots of negative multiplicity do not count; when an edge is removed,
    /// nodes that could be reached only by it are not reached any more.
    ///
    /// A change costs the nodes that it concerns, and their edges, in as many rounds as the path to
    /// them is long. State: each edge twice (its multiplicity, and by its start), and the labels
    /// sent along the edges.
    ///
    /// ```
    /// # use diptych::testing::Live;
    /// use dataflows::{Edge, Root};
    /// use diptych::prelude::*;
    ///
    /// fn reachable(df: &mut Dataflow) {
    ///     let edges = df.events::<Edge>("edges").weighted(|e| e.diff).map(|e| (e.src, e.dst));
    ///     let roots = df.events::<Root>("roots").map(|r| r.node).distinct("roots");
    ///     let reached = edges.distinct("edges").reach(roots);
    ///     df.view("reached", reached.map(|node| (node, ())));
    /// }
    /// # let mut live = Live::start(("reachable", reachable))?;
    /// # let edge = |src, dst, diff| Edge { src, dst, diff };
    /// live.feed("edges", &[edge(1, 2, 1), edge(2, 3, 1), edge(4, 5, 1)])?;
    /// live.feed("roots", &[Root { node: 1 }])?;
    /// assert_eq!(live.rows::<i64, ()>("reached")?, [(1, ()), (2, ()), (3, ())]);
    /// live.feed("edges", &[edge(2, 3, -1)])?;
    /// assert_eq!(live.rows::<i64, ()>("reached")?, [(1, ()), (2, ())]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    fn reach(self, roots: Collection<'s, N>) -> Collection<'s, N>;
}

impl<'s, N: ExchangeData + Hash> EdgesExt<'s, N> for Collection<'s, (N, N)> {
    fn reach(self, roots: Collection<'s, N>) -> Collection<'s, N> {
        let edges = by_epoch(self, "Edges", |(from, _)| route(from), Present::default());
        let roots = by_epoch(roots, "Roots", route, Present::default());
        let edges = edges.arrange_by_key_named("Arrange: Edges");
        propagate(edges, roots.map(|root| (root, ())), |()| 0).map(|(node, ())| node)
    }
}

/// The multiplicity of each row.
struct Present<R>(PartialTable<R, isize>);

impl<R> Default for Present<R> {
    fn default() -> Self {
        Present(HashMap::default())
    }
}

impl<R: ExchangeData + Hash> ByEpoch for Present<R> {
    type Row = R;
    type Out = R;

    fn close(&mut self, changes: Vec<(R, isize)>, mut emit: impl FnMut(R, isize)) {
        for (row, diff) in changes {
            let mut entry = match self.0.entry(row) {
                Entry::Occupied(entry) => entry,
                Entry::Vacant(entry) => entry.insert_entry(0),
            };
            let before = *entry.get();
            let after = before + diff;
            *entry.get_mut() = after;
            match (before > 0, after > 0) {
                (false, true) => emit(entry.key().clone(), 1),
                (true, false) => emit(entry.key().clone(), -1),
                _ => {}
            }
            if after == 0 {
                entry.remove();
            }
        }
    }

    fn held(&self) -> usize {
        self.0.len()
    }
}

/// The keys of each value, and the edges that connect them: one key, the centre, has edges to all
/// others, both ways; a single key has an edge to itself, so that every key has an edge.
///
/// The centre is the least key by lot. So a change seldom concerns it: it is one of as many keys as
/// get new edges when it goes.
struct Links<K, V>(Keys<V, Ordered<Drawn<K>>>);

impl<K, V> ByEpoch for Links<K, V>
where
    K: ExchangeData + Hash,
    V: ExchangeData + Hash,
{
    type Row = (V, Drawn<K>);
    type Out = (K, K);

    fn close(&mut self, changes: Vec<(Self::Row, isize)>, mut emit: impl FnMut((K, K), isize)) {
        self.0.close(changes, |_, keys, changes| {
            for (key, diff) in changes {
                let copies = keys.change(key.clone(), diff);
                match (copies.before > 0, copies.after > 0) {
                    (false, true) => tie(keys, &key, 1, &mut emit),
                    (true, false) => tie(keys, &key, -1, &mut emit),
                    _ => {}
                }
            }
        });
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}

/// The edges that `key` adds to a value with the other `keys`, times `sign`.
fn tie<K: Clone + Ord + Hash>(
    keys: &Ordered<Drawn<K>>,
    key: &Drawn<K>,
    sign: isize,
    emit: &mut impl FnMut((K, K), isize),
) {
    let mut both = |one: &Drawn<K>, other: &Drawn<K>, sign: isize| {
        emit((one.node.clone(), other.node.clone()), sign);
        emit((other.node.clone(), one.node.clone()), sign);
    };
    let mut others = keys.there().map(|(other, _)| other).filter(|other| *other != key);
    let Some(middle) = others.next() else {
        emit((key.node.clone(), key.node.clone()), sign);
        return;
    };
    let alone = if middle < key {
        others.next().is_none()
    } else {
        let tied = others.inspect(|other| {
            both(middle, other, -sign);
            both(key, other, sign);
        });
        tied.count() == 0
    };
    both(middle, key, sign);
    if alone {
        emit((middle.node.clone(), middle.node.clone()), -sign);
    }
}

/// The nodes that have a label, and the least of them, which names the component.
struct Component<K> {
    nodes: Ordered<K>,
    least: Option<K>,
}

impl<K> Default for Component<K> {
    fn default() -> Self {
        Component { nodes: Ordered::default(), least: None }
    }
}

impl<K> OfKey for Component<K> {
    fn held(&self) -> usize {
        self.nodes.held()
    }
}

/// The members of each component, by the label that won in it.
struct Members<K>(Keys<Drawn<K>, Component<K>>);

impl<K: ExchangeData + Hash> ByEpoch for Members<K> {
    type Row = (Drawn<K>, K);
    type Out = (K, K);

    fn close(&mut self, changes: Vec<(Self::Row, isize)>, mut emit: impl FnMut((K, K), isize)) {
        self.0.close(changes, |_, component, changes| {
            for (node, diff) in &changes {
                let copies = component.nodes.change(node.clone(), *diff);
                assert!(copies.after - copies.before == *diff, "a node has {copies:?} labels");
            }
            let least = component.nodes.there().next().map(|(node, _)| node.clone());
            let before = std::mem::replace(&mut component.least, least.clone());
            let mut tell = |node: &K, least: &Option<K>, diff: isize| {
                if let Some(least) = least {
                    emit((node.clone(), least.clone()), diff);
                }
            };
            if before == least {
                changes.iter().for_each(|(node, diff)| tell(node, &least, *diff));
                return;
            }
            // All present members have the new name; all former members had the old one.
            for (node, copies) in component.nodes.there() {
                tell(node, &before, -copies);
                tell(node, &least, *copies);
            }
            changes.iter().for_each(|(node, diff)| tell(node, &before, *diff));
        });
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// A row of [`Links`]: the value is the only one.
    type Change = (((), Drawn<i64>), isize);

    fn links(state: &mut Links<i64, ()>, changes: Vec<Change>) -> Vec<((i64, i64), isize)> {
        let mut emitted = Vec::new();
        let mut sorted = changes;
        differential_dataflow::consolidation::consolidate(&mut sorted);
        state.close(sorted, |edge, diff| emitted.push((edge, diff)));
        emitted
    }

    proptest! {
        #[test]
        fn the_keys_of_a_value_hang_together_by_as_few_edges_as_can_be(
            epochs in prop::collection::vec(
                prop::collection::vec((0_i64..12, -1_isize..2), 0..9), 1..12,
            ),
        ) {
            let mut state = Links(Keys::default());
            let mut keys = BTreeMap::new();
            let mut edges = BTreeMap::new();
            for epoch in epochs {
                for (key, diff) in &epoch {
                    *keys.entry(*key).or_insert(0) += diff;
                }
                let changes = epoch.into_iter().map(|(key, diff)| (((), Drawn::new(key)), diff));
                for (edge, diff) in links(&mut state, changes.collect()) {
                    *edges.entry(edge).or_insert(0) += diff;
                }
                edges.retain(|_, copies| *copies != 0);
                let there: BTreeSet<i64> =
                    keys.iter().filter(|(_, copies)| **copies > 0).map(|(key, _)| *key).collect();
                let tied: BTreeSet<i64> = edges.keys().map(|(key, _)| *key).collect();
                prop_assert_eq!(&tied, &there);
                prop_assert!(edges.values().all(|copies| *copies == 1));
                let expected = if there.len() == 1 { 1 } else { 2 * there.len().saturating_sub(1) };
                prop_assert_eq!(edges.len(), expected);
                let middle = there.iter().copied().map(Drawn::new).min();
                let middle = middle.map(|middle| middle.node);
                for (one, other) in edges.keys().map(|(one, other)| (Some(*one), Some(*other))) {
                    prop_assert!(one == middle || other == middle);
                }
            }
        }
    }

    #[test]
    fn one_key_of_many_costs_its_own_edges() {
        let mut state = Links(Keys::default());
        let all = (0..10_000).map(|key| (((), Drawn::new(key)), 1)).collect();
        assert_eq!(links(&mut state, all).len(), 1 + 1 + 2 * 9_999);
        let mut by_lot: Vec<_> = (0..10_000).map(Drawn::new).collect();
        by_lot.sort();
        for Drawn { node: key, .. } in &by_lot[1..] {
            assert_eq!(links(&mut state, vec![(((), Drawn::new(*key)), -1)]).len(), 2, "{key}");
            assert_eq!(links(&mut state, vec![(((), Drawn::new(*key)), 1)]).len(), 2, "{key}");
        }
    }

    #[test]
    fn a_node_that_joins_costs_one_row_unless_it_gives_the_name() {
        let mut state = Members(Keys::default());
        let mut close = |node: i64, diff| {
            let mut emitted = Vec::new();
            state.close(vec![((Drawn::new(7), node), diff)], |row, diff| emitted.push((row, diff)));
            emitted
        };
        for node in (2..2000).rev() {
            close(node, 1);
        }
        assert_eq!(close(2000, 1), [((2000, 2), 1)]);
        assert_eq!(close(2000, -1), [((2000, 2), -1)]);
        assert_eq!(close(1, 1).iter().filter(|((_, least), _)| *least == 1).count(), 1999);
    }
}
