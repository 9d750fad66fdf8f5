//! One dataflow for each operation that can leave a range. All publish `out`: a key, and the result
//! as text.

use std::time::Duration;

use arrow_array::RecordBatch;
use diptych::dataflow::{Collection, Definition, Keep, OrderedExt, PairsExt, PanesExt, Windows};
use diptych::event::EventAppender as _;
use diptych::event::{Decimal, Timestamp};
use diptych::folds::{Count, Mean, Sum};
use diptych::{Dataflow, Event};

/// Numbers of every type, under a key.
#[derive(Event, Clone, Debug, PartialEq)]
pub(crate) struct Fact {
    /// The position in the history: no two facts are one row.
    pub(crate) id: i64,
    pub(crate) key: i64,
    pub(crate) n: i64,
    pub(crate) small: i32,
    pub(crate) digits: Decimal<0>,
    pub(crate) weight: i64,
    pub(crate) at: Timestamp,
}

pub(crate) fn rows(facts: &[Fact]) -> RecordBatch {
    let mut appender = <Fact as Event>::Appender::default();
    facts.iter().for_each(|fact| appender.push(fact));
    appender.finish()
}

/// The operation of a dataflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sum,
    SumOfSmall,
    SumOfLong,
    SumOfDigits,
    SumOfSeveral,
    Weighted,
    WeightedDigits,
    Counted,
    Distinct,
    Collected,
    Behind,
    BehindCollected,
    Running,
    Windows,
    FoldedSum,
    FoldedMean,
    FoldedBehind,
    Kept,
    KeptCount,
}

impl Kind {
    pub(crate) const ALL: [Kind; 19] = [
        Kind::Sum,
        Kind::SumOfSmall,
        Kind::SumOfLong,
        Kind::SumOfDigits,
        Kind::SumOfSeveral,
        Kind::Weighted,
        Kind::WeightedDigits,
        Kind::Counted,
        Kind::Distinct,
        Kind::Collected,
        Kind::Behind,
        Kind::BehindCollected,
        Kind::Running,
        Kind::Windows,
        Kind::FoldedSum,
        Kind::FoldedMean,
        Kind::FoldedBehind,
        Kind::Kept,
        Kind::KeptCount,
    ];

    pub(crate) fn definition(self) -> Definition {
        Definition::new("ends", move |df| {
            let rows = self.draw(df);
            df.view("out", rows);
        })
    }

    fn draw<'s>(self, df: &mut Dataflow<'s>) -> Collection<'s, (i64, String)> {
        let facts = df.events::<Fact>("facts");
        let signed = facts.clone().weighted(|f| f.weight);
        match self {
            Kind::Sum => text(facts.map(|f| (f.key, f.n)).sum("sum")),
            Kind::SumOfSmall => text(facts.map(|f| (f.key, f.small)).sum("sum")),
            Kind::SumOfLong => text(facts.map(|f| (f.key, f.digits.units())).sum("sum")),
            Kind::SumOfDigits => text(facts.map(|f| (f.key, f.digits)).sum("sum")),
            Kind::SumOfSeveral => {
                let sums = facts.map(|f| (f.key, (f.n, f.small))).sum("sum");
                sums.map(|(key, (n, small))| (key, format!("{n} {small}")))
            }
            Kind::Weighted => text(signed.map(|f| (f.key, f.n)).sum("sum")),
            Kind::WeightedDigits => text(signed.map(|f| (f.key, f.digits)).sum("sum")),
            Kind::Counted => text(signed.map(|f| f.key).count("count")),
            Kind::Distinct => {
                signed.map(|f| f.key).distinct("distinct").map(|key| (key, String::new()))
            }
            Kind::Collected => text(signed.map(|f| (f.key, f.n)).collect("rows")),
            Kind::Behind => {
                let rows = facts.map(|f| (f.key, (f.id, f.n))).collect("rows");
                text(rows.map(|(key, (_, n))| (key, n)).sum_values())
            }
            Kind::BehindCollected => {
                text(signed.map(|f| (f.key, f.n)).collect("rows").sum_values())
            }
            Kind::Running => {
                let rows = facts.map(|f| (f.key, (f.id, f.n))).collect("rows");
                let sums = rows.running_sum();
                sums.map(|(key, (id, n, sum))| (key, format!("{id} {n} {sum}")))
            }
            Kind::Windows => {
                let seconds = |n| Windows::tumbling(Duration::from_secs(n));
                let panes = facts.map(|f| ((f.at, f.key), f.n)).sum("panes");
                let sums = panes.slide(seconds(10));
                sums.map(|((window, key), sum)| (key, format!("{} {sum}", window.start.micros())))
            }
            Kind::FoldedSum => {
                let sums = facts.map(|f| (f.key, ((), f.n))).fold::<(Count, Sum<i64>), _>("sum");
                text(sums.map(|(key, (_, sum))| (key, sum.get())))
            }
            Kind::FoldedMean => {
                let means = facts.map(|f| (f.key, f.digits)).fold::<Mean<Decimal<0>>, _>("mean");
                text(means.map(|(key, mean)| (key, mean.decimal::<0>())))
            }
            Kind::FoldedBehind => {
                let rows = facts.map(|f| (f.key, (f.id, f.n))).collect("rows");
                let sums = rows.map(|(key, (_, n))| (key, n)).fold_values::<Sum<i64>>();
                text(sums.map(|(key, sum)| (key, sum.get())))
            }
            Kind::Kept => {
                let kept = facts.retain(|f| f.at, Keep::seconds(10));
                text(kept.map(|f| (f.key, f.n)).sum("sum"))
            }
            Kind::KeptCount => {
                let kept = facts.retain(|f| f.at, Keep::seconds(10)).weighted(|f| f.weight);
                text(kept.map(|f| f.key).count("count"))
            }
        }
    }
}

fn text<V>(rows: Collection<'_, (i64, V)>) -> Collection<'_, (i64, String)>
where
    V: diptych::dataflow::Value + ToString,
{
    rows.map(|(key, value)| (key, value.to_string()))
}
