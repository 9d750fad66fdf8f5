//! The naive twin of each built-in dataflow.

use std::collections::{BTreeMap, BTreeSet};

use dataflows::{Customer, Edge, IdentifiedTweet, InvoiceLine, Order, Transfer, Tweet};
use diptych::event::{Date, Decimal};
use num_bigint::BigInt;

use super::text::hashtags;
use super::value::{add, once};
use super::{Answer, Fact, Rows, Value};

macro_rules! only {
    ($facts:expr, $variant:ident) => {
        $facts.iter().filter_map(|fact| match fact {
            Fact::$variant(event) => Some(event),
            _ => None,
        })
    };
}

/// Computes all views of the dataflow called `name` from all facts, in whatever order.
pub(crate) fn twin(name: &str, facts: &[&Fact]) -> Answer {
    let mut answer = match name {
        "word_count" => word_count(facts),
        "tweets" => tweets(facts),
        "trending" => trending(facts, facts),
        "tweets_dedup" => tweets_dedup(facts),
        "bank" => bank(only!(facts, Transfer).cloned()),
        "orders" => orders(facts),
        "reachability" => reachability(facts),
        "retail" => retail(facts),
        _ => panic!("{name} has no naive twin: write one, and a generator"),
    };
    // There alone nothing is summed, and no key is text.
    if name != "reachability" {
        answer.entry("errors".to_owned()).or_default();
    }
    answer
}

/// A row of `errors` for a result that is out of range.
fn refused(place: &str, reason: String) -> Vec<Value> {
    vec![Value::Rank(u64::MAX), text(place), text(&reason), Value::Int(1)]
}

fn answer<const N: usize>(views: [(&str, Rows); N]) -> Answer {
    views.into_iter().map(|(name, rows)| (name.to_owned(), rows)).collect()
}

fn word_count(facts: &[&Fact]) -> Answer {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for line in only!(facts, Line) {
        for word in line.text.split(char::is_whitespace).filter(|word| !word.is_empty()) {
            *counts.entry(word).or_default() += 1;
        }
    }
    let rows = counts.into_iter().map(|(word, n)| vec![Value::Text(word.into()), Value::Int(n)]);
    answer([("counts", once(rows))])
}

/// The three views of messages, given as (microseconds, author, text).
fn tag_views(messages: &[(i64, &str, &str)]) -> Answer {
    const HOUR: i64 = 3_600_000_000;
    let mut by_hour: BTreeMap<i64, BTreeMap<String, i64>> = BTreeMap::new();
    let mut authors: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (at, author, text) in messages {
        let hour = at - at.rem_euclid(HOUR);
        for tag in hashtags(text) {
            *by_hour.entry(hour).or_default().entry(tag.clone()).or_default() += 1;
            authors.entry(tag).or_default().insert(author);
        }
    }
    let (mut tags_by_hour, mut top_tags) = (Vec::new(), Vec::new());
    for (hour, tags) in by_hour {
        let mut tags: Vec<(String, i64)> = tags.into_iter().collect();
        for (tag, n) in &tags {
            tags_by_hour.push(vec![Value::Micros(hour), text(tag), Value::Int(*n)]);
        }
        tags.sort_by(|(tag_a, a), (tag_b, b)| b.cmp(a).then(tag_a.cmp(tag_b)));
        for (place, (tag, n)) in tags.iter().take(10).enumerate() {
            let rank = Value::Rank(place as u64 + 1);
            top_tags.push(vec![Value::Micros(hour), rank, text(tag), Value::Int(*n)]);
        }
    }
    let tag_authors =
        authors.iter().map(|(tag, who)| vec![text(tag), Value::Int(who.len() as i64)]);
    answer([
        ("tags_by_hour", once(tags_by_hour)),
        ("top_tags", once(top_tags)),
        ("tag_authors", once(tag_authors)),
    ])
}

fn tweets(facts: &[&Fact]) -> Answer {
    let messages: Vec<_> = only!(facts, Tweet)
        .map(|t| (t.publish_date.micros(), t.author_id.as_str(), t.content.as_str()))
        .collect();
    tag_views(&messages)
}

