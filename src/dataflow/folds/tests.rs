//! Tests of each monoid against a naive twin, and against itself in another order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::{
    Bloom, Count, First, Histogram, HyperLogLog, Last, Max, Mean, Min, Quantiles, Set, Sum, Top,
    Variance, hash,
};
use crate::{Monoid, Summand};
use diptych_event::Decimal;

/// Merges all items one after another, and as a tree in another order: the results must be equal,
/// to the byte.
fn merged<M: Monoid>(items: &[M::Item], order: &[usize]) -> Result<M, TestCaseError>
where
    M::Item: Clone,
{
    let mut parts: Vec<M> = items.iter().cloned().map(M::of).collect();
    let mut forward = parts[0].clone();
    parts[1..].iter().cloned().for_each(|part| forward.merge(part));
    for at in order {
        if parts.len() > 1 {
            let one = parts.swap_remove(at % parts.len());
            let into = at / 7 % parts.len();
            parts[into].merge(one);
        }
    }
    let mut other = parts.pop().expect("some are left");
    while let Some(mut part) = parts.pop() {
        part.merge(other);
        other = part;
    }
    let bytes = |value: &M| bincode::serialize(value).expect("serialised");
    prop_assert_eq!(bytes(&forward), bytes(&other));
    prop_assert_eq!(&forward, &other);
    Ok(forward)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn all_are_what_they_say(
        items in vec(-50_i64..50, 1..60),
        order in vec(0_usize..10_000, 0..60),
    ) {
        let mut sorted = items.clone();
        sorted.sort_unstable();
        let least = sorted[0];
        let greatest = sorted[sorted.len() - 1];
        prop_assert_eq!(merged::<Min<i64>>(&items, &order)?.get(), least);
        prop_assert_eq!(merged::<Max<i64>>(&items, &order)?.get(), greatest);
        prop_assert_eq!(merged::<Sum<i64>>(&items, &order)?.get(), items.iter().sum::<i64>());
        let units = vec![(); items.len()];
        prop_assert_eq!(merged::<Count>(&units, &order)?.get(), items.len() as i64);
        let numbered: Vec<_> = items.iter().map(|item| (item % 5, *item)).collect();
        prop_assert_eq!(merged::<First<i64, i64>>(&numbered, &order)?.get(),
            *numbered.iter().min().expect("some"));
        prop_assert_eq!(merged::<Last<i64, i64>>(&numbered, &order)?.get(),
            *numbered.iter().max().expect("some"));
        let top: Vec<_> = sorted.iter().rev().take(3).copied().collect();
        prop_assert_eq!(merged::<Top<i64, 3>>(&items, &order)?.get(), top);
        prop_assert_eq!(merged::<Set<i64>>(&items, &order)?.get(),
            items.iter().copied().collect::<BTreeSet<_>>());
        let mut times = BTreeMap::new();
        items.iter().for_each(|item| *times.entry(*item).or_insert(0) += 1);
        prop_assert_eq!(merged::<Histogram<i64>>(&items, &order)?.get(), times);
        let both: Vec<_> = items.iter().map(|item| (*item, *item)).collect();
        let pair = merged::<(Min<i64>, Max<i64>)>(&both, &order)?;
        prop_assert_eq!((pair.0.get(), pair.1.get()), (least, greatest));
    }

    #[test]
    fn moments_are_exact(items in vec(-5_000_i64..5_000, 1..60), order in vec(0_usize..99, 0..60)) {
        let n = items.len() as f64;
        let mean = items.iter().sum::<i64>() as f64 / n;
        let found = merged::<Mean<i64>>(&items, &order)?;
        prop_assert!((found.decimal::<6>().to_f64() - mean).abs() <= 5e-7);
        let variance = items.iter().map(|item| (*item as f64 - mean).powi(2)).sum::<f64>() / n;
        let found = merged::<Variance<i64>>(&items, &order)?;
        prop_assert!((found.decimal::<3>().to_f64() - variance).abs() <= 1e-3 + variance * 1e-9);
        prop_assert!((found.deviation::<3>().to_f64() - variance.sqrt()).abs() <= 1e-3);
        let cents: Vec<_> =
            items.iter().map(|item| Decimal::<2>::new(i128::from(*item)).expect("small")).collect();
        let found = merged::<Mean<Decimal<2>>>(&cents, &order)?;
        prop_assert!((found.decimal::<0>().to_f64() - mean / 100.0).abs() <= 0.5 + 1e-9);
    }

    #[test]
    fn means_are_summed(items in vec((-50_i64..50, -2_i64..3), 0..40)) {
        let mut found = Mean::<i64>::zero();
        let mut sum = 0;
        let mut n = 0;
        for (item, times) in items {
            found.add(&Mean::of(item), times);
            (sum, n) = (sum + item * times, n + times);
            let mean = if n == 0 { 0.0 } else { sum as f64 / n as f64 };
            prop_assert!((found.decimal::<6>().to_f64() - mean).abs() <= 5e-7);
            prop_assert_eq!(found.count(), n.max(0) as u64);
        }
    }

    #[test]
    fn sketches_do_not_depend_on_order(
        items in vec(0_u64..4_000, 1..600),
        order in vec(0_usize..10_000, 0..600),
    ) {
        let hashes: Vec<_> = items.iter().map(hash).collect();
        let distinct = items.iter().collect::<BTreeSet<_>>().len() as f64;
        // 2^5 registers are soon all in use, 2^12 registers never are.
        merged::<HyperLogLog<5>>(&hashes, &order)?;
        let found = merged::<HyperLogLog<12>>(&hashes, &order)?.estimate() as f64;
        prop_assert!((found - distinct).abs() <= 5.0 + distinct * 0.1, "{} of {}", found, distinct);
        let filter = merged::<Bloom<640>>(&hashes, &order)?;
        prop_assert!(hashes.iter().all(|hash| filter.contains(*hash)));
        let numbers: Vec<_> = items.iter().map(|item| *item as i64 - 2_000).collect();
        let quantiles = merged::<Quantiles<7>>(&numbers, &order)?;
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        for permille in [0, 1, 250, 500, 990, 1000] {
            let rank = (sorted.len() * permille).div_ceil(1000).max(1);
            let exact = sorted[rank - 1];
            let found = quantiles.quantile(permille as u64);
            prop_assert!((exact - found).abs() * 128 <= exact.abs(), "{}: {}", exact, found);
        }
    }
}

#[test]
fn many_are_estimated() {
    for (count, least, most) in [(1_000_u64, 950, 1_050), (200_000, 190_000, 210_000)] {
        let all = (0..count).map(|n| HyperLogLog::<14>::of(hash(&n)));
        let all = all.reduce(|mut all, one| {
            all.merge(one);
            all
        });
        let found = all.expect("some").estimate();
        assert!((least..=most).contains(&found), "{found} of {count}");
    }
    let mut filter = Bloom::<10_240>::of(hash(&0_u64));
    (1..1_024_u64).for_each(|n| filter.merge(Bloom::of(hash(&n))));
    let wrong = (10_000..20_000_u64).filter(|n| filter.contains(hash(n))).count();
    assert!(wrong < 250, "{wrong} of 10,000 are wrongly said to be there");
}
