//! The built-in dataflows: one definition per file, written with the public API only.

mod arrival;
mod bank;
mod baskets;
mod classics;
mod clickstream;
mod fraud;
mod hashtags;
mod inventory;
mod iot;
mod k_core;
#[cfg(feature = "cli")]
mod made_up;
pub mod nexmark;
mod order_book;
mod orders;
mod plausible;
mod reachability;
mod recommendations;
mod retail;
mod sample;
mod trending;
mod tweets;
mod tweets_dedup;
mod word_count;

pub use bank::{Transfer, bank};
pub use baskets::baskets;
pub use clickstream::{Click, clickstream, draw as draw_clickstream};
pub use fraud::{FraudEvents, Link, Payment, draw as draw_fraud, fraud};
pub use hashtags::hashtags;
pub use inventory::{Movement, Op, ProductChange, ReservationChange, Stocked};
pub use inventory::{draw as draw_inventory, inventory};
pub use iot::{Calibration, Reading, Sensed, draw as draw_iot, iot};
pub use k_core::{Tie, draw as draw_k_core, k_core};
#[cfg(feature = "cli")]
pub use made_up::made_up;
pub use nexmark::draw as draw_nexmark;
pub use order_book::{LimitOrder, Side, Trade, Traded, draw as draw_order_book, order_book};
pub use orders::{Customer, Order, orders};
pub use reachability::{Edge, Root, reachability};
pub use recommendations::{Purchase, draw as draw_recommendations, recommendations};
pub use retail::{InvoiceLine, draw as draw_retail, retail};
pub use sample::{SAMPLED, sample};
pub use trending::trending;
pub use tweets::{MadeUpTweets, Tweet, draw as draw_tweets, tweets};
pub use tweets_dedup::{IdentifiedTweet, tweets_dedup};
pub use word_count::{Line, word_count};

use diptych::dataflow::Definition;
use diptych::flows;
use diptych::prelude::*;

/// The classics, which are compiled with this crate, by name.
pub fn all() -> Vec<Definition> {
    flows![word_count, tweets, tweets_dedup, bank, orders, reachability, retail, trending]
}

/// The gallery: typical dataflows of a Lambda Architecture. These functions, and those of
/// [`nexmark`], are `#[inline]`: only a crate that uses one compiles it.
#[inline]
pub fn gallery() -> impl Iterator<Item = Definition> {
    let flows: [(&str, fn(&mut Dataflow<'_>)); 8] = [
        ("baskets", baskets),
        ("clickstream", clickstream),
        ("fraud", fraud),
        ("inventory", inventory),
        ("iot", iot),
        ("k_core", k_core),
        ("order_book", order_book),
        ("recommendations", recommendations),
    ];
    flows.into_iter().map(|(name, flow)| Definition::new(name, flow))
}
