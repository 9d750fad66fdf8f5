//! Random histories: late, repeated and out-of-order facts, ties, empty epochs, odd texts.

use dataflows::{Customer, Edge, IdentifiedTweet, InvoiceLine, Line, Order, Root, Transfer, Tweet};
use diptych::event::{Decimal, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::facts::{Mark, Note};
use super::text::alphabet;
use super::{Fact, History};

/// Histories for the built-in dataflow called `name`.
pub(crate) fn history(name: &str) -> BoxedStrategy<History> {
    match name {
        "word_count" => epochs(line()),
        "tweets" => epochs(tweet()),
        "trending" => epochs(prop_oneof![4 => tweet(), 2 => spread_tweet()]),
        "tweets_dedup" => epochs(identified_tweet()),
        "bank" => epochs(transfer()),
        "orders" => epochs(prop_oneof![3 => order(), 2 => customer()]),
        "reachability" => epochs(prop_oneof![6 => edge(), 1 => root()]),
        "retail" => epochs(invoice_line()),
        _ => panic!("{name} has no generator"),
    }
}

/// Epochs of such facts: mostly a few small ones (also empty ones), sometimes many, sometimes one
/// large one. Some facts are repeated, in any epoch.
pub(crate) fn epochs<S>(fact: S) -> BoxedStrategy<History>
where
    S: Strategy<Value = Fact> + Clone + 'static,
{
    let small = vec(vec(fact.clone(), 0..8), 1..10);
    let many = vec(vec(fact.clone(), 0..3), 20..60);
    let large = vec(vec(fact, 30..150), 1..4);
    let history = prop_oneof![8 => small, 1 => many, 1 => large];
    let repeated = vec(any::<[Index; 3]>(), 0..4);
    (history, repeated)
        .prop_map(|(mut history, repeated)| {
            for [from, which, to] in repeated {
                let epoch: &Vec<Fact> = &history[from.index(history.len())];
                if !epoch.is_empty() {
                    let fact = epoch[which.index(epoch.len())].clone();
                    let to = to.index(history.len());
                    history[to].push(fact);
                }
            }
            history
        })
        .boxed()
}

/// A few hours, before and after 1970, with many events at equal times and on the edges of hours.
fn time() -> impl Strategy<Value = Timestamp> + Clone {
    const HOUR: i64 = 3_600_000_000;
    let offset = select(vec![0, 1, HOUR - 1, 1_800_000_000]);
    (-30_i64..30, offset).prop_map(|(hours, micros)| Timestamp::from_micros(hours * HOUR + micros))
}

/// Text with hashtags of few kinds, so that counts tie.
fn content() -> impl Strategy<Value = String> + Clone {
    let odd = vec(select(alphabet()), 0..12).prop_map(|chars| chars.into_iter().collect());
    let plain = vec(select(vec!["#a", "#b", "#B", "#É", "#ab", "#7", "#_", "a", " "]), 0..6)
        .prop_map(|parts: Vec<&str>| parts.concat());
    let crowded = (0_u32..14).prop_map(|n| {
        let tags = (0..n).map(|i| format!("#a{}", "b".repeat(i as usize)));
        tags.collect::<Vec<_>>().join(" ")
    });
    prop_oneof![2 => odd, 4 => plain, 1 => crowded]
}

fn author() -> impl Strategy<Value = String> + Clone {
    select(vec!["", "1", "2", "10", "愛"]).prop_map(str::to_owned)
}

fn line() -> impl Strategy<Value = Fact> + Clone {
    let words = vec(select(vec!["a", "b", "B", "愛", "\0", "a\0", "é", ""]), 0..6);
    let space = select(vec![" ", "\t", "\u{3000}", "  "]);
    (words, space).prop_map(|(words, space)| Line { text: words.join(space) }.into())
}

fn tweet() -> impl Strategy<Value = Fact> + Clone {
    (time(), author(), content(), option::of(any::<i64>())).prop_map(
        |(publish_date, author_id, content, followers)| {
            let tweet = Tweet {
                publish_date,
                author_id,
                account_category: String::new(),
                region: "Unknown".into(),
                language: "é".into(),
                followers,
                following: None,
                updates: followers,
                post_type: String::new(),
                retweet: Some(1),
                content,
            };
            tweet.into()
        },
    )
}

/// Messages of a whole week, so that many are older than the retention.
fn spread_tweet() -> impl Strategy<Value = Fact> + Clone {
    (tweet(), -100_i64..100, select(vec![0, 1, -1])).prop_map(|(fact, hours, micros)| {
        let Fact::Tweet(mut tweet) = fact else { unreachable!() };
        tweet.publish_date = Timestamp::from_micros(hours * 3_600_000_000 + micros);
        tweet.into()
    })
}

fn identified_tweet() -> impl Strategy<Value = Fact> + Clone {
    (-2_i64..8, time(), author(), content()).prop_map(|(id, publish_date, author_id, content)| {
        IdentifiedTweet { id, publish_date, author_id, content }.into()
    })
}

/// Numbers near the ends of the type, so that a sum of two can overflow.
fn near_the_ends() -> impl Strategy<Value = i64> + Clone {
    select(vec![i64::MIN, i64::MIN + 1, i64::MIN / 2, i64::MAX / 2 + 1, i64::MAX - 1, i64::MAX])
}

/// Few accounts, with transfers to the same account, of nothing, and of negative amounts.
fn transfer() -> impl Strategy<Value = Fact> + Clone {
    let amount = prop_oneof![
        3 => -5_i64..20,
        1 => Just(0),
        1 => -1_000_000_i64..1_000_000,
        1 => near_the_ends(),
    ];
    (0_i64..50, 0_i64..6, -1_i64..5, amount, any::<i64>()).prop_map(
        |(id, from_account, to_account, amount, ts)| {
            Transfer { id, from_account, to_account, amount, ts }.into()
        },
    )
}

fn order() -> impl Strategy<Value = Fact> + Clone {
    let most = 10_i128.pow(38) - 1;
    let cents = prop_oneof![
        6 => -300_i128..1000,
        1 => select(vec![-most, 1 - most, -most / 2, most / 2 + 1, most - 1, most]),
    ];
    (any::<i64>(), 0_i64..5, cents, time()).prop_map(|(id, customer, cents, at)| {
        let amount = Decimal::new(cents).expect("few digits");
        Order { id, customer, amount, at }.into()
    })
}

/// Customers change often, and also twice at one time: the greatest row counts then.
fn customer() -> impl Strategy<Value = Fact> + Clone {
    let country = select(vec!["", "FR", "DE", "Österreich"]);
    (0_i64..5, select(vec!["x", "y"]), country, -2_i64..3).prop_map(|(id, name, country, at)| {
        let at = Timestamp::from_seconds(at);
        Customer { id, name: name.into(), country: country.into(), at }.into()
    })
}

/// Edges among few nodes; deletions come as often as insertions, so many come first.
fn edge() -> impl Strategy<Value = Fact> + Clone {
    let diff = prop_oneof![
        6 => select(vec![1_i64, 1, 1, -1, -1, 2, 0]),
        1 => near_the_ends(),
    ];
    (0_i64..7, 0_i64..7, diff).prop_map(|(src, dst, diff)| Edge { src, dst, diff }.into())
}

fn root() -> impl Strategy<Value = Fact> + Clone {
    (0_i64..8).prop_map(|node| Root { node }.into())
}

/// Few products, customers and countries; cancellations, and lines without a customer.
fn invoice_line() -> impl Strategy<Value = Fact> + Clone {
    let invoice = select(vec!["1", "2", "3", "C1", "C4"]);
    let product = select(vec!["a", "b", "B", "10", "c", "d", "e", "f", "g", "h", "i", "j", "k"]);
    let people = (select(vec!["", "1.0", "2.0"]), select(vec!["", "FR", "Österreich"]));
    (invoice, product, -4_i64..6, time(), -20_i128..5_000, people).prop_map(
        |(invoice, product, quantity, at, price, (customer, country))| {
            let price = Decimal::new(price).expect("few digits");
            let (invoice, product) = (invoice.into(), product.into());
            let (customer, country) = (customer.into(), country.into());
            InvoiceLine { invoice, product, quantity, at, price, customer, country }.into()
        },
    )
}

/// Histories for random programs.
pub(crate) fn program_history() -> BoxedStrategy<History> {
    let key = select(vec!["", "a", "b", "c", "\0", "愛"]).prop_map(str::to_owned);
    let weight = select(vec![1_i64, 1, 1, -1, 2, 0]);
    let value = prop_oneof![9 => -9_i64..10, 1 => near_the_ends()];
    let mark = (key.clone(), value, weight)
        .prop_map(|(key, value, weight)| Mark { key, value, weight }.into());
    let note = (option::weighted(0.8, -9_i64..10), key)
        .prop_map(|(number, name)| Note { number, name }.into());
    epochs(prop_oneof![2 => mark, 1 => note])
}
