//! The dataflow of the golden batch view, unchanged since that was written.

use diptych::event::Decimal;
use diptych::folds::{Count, Mean, Sum};
use diptych::{Dataflow, Event};

#[derive(Event, Clone, Debug)]
pub(crate) struct Number {
    pub(crate) key: i64,
    pub(crate) n: i64,
    pub(crate) cents: Decimal<2>,
    pub(crate) weight: i64,
}

pub(crate) fn sums(df: &mut Dataflow<'_>) {
    df.version("1");
    let numbers = df.events::<Number>("numbers");
    let both = numbers.clone().map(|e| (e.key, (e.n, e.cents))).sum("both");
    let folds = numbers
        .clone()
        .map(|e| (e.key, ((), e.n, e.cents)))
        .fold::<(Count, Sum<i64>, Mean<Decimal<2>>), i64>("folds")
        .map(|(key, (n, sum, mean))| (key, (n.get(), sum.get(), mean.decimal::<2>())));
    df.view("sums", numbers.clone().map(|e| (e.key, e.n)).sum("sums"));
    df.view("both", both);
    df.view("counts", numbers.weighted(|e| e.weight).map(|e| e.key).count("counts"));
    df.view("folds", folds);
}
