//! A loop in which labels spread along edges; of those that come to a node the least stays.
//!
//! It is the loop of differential's `algorithms::graphs::propagate`, and so is the idea of letting
//! labels in by rank: those that will win first, so that the others find their nodes taken. There,
//! a rank is the number of binary digits. Of many random labels, two or more have the least number
//! of digits in three cases of ten, and each of those spreads through the whole graph before the
//! least one does, in the history of every later change. Here, a rank tells sixteen labels apart
//! where that one tells one, so two rivals meet in three cases of a hundred; but only among the
//! least of 4,096: a component that has fewer nodes is soon told, and each rank costs rounds.

use std::hash::Hash;

use differential_dataflow::ExchangeData;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::operators::iterate::Variable;
use differential_dataflow::trace::implementations::{ValBuilder, ValSpine};
use timely::order::Product;

use super::collection::Collection;
use diptych_base::time::Epoch;

/// Edges by their start.
type Edges<'s, N> = Arranged<'s, TraceAgent<ValSpine<N, N, Epoch, isize>>>;

/// Rounds between two ranks: as long as ways are in most graphs, so that what was let in before has
/// arrived. A longer way costs changes of mind, and no wrong answer.
const ROUNDS: usize = 256;

/// Binary digits behind the first that a rank tells apart.
const DIGITS: u32 = 4;

/// Leading zeros of the lots of which it does.
const ZEROS: u32 = 12;

/// The least label that comes to each node: its own ones and those of all it can be reached from.
///
/// `lot` should be equally distributed among labels, and ordered as they are: by it they are let
/// in.
pub(super) fn propagate<'s, N, L>(
    edges: Edges<'s, N>,
    labels: Collection<'s, (N, L)>,
    lot: impl Fn(&L) -> u64 + Clone + 'static,
) -> Collection<'s, (N, L)>
where
    N: ExchangeData + Hash,
    L: ExchangeData,
{
    let outer = labels.scope();
    outer.scoped::<Product<Epoch, usize>, _, _>("Propagate", |scope| {
        let edges = edges.enter(scope);
        let own = labels.enter_at(scope, move |(_, label)| ROUNDS * rank(lot(label)));
        let (told, heard) = Variable::new(scope, Product::new(0, 1));
        let least =
            heard.concat(own).reduce_abelian::<_, ValBuilder<_, _, _, _>, ValSpine<_, _, _, _>>(
                "Least label",
                |_, labels, least| least.push((labels[0].0.clone(), 1)),
            );
        told.set(least.clone().join_core(edges, |_, label, to| Some((to.clone(), label.clone()))));
        least.as_collection(|node, label| (node.clone(), label.clone())).leave(outer)
    })
}

/// The logarithm of a lot, never falling: in whole binary digits, and of small lots in sixteenths.
fn rank(lot: u64) -> usize {
    let Some(digits) = lot.checked_ilog2() else { return 0 };
    // What is behind the first digit, as much of it as is told apart.
    let behind = (lot << (u64::BITS - 1 - digits) << 1) >> (u64::BITS - DIGITS);
    let behind = if lot.leading_zeros() < ZEROS { 0 } else { behind };
    1 + ((u64::from(digits) << DIGITS) | behind) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranks_never_fall(one in 0..u64::BITS, two in 0..u64::BITS, lots in any::<[u64; 2]>()) {
            let one = lots[0] >> one;
            let two = lots[1] >> two;
            prop_assert!(one > two || rank(one) <= rank(two));
            prop_assert!(two > one || rank(two) <= rank(one));
        }
    }

    #[test]
    fn ranks_are_few_and_tell_near_lots_apart() {
        assert_eq!((rank(0), rank(1), rank(1 << 63), rank(u64::MAX)), (0, 1, 1009, 1009));
        assert!(rank(1 << 40) < rank((1 << 40) + (1 << 36)));
    }
}