/// The views of `trending`. `seen` are all facts ever: one that was taken back still says how late
/// it is.
pub(crate) fn trending(facts: &[&Fact], seen: &[&Fact]) -> Answer {
    const HOUR: i64 = 3_600_000_000;
    let at = |t: &Tweet| t.publish_date.micros();
    // All of them are long past by the log's clock, which therefore does not matter.
    let newest = only!(seen, Tweet).map(at).max().unwrap_or_default();
    let hour = |at: i64| at - at.rem_euclid(HOUR);
    let recent = || only!(facts, Tweet).filter(|t| at(t) >= hour(newest - 48 * HOUR));
    let (mut tags, mut hours) = (BTreeMap::new(), BTreeMap::new());
    let mut voices: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for tweet in recent() {
        for tag in hashtags(&tweet.content) {
            *tags.entry(tag.clone()).or_insert(0) += 1;
            *hours.entry((hour(at(tweet)), tag.clone())).or_insert(0) += 1;
            voices.entry(tag).or_default().insert(&tweet.author_id);
        }
    }
    let mut top: Vec<(String, i64)> = tags.into_iter().collect();
    top.sort_by(|(tag_a, a), (tag_b, b)| b.cmp(a).then(tag_a.cmp(tag_b)));
    let top = top.iter().take(20).zip(1_u64..);
    let top = top.map(|((tag, n), rank)| vec![Value::Rank(rank), text(tag), Value::Int(*n)]);
    let minute = (newest - 6 * HOUR).div_euclid(HOUR / 60) * (HOUR / 60);
    let hours = hours.into_iter().filter(|((hour, _), _)| *hour >= minute);
    let hours = hours.map(|((hour, tag), n)| vec![Value::Micros(hour), text(&tag), Value::Int(n)]);
    let voices = voices.iter().map(|(tag, who)| vec![text(tag), Value::Int(who.len() as i64)]);
    let errors = ("errors", Rows::new());
    answer([("trending", once(top)), ("voices", once(voices)), ("hours", once(hours)), errors])
}

fn tweets_dedup(facts: &[&Fact]) -> Answer {
    let mut least: BTreeMap<i64, (i64, &str, &str)> = BTreeMap::new();
    for IdentifiedTweet { id, publish_date, author_id, content } in only!(facts, IdentifiedTweet) {
        let copy = (publish_date.micros(), author_id.as_str(), content.as_str());
        let kept = least.entry(*id).or_insert(copy);
        if copy < *kept {
            *kept = copy;
        }
    }
    tag_views(&least.into_values().collect::<Vec<_>>())
}

/// The views of `bank`; from an iterator, because there may be many millions.
pub(crate) fn bank(transfers: impl Iterator<Item = Transfer>) -> Answer {
    let mut credits: BTreeMap<i64, i128> = BTreeMap::new();
    let mut debits: BTreeMap<i64, i128> = BTreeMap::new();
    for Transfer { from_account, to_account, amount, .. } in transfers {
        *credits.entry(to_account).or_default() += i128::from(amount);
        *debits.entry(from_account).or_default() += i128::from(amount);
    }
    let accounts: BTreeSet<i64> = credits.keys().chain(debits.keys()).copied().collect();
    let (mut balance, mut outer, mut total) = (BTreeMap::new(), BTreeMap::new(), 0);
    for account in &accounts {
        let (credit, debit) = (credits.get(account), debits.get(account));
        let sum = credit.unwrap_or(&0) - debit.unwrap_or(&0);
        if credit.is_some() && debit.is_some() {
            balance.insert(*account, sum);
        }
        outer.insert(*account, sum);
        total += sum;
    }
    assert_eq!(total, 0, "what is moved is neither made nor lost");
    let total = (!accounts.is_empty()).then(|| vec![Value::Int(0)]);
    let mut answer = answer([("total", once(total)), ("errors", Rows::new())]);
    let views =
        [("credits", credits), ("debits", debits), ("balance", balance), ("balance_outer", outer)];
    for (view, sums) in views {
        let (mut rows, mut beyond) = (Rows::new(), Rows::new());
        for (account, sum) in sums {
            if let Ok(sum) = i64::try_from(sum) {
                add(&mut rows, vec![Value::Int(account), Value::Int(sum)], 1);
            } else {
                let why = format!("key ({account}, {sum}): more than the column holds");
                add(&mut beyond, refused(view, why), 1);
            }
        }
        answer.insert(view.to_owned(), rows);
        answer.entry("errors".to_owned()).or_default().extend(beyond);
    }
    answer
}

