//! A `reduce` whose input frontier is ahead of the arrangement that feeds it.
//!
//! A region takes its place in the schedule when it is begun. So a `reduce` inside runs before an
//! arrangement that is drawn outside of it later, and learns of a frontier that the arrangement
//! has not reached: it then closes times in the middle of the arrangement's next batch. Before
//! 0.26, differential wanted to cut the arrangement there, and panicked.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeMap;

use diptych::differential_dataflow::operators::iterate::Variable;
use diptych::differential_dataflow::trace::implementations::{ValBuilder, ValSpine};
use diptych::testing::{Live, Story, check_law};
use diptych::time::Epoch;
use diptych::timely::order::Product;
use diptych::{Dataflow, Event};

#[derive(Event, Clone, Debug)]
struct Label {
    node: i64,
    label: i64,
}

type Round = Product<Epoch, u64>;
type Builder = ValBuilder<i64, i64, Round, isize>;
type Spine = ValSpine<i64, i64, Round, isize>;

/// The least label of each node. A label enters the loop in the round of its own number, so the
/// arrangement holds updates of rounds to come, and the frontier jumps from one to the next.
fn least_labels(df: &mut Dataflow) {
    let labels = df.events::<Label>("labels").map(|label| (label.node, label.label));
    let labels = labels.collect("labels");
    let outer = labels.scope();
    let least = outer.scoped::<Round, _, _>("Rounds", |rounds| {
        let entering = labels.enter_at(rounds, |(_, label)| *label as u64);
        let (told, heard) = Variable::new(rounds, Product::new(0, 1));
        let all = heard.concat(entering);
        let least = rounds.region(|region| {
            all.arrange_by_key()
                .enter_region(region)
                .reduce_abelian::<_, Builder, Spine, _, _>(
                    "Least label",
                    |_, labels, least| least.push((*labels[0].0, 1)),
                    |rows, node, labels| {
                        rows.clear();
                        rows.extend(labels.drain(..).map(|(l, round, n)| ((*node, l), round, n)));
                    },
                )
                .as_collection(|node, label| (*node, *label))
                .leave_region(rounds)
        });
        told.set(least.clone());
        least.leave(outer)
    });
    df.view("least_labels", least);
}

/// Epochs of labels: far ones, near ones, several in one epoch, a lesser one behind a greater.
fn epochs() -> Vec<Vec<Label>> {
    let epochs: [&[(i64, i64)]; 5] =
        [&[(1, 7)], &[(1, 9), (2, 3), (3, 40)], &[], &[(3, 12), (1, 8)], &[(1, 0), (2, 5)]];
    let label = |(node, label): &(i64, i64)| Label { node: *node, label: *label };
    epochs.iter().map(|labels| labels.iter().map(label).collect()).collect()
}

#[test]
fn closes_rounds_that_the_arrangement_has_not_reached() {
    let mut live = Live::start(("least_labels", least_labels)).unwrap();
    let mut expected: BTreeMap<i64, i64> = BTreeMap::new();
    for labels in epochs() {
        live.feed("labels", &labels).unwrap();
        for Label { node, label } in labels {
            expected.entry(node).and_modify(|least| *least = label.min(*least)).or_insert(label);
        }
        let rows = live.rows::<i64, i64>("least_labels").unwrap();
        assert_eq!(rows, expected.clone().into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn the_law_holds_for_it() {
    for seed in 0..8 {
        check_law(("least_labels", least_labels), &Story::of("labels", &epochs()), seed).unwrap();
    }
}
