//! Propagation: a loop in which labels spread along edges, and each node keeps the least label.
//!
//! The loop is that of differential's `algorithms::graphs::propagate`, and so is the idea of
//! letting labels in by rank: labels that will win come first, so that the others find the nodes
//! taken. There, a rank is the number of binary digits. Of many random labels, two or more have the
//! least number of digits in three cases of ten, and each of those spreads through the whole graph
//! before the least one does, in the history of every later change. Here, a rank is sixteen times
//! finer, so two rivals meet in three cases of a hundred; but only among the least of 4,096: a
//! component with fewer nodes is done soon, and each rank costs rounds.

use std::hash::Hash;

use differential_dataflow::ExchangeData;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::operators::iterate::Variable;
use differential_dataflow::trace::implementations::{ValBuilder, ValSpine};
use timely::order::Product;

use super::vec_collection::Collection;
use diptych_base::time::Epoch;

/// Edges by their start.
type Edges<'s, N> = Arranged<'s, TraceAgent<ValSpine<N, N, Epoch, isize>>>;

/// Rounds between two ranks: as long as paths are in most graphs, so that labels let in before have
/// arrived. A longer path costs extra changes, not a wrong answer.
const ROUNDS: usize = 256;

/// Binary digits after the first that a rank distinguishes.
const DIGITS: u32 = 4;

/// Leading zeros of the lots for which a rank distinguishes these digits.
const ZEROS: u32 = 12;

/// The least label of each node: among its own labels and those of all nodes that it can be reached
/// from.
///
/// `lot` should be equally distributed among labels, and ordered as they are: labels are let in by
/// their lots.
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

/// The rank of a lot, its logarithm, monotone: in whole binary digits, for small lots in
/// sixteenths.
fn rank(lot: u64) -> usize {
    let Some(digits) = lot.checked_ilog2() else { return 0 };
    // The digits after the first, as many as are distinguished.
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