fn orders(facts: &[&Fact]) -> Answer {
    const DAY: i64 = 86_400_000_000;
    let customers: Vec<&Customer> = only!(facts, Customer).collect();
    let country_of = |id: i64| {
        let rows = customers.iter().filter(|customer| customer.id == id);
        let latest = rows.max_by_key(|row| (row.at.micros(), &row.country, &row.name));
        latest.map(|row| row.country.clone())
    };
    let mut spent: BTreeMap<(i64, i32), BigInt> = BTreeMap::new();
    for Order { customer, amount, at, .. } in only!(facts, Order) {
        let day = at.micros().div_euclid(DAY) as i32;
        *spent.entry((*customer, day)).or_default() += amount.units();
    }
    let mut errors = Rows::new();
    let mut told = |place: &str, key: String, sum: &BigInt| {
        let units = i128::try_from(sum).ok().and_then(Decimal::<2>::new).map(Decimal::units);
        if units.is_none() {
            let why = format!(
                "key {key}: the sum {sum}e-2 is out of the range of Decimal<2>: use a wider type"
            );
            add(&mut errors, refused(place, why), 1);
        }
        units
    };
    let mut revenue: BTreeMap<(String, i32), BigInt> = BTreeMap::new();
    for ((customer, day), sum) in spent {
        let shown = format!("({customer}, {:?})", Date::from_days(day));
        if let (Some(units), Some(country)) = (told("spent", shown, &sum), country_of(customer)) {
            *revenue.entry((country, day)).or_default() += units;
        }
    }
    let mut rows = Rows::new();
    for ((country, day), sum) in revenue {
        let shown = format!("({country:?}, {:?})", Date::from_days(day));
        if let Some(units) = told("sum_values", shown, &sum) {
            add(&mut rows, vec![text(&country), Value::Day(day), Value::Digits(units)], 1);
        }
    }
    answer([("revenue", rows), ("errors", errors)])
}

fn reachability(facts: &[&Fact]) -> Answer {
    let mut edges: BTreeMap<(i64, i64), i128> = BTreeMap::new();
    for Edge { src, dst, diff } in only!(facts, Edge) {
        *edges.entry((*src, *dst)).or_default() += i128::from(*diff);
    }
    let mut reached: BTreeSet<i64> = only!(facts, Root).map(|root| root.node).collect();
    // As many rounds as there are edges are enough.
    for _ in 0..edges.len() {
        for ((src, dst), times) in &edges {
            if *times > 0 && reached.contains(src) {
                reached.insert(*dst);
            }
        }
    }
    answer([("reached", once(reached.iter().map(|node| vec![Value::Int(*node)])))])
}

fn retail(facts: &[&Fact]) -> Answer {
    const HOUR: i64 = 3_600_000_000;
    let mut sales: BTreeMap<(&str, i64, &str), (i64, i128)> = BTreeMap::new();
    let mut hours: BTreeMap<(&str, i64), i128> = BTreeMap::new();
    let mut sold: BTreeMap<&str, BTreeMap<&str, (i64, i128)>> = BTreeMap::new();
    let mut products: BTreeMap<&str, (i64, i128)> = BTreeMap::new();
    let mut customers: BTreeMap<&str, (BTreeSet<&str>, i128)> = BTreeMap::new();
    for line in only!(facts, InvoiceLine) {
        let InvoiceLine { invoice, product, quantity, at, price, customer, country } = line;
        let revenue = price.units() * i128::from(*quantity);
        let hour = at.micros() - at.micros().rem_euclid(HOUR);
        *hours.entry((country, hour)).or_default() += revenue;
        let here = sold.entry(country).or_default().entry(product).or_default();
        let now = sales.entry((country, hour, product)).or_default();
        for total in [now, here, products.entry(product).or_default()] {
            *total = (total.0 + quantity, total.1 + revenue);
        }
        if !customer.is_empty() {
            let (invoices, spent) = customers.entry(customer).or_default();
            invoices.insert(invoice);
            *spent += revenue;
        }
    }
    let mut top = Vec::new();
    for (country, products) in &sold {
        let mut products: Vec<_> = products.iter().collect();
        products.sort_by_key(|(product, (_, revenue))| (-revenue, *product));
        for (place, (product, (_, revenue))) in products.iter().take(10).enumerate() {
            let rank = Value::Rank(place as u64 + 1);
            top.push(vec![text(country), rank, text(product), Value::Digits(*revenue)]);
        }
    }
    let digits = |units: &i128| Value::Digits(*units);
    let (hours, sales) = (hours.iter(), sales.iter());
    let sales = sales.map(|((c, h, p), (n, r))| {
        vec![text(c), Value::Micros(*h), text(p), Value::Int(*n), digits(r)]
    });
    answer([
        // No line that is made up, or real, is implausible.
        ("errors", Rows::new()),
        ("sales", once(sales)),
        ("revenue", once(hours.map(|((c, h), r)| vec![text(c), Value::Micros(*h), digits(r)]))),
        (
            "products",
            once(products.iter().map(|(p, (n, r))| vec![text(p), Value::Int(*n), digits(r)])),
        ),
        ("top_products", once(top)),
        (
            "customers",
            once(customers.iter().map(|(who, (invoices, spent))| {
                vec![text(who), Value::Int(invoices.len() as i64), digits(spent)]
            })),
        ),
    ])
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
