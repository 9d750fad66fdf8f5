//! The naive twin of `recommendations`: plain loops over all users, and all pairs of items.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use dataflows::{Purchase, draw_recommendations, recommendations};
use diptych::event::{Decimal, Timestamp};
use diptych::serving::Snapshot;
use diptych::testing::{Live, Story};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::drawn::Drawn;
use crate::follow::{epochs, follow, same};

/// The items of each user, with the time of the last purchase.
fn kept(purchases: &[Purchase]) -> BTreeMap<i64, BTreeMap<i64, Timestamp>> {
    let mut lines = BTreeMap::<i64, &Purchase>::new();
    for purchase in purchases {
        let known = lines.entry(purchase.line).or_insert(purchase);
        *known = purchase.min(known);
    }
    let mut kept = BTreeMap::<i64, BTreeMap<i64, Timestamp>>::new();
    let mut of_pairs = BTreeMap::<(i64, i64), Vec<&Purchase>>::new();
    for line in lines.into_values() {
        of_pairs.entry((line.user, line.item)).or_default().push(line);
    }
    for ((user, item), lines) in of_pairs {
        if lines.iter().map(|line| line.quantity).sum::<i64>() > 0 {
            let bought = lines.iter().filter(|line| line.quantity > 0);
            let last = bought.map(|line| line.at).max().expect("the sum is positive");
            kept.entry(user).or_default().insert(item, last);
        }
    }
    kept
}

/// The twenty last items of a user.
fn last(items: &BTreeMap<i64, Timestamp>) -> BTreeSet<i64> {
    let mut items: Vec<_> = items.iter().map(|(item, at)| (Reverse(*at), *item)).collect();
    items.sort_unstable();
    items.into_iter().take(20).map(|(_, item)| item).collect()
}

/// The greatest n with n² · one · two <= both² · 1,000,000, tried from the top.
fn likeness(both: i64, one: i64, two: i64) -> Decimal<3> {
    let fits = |n: &i64| n * n * one * two <= both * both * 1_000_000;
    let thousandths = (0..=1_000).rev().find(fits).expect("zero fits");
    Decimal::new(i128::from(thousandths)).expect("few digits")
}

type Likeness = BTreeMap<i64, Vec<(Reverse<Decimal<3>>, i64)>>;

/// Compares all views with those of the twin for the events so far.
pub(crate) fn check(snapshot: &Snapshot, purchases: &[Purchase]) -> usize {
    let kept = kept(purchases);
    let last: BTreeMap<i64, BTreeSet<i64>> =
        kept.iter().map(|(user, items)| (*user, last(items))).collect();
    let mut users = BTreeMap::<i64, i64>::new();
    let mut both = BTreeMap::<(i64, i64), i64>::new();
    for items in last.values() {
        for one in items {
            *users.entry(*one).or_default() += 1;
            for two in items.iter().filter(|two| *two != one) {
                *both.entry((*one, *two)).or_default() += 1;
            }
        }
    }
    let mut together = BTreeMap::new();
    let mut alike = Likeness::new();
    for ((one, two), n) in both {
        let likeness = likeness(n, users[&one], users[&two]);
        together.insert((one, two), (n, likeness));
        alike.entry(one).or_default().push((Reverse(likeness), two));
    }
    let mut similar = BTreeMap::new();
    for (item, others) in &mut alike {
        others.sort_unstable();
        others.truncate(10);
        for (rank, (Reverse(likeness), other)) in others.iter().enumerate() {
            similar.insert((*item, rank as u64 + 1), (*other, *likeness));
        }
    }
    let mut recommended = BTreeMap::new();
    for (user, items) in &last {
        let mut scores = BTreeMap::<i64, Decimal<3>>::new();
        for (Reverse(likeness), other) in items.iter().filter_map(|item| alike.get(item)).flatten()
        {
            if !kept[user].contains_key(other) {
                let score = scores.entry(*other).or_default();
                *score += *likeness;
            }
        }
        let mut scores: Vec<_> = scores.into_iter().map(|(item, s)| (Reverse(s), item)).collect();
        scores.sort_unstable();
        for (rank, (Reverse(score), item)) in scores.into_iter().take(5).enumerate() {
            recommended.insert((*user, rank as u64 + 1), (item, score));
        }
    }
    let found = recommended.len();
    same(snapshot, "together", together);
    same(snapshot, "similar", similar);
    same(snapshot, "recommended", recommended);
    found
}

#[test]
fn every_epoch_is_what_plain_loops_say() {
    let epochs = epochs(100);
    let purchases = draw_recommendations(1, epochs * 2);
    let drawn = Drawn { stream: "purchases", events: &purchases, epochs };
    let each = |epoch| vec![drawn.rows(epoch)];
    let mut found = 0;
    follow(("recommendations", recommendations), epochs, each, |epoch, snapshot| {
        found = check(snapshot, drawn.until(epoch));
    });
    let kept = kept(&purchases);
    let most = kept.values().map(BTreeMap::len).max().unwrap_or(0);
    println!(
        "{epochs} epochs, {} lines, {} users, at most {most} items each, {found} recommended",
        purchases.len(),
        kept.len(),
    );
    assert!(found > kept.len(), "{found} recommendations for {} users", kept.len());
    assert!(purchases.iter().any(|line| line.quantity < 0), "nothing comes back");
    assert!(epochs < 2_000 || most > 20, "nobody has more than count: {most}");
}

fn purchase(items: i64) -> impl Strategy<Value = Purchase> {
    let quantity = select(vec![1_i64, 1, 2, 3, -1, -2]);
    (0_i64..40, 0_i64..4, 0..items, quantity, 0_i64..5).prop_map(
        |(line, user, item, quantity, at)| Purchase {
            line,
            user,
            item,
            quantity,
            at: Timestamp::from_seconds(at),
        },
    )
}

#[test]
fn the_law_holds() {
    let stories = vec(vec(purchase(5), 0..8), 0..5).prop_map(|all| Story::of("purchases", &all));
    diptych::testing::assert_law!(("recommendations", recommendations), stories, 8);
}

#[test]
fn what_comes_back_is_recommended_again() {
    let line = |line, user, item, quantity| Purchase {
        line,
        user,
        item,
        quantity,
        at: Timestamp::from_seconds(line),
    };
    let mut live = Live::start(("recommendations", recommendations)).expect("live");
    let first = [line(1, 1, 10, 1), line(2, 1, 11, 2), line(3, 2, 10, 1)];
    let row = |user, item, thousandths| {
        ((user, 1_u64), (item, Decimal::<3>::new(thousandths).expect("few digits")))
    };
    let recommended =
        |live: &Live| live.rows::<(i64, u64), (i64, Decimal<3>)>("recommended").expect("rows");
    live.feed("purchases", &first).expect("fed");
    // Two have 10, one of them 11: 1 / √2.
    assert_eq!(recommended(&live), [row(2, 11, 707)]);
    live.feed("purchases", &[line(4, 2, 11, 1), line(4, 2, 11, 1)]).expect("fed");
    assert_eq!(recommended(&live), []);
    live.restart(2).expect("restarted");
    live.feed("purchases", &[line(5, 2, 11, -1)]).expect("fed");
    assert_eq!(recommended(&live), [row(2, 11, 707)]);
}
