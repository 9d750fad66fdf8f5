//! The expected output of each dataflow, computed with whole numbers that have no ends.

use std::collections::BTreeMap;

use num_bigint::BigInt;

use crate::Answer;
use crate::flows::{Fact, Kind};

const SECOND: i64 = 1_000_000;

/// The ends of a type, and its name.
#[derive(Clone)]
struct Type(BigInt, BigInt, &'static str);

fn long() -> Type {
    Type(i64::MIN.into(), i64::MAX.into(), "i64")
}

fn digits() -> Type {
    let most: BigInt = BigInt::from(10).pow(38) - 1;
    Type(-most.clone(), most, "Decimal<0>")
}

impl Type {
    fn holds(&self, number: &BigInt) -> bool {
        (&self.0..=&self.1).contains(&number)
    }
}

/// A number, with its weight.
type Weighed = (BigInt, BigInt);

impl Kind {
    pub(crate) fn expected(self, facts: &[&Fact]) -> Answer {
        let one = || BigInt::from(1);
        let once = |f: &Fact| (f.n.into(), one());
        let weighed = |f: &Fact| (f.n.into(), f.weight.into());
        let small = Type(i32::MIN.into(), i32::MAX.into(), "i32");
        let longest = Type(i128::MIN.into(), i128::MAX.into(), "i128");
        match self {
            Kind::Sum | Kind::FoldedSum => sums(facts, "sum", &long(), once),
            Kind::SumOfSmall => sums(facts, "sum", &small, |f| (f.small.into(), one())),
            Kind::SumOfLong => sums(facts, "sum", &longest, |f| (f.digits.units().into(), one())),
            Kind::SumOfDigits => {
                sums(facts, "sum", &digits(), |f| (f.digits.units().into(), one()))
            }
            Kind::SumOfSeveral => several(facts, &small),
            Kind::Weighted => sums(facts, "sum", &long(), weighed),
            Kind::WeightedDigits => {
                sums(facts, "sum", &digits(), |f| (f.digits.units().into(), f.weight.into()))
            }
            Kind::Counted => counts(facts),
            Kind::Distinct => {
                let mut answer = Answer::default();
                for (key, of_key) in grouped(facts, |f| f.key) {
                    if total(&of_key, |f| weighed(f)).1 > BigInt::ZERO {
                        answer.rows.insert((key, String::new()), 1);
                    }
                }
                answer
            }
            Kind::Collected => collected(facts).0,
            Kind::Behind => sums(facts, "sum_values", &long(), once),
            Kind::BehindCollected => {
                let (Answer { refused, .. }, rows) = collected(facts);
                let mut answer = Answer { refused, ..Answer::default() };
                for (key, rows) in grouped(&rows, |(key, ..)| *key) {
                    let (sum, events) =
                        total(&rows, |(_, n, copies)| (BigInt::from(*n), BigInt::from(*copies)));
                    answer.tell("sum_values", key, &long(), (sum, events));
                }
                answer
            }
            Kind::Running => running(facts),
            Kind::Windows => windows(facts),
            Kind::FoldedMean => means(facts),
            Kind::FoldedBehind => sums(facts, "fold_values", &long(), once),
            Kind::Kept => sums(&kept(facts), "sum", &long(), once),
            Kind::KeptCount => counts(&kept(facts)),
        }
    }
}

impl Answer {
    fn tell(&mut self, place: &str, key: i64, of: &Type, (sum, events): Weighed) {
        if sum == BigInt::ZERO && events == BigInt::ZERO {
            return;
        }
        if of.holds(&sum) {
            self.rows.insert((key, sum.to_string()), 1);
        } else {
            self.refuse(place, &key.to_string(), &beyond("sum", &sum, of.2));
        }
    }

    fn refuse(&mut self, place: &str, key: &str, reason: &str) {
        let reason = format!("key {key}: {reason}");
        *self.refused.entry((place.to_owned(), reason)).or_default() += 1;
    }
}

fn beyond(what: &str, found: &impl ToString, name: &str) -> String {
    let found = found.to_string();
    format!("the {what} {found} is out of the range of {name}: use a wider type")
}

fn grouped<T: Clone>(all: &[T], key: impl Fn(&T) -> i64) -> BTreeMap<i64, Vec<T>> {
    let mut groups: BTreeMap<i64, Vec<T>> = BTreeMap::new();
    all.iter().for_each(|one| groups.entry(key(one)).or_default().push(one.clone()));
    groups
}

/// The weighted sum, and the sum of the weights.
fn total<T>(all: &[T], of: impl Fn(&T) -> Weighed) -> Weighed {
    all.iter().map(of).fold((BigInt::ZERO, BigInt::ZERO), |(sum, events), (n, times)| {
        (sum + n * &times, events + times)
    })
}

fn sums(facts: &[&Fact], place: &str, of: &Type, weighed: impl Fn(&Fact) -> Weighed) -> Answer {
    let mut answer = Answer::default();
    for (key, of_key) in grouped(facts, |f| f.key) {
        answer.tell(place, key, of, total(&of_key, |f| weighed(f)));
    }
    answer
}

fn several(facts: &[&Fact], small: &Type) -> Answer {
    let mut answer = Answer::default();
    for (key, of_key) in grouped(facts, |f| f.key) {
        let (n, _) = total(&of_key, |f| (f.n.into(), 1.into()));
        let (other, _) = total(&of_key, |f| (f.small.into(), 1.into()));
        if long().holds(&n) && small.holds(&other) {
            answer.rows.insert((key, format!("{n} {other}")), 1);
        } else {
            let found = format!("({n}, {other})");
            answer.refuse("sum", &key.to_string(), &beyond("sum", &found, "(i64, i32)"));
        }
    }
    answer
}

fn counts(facts: &[&Fact]) -> Answer {
    let mut answer = Answer::default();
    for (key, of_key) in grouped(facts, |f| f.key) {
        let (_, count) = total(&of_key, |f| (1.into(), f.weight.into()));
        if !long().holds(&count) {
            answer.refuse("count", &key.to_string(), &beyond("count", &count, "i64"));
        } else if count != BigInt::ZERO {
            answer.rows.insert((key, count.to_string()), 1);
        }
    }
    answer
}

/// Rows with their multiplicities, which are bounded.
fn collected(facts: &[&Fact]) -> (Answer, Vec<(i64, i64, i64)>) {
    let mut copies: BTreeMap<(i64, i64), BigInt> = BTreeMap::new();
    for fact in facts {
        *copies.entry((fact.key, fact.n)).or_default() += fact.weight;
    }
    let (mut answer, mut rows) = (Answer::default(), Vec::new());
    for ((key, n), copies) in copies {
        let row = format!("(({key}, {n}), ())");
        match i64::try_from(&copies) {
            Ok(0) => {}
            Ok(copies) if i32::try_from(copies.unsigned_abs()).is_ok() => {
                answer.rows.insert((key, n.to_string()), copies);
                rows.push((key, n, copies));
            }
            Ok(copies) => {
                let reason = format!("{copies} copies of a row: weigh less, or `sum` instead");
                answer.refuse("rows", &row, &reason);
            }
            Err(_) => answer.refuse("rows", &row, &beyond("count", &copies, "i64")),
        }
    }
    (answer, rows)
}

fn running(facts: &[&Fact]) -> Answer {
    let mut answer = Answer::default();
    for (key, mut of_key) in grouped(facts, |f| f.key) {
        of_key.sort_by_key(|fact| fact.id);
        let mut sum = BigInt::ZERO;
        for Fact { id, n, .. } in of_key {
            sum += *n;
            if long().holds(&sum) {
                answer.rows.insert((key, format!("{id} {n} {sum}")), 1);
            } else {
                let reason = beyond("sum", &sum, "i64");
                answer.refuse("running_sum", &format!("({key}, {id})"), &reason);
            }
        }
    }
    answer
}

/// Panes are summed first, and then the windows, of panes that are in range.
fn windows(facts: &[&Fact]) -> Answer {
    let mut panes: BTreeMap<(i64, i64), BigInt> = BTreeMap::new();
    for fact in facts {
        *panes.entry((fact.at.micros(), fact.key)).or_default() += fact.n;
    }
    let mut answer = Answer::default();
    let mut windows: BTreeMap<(i64, i64), BigInt> = BTreeMap::new();
    for ((at, key), sum) in panes {
        let shown = diptych::event::Timestamp::from_micros(at);
        if long().holds(&sum) {
            *windows.entry((at - at.rem_euclid(10 * SECOND), key)).or_default() += sum;
        } else {
            answer.refuse("panes", &format!("({shown}, {key})"), &beyond("sum", &sum, "i64"));
        }
    }
    for ((start, key), sum) in windows {
        if long().holds(&sum) {
            answer.rows.insert((key, format!("{start} {sum}")), 1);
            continue;
        }
        let [start, end] = [start, start + 10 * SECOND].map(diptych::event::Timestamp::from_micros);
        let window = format!("(Window {{ start: {start}, end: {end} }}, {key})");
        answer.refuse("sum_values", &window, &beyond("sum", &sum, "i64"));
    }
    answer
}

fn means(facts: &[&Fact]) -> Answer {
    let mut answer = Answer::default();
    for (key, of_key) in grouped(facts, |f| f.key) {
        let (sum, n) = total(&of_key, |f| (f.digits.units().into(), 1.into()));
        // Halves go away from zero.
        let sign = if sum < BigInt::ZERO { -1 } else { 1 };
        let mean: BigInt = (sum * sign * 2 + &n) / (n * 2) * sign;
        answer.rows.insert((key, mean.to_string()), 1);
    }
    answer
}

/// The facts of the last ten seconds, in whole seconds.
fn kept<'f>(facts: &[&'f Fact]) -> Vec<&'f Fact> {
    let second = |fact: &Fact| fact.at.micros() / SECOND;
    let newest = facts.iter().map(|fact| second(fact)).max().unwrap_or(0);
    facts.iter().copied().filter(|fact| second(fact) >= newest - 10).collect()
}
