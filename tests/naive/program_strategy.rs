//! The proptest strategy for random programs.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::program::{Change, Expr, Kind, Program, Shape, Split, Test};

const ANY_SIGN: [Kind; 5] =
    [Kind::Count, Kind::Sum, Kind::Distinct, Kind::Collect, Kind::KeyedJoin];
const ANY_KIND: [Kind; 8] = [
    Kind::Count,
    Kind::Sum,
    Kind::Distinct,
    Kind::Collect,
    Kind::KeyedJoin,
    Kind::Latest,
    Kind::DistinctBy,
    Kind::Fold,
];

/// Programs of one to three barriers and up to about eight operators behind them.
pub(crate) fn program() -> impl Strategy<Value = Program> {
    (vec(barrier(), 1..4), expr()).prop_map(|(barriers, rest)| Program { barriers, rest })
}

fn barrier() -> impl Strategy<Value = (Shape, Kind)> {
    let unsigned = prop_oneof![
        (change(), test(), change()).prop_map(|(a, b, c)| Shape::Straight(a, b, c)),
        (split(), change()).prop_map(|(a, b)| Shape::Spread(a, b)),
        test().prop_map(Shape::Fallible),
        (test(), change(), split()).prop_map(|(a, b, c)| Shape::Both(a, b, c)),
    ];
    let signed = prop_oneof![
        (change(), test(), change()).prop_map(|(a, b, c)| Shape::Signed(a, b, c)),
        split().prop_map(Shape::Correct),
    ];
    prop_oneof![
        2 => (unsigned, select(ANY_KIND.to_vec())),
        1 => (signed, select(ANY_SIGN.to_vec())),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Same),
        (-3_i64..4).prop_map(Change::Scale),
        select(vec!["", "a", "\0"]).prop_map(Change::Key),
        Just(Change::Swap),
        Just(Change::Longer),
    ]
}

fn test() -> impl Strategy<Value = Test> {
    prop_oneof![
        Just(Test::Always),
        (-9_i64..9).prop_map(Test::Above),
        Just(Test::Even),
        select(vec!["", "a", "b"]).prop_map(Test::KeyIs),
    ]
}

fn split() -> impl Strategy<Value = Split> {
    prop_oneof![Just(Split::Twice), (0_i64..4).prop_map(Split::UpTo), Just(Split::Letters)]
}

fn expr() -> impl Strategy<Value = Expr> {
    let leaf = (0_usize..3).prop_map(Expr::Barrier);
    leaf.prop_recursive(3, 8, 2, |inner| {
        let one = inner.clone().prop_map(Box::new);
        let two = (inner.clone().prop_map(Box::new), inner.prop_map(Box::new));
        let pairwise =
            |make: fn(Box<Expr>, Box<Expr>) -> Expr| two.clone().prop_map(move |(a, b)| make(a, b));
        let unary = |make: fn(Box<Expr>) -> Expr| one.clone().prop_map(make);
        prop_oneof![
            (change(), one.clone()).prop_map(|(change, input)| Expr::Map(change, input)),
            (test(), one.clone()).prop_map(|(test, input)| Expr::Filter(test, input)),
            (split(), one.clone()).prop_map(|(split, input)| Expr::FlatMap(split, input)),
            pairwise(Expr::Concat),
            pairwise(Expr::Minus),
            unary(Expr::Distinct),
            unary(Expr::Count),
            unary(Expr::Sum),
            unary(Expr::DistinctCount),
            unary(Expr::Greatest),
            (0_usize..4, any::<bool>(), one.clone())
                .prop_map(|(k, greatest, input)| Expr::TopK(k, greatest, input)),
            (0_usize..4, any::<bool>(), one.clone())
                .prop_map(|(k, greatest, input)| Expr::WithTies(k, greatest, input)),
            (any::<bool>(), one.clone()).prop_map(|(greatest, input)| Expr::End(greatest, input)),
            unary(Expr::Fold),
            unary(Expr::Components),
            unary(Expr::Sessions),
            pairwise(Expr::AsOf),
            pairwise(Expr::Join),
            pairwise(Expr::Semijoin),
            pairwise(Expr::Antijoin),
            pairwise(Expr::Reach),
            pairwise(Expr::Distance),
        ]
    })
}
