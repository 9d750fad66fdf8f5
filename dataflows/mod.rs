//! The built-in dataflows: one definition per file, written with the public API only.

mod arrival;
mod bank;
mod baskets;
mod clickstream;
mod fraud;
mod hashtags;
mod inventory;
mod iot;
mod k_core;
pub mod nexmark;
mod order_book;
mod orders;
mod reachability;
mod recommendations;
mod retail;
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
pub use nexmark::draw as draw_nexmark;
pub use order_book::{LimitOrder, Side, Trade, Traded, draw as draw_order_book, order_book};
pub use orders::{Customer, Order, orders};
pub use reachability::{Edge, Root, reachability};
pub use recommendations::{Purchase, draw as draw_recommendations, recommendations};
pub use retail::{InvoiceLine, draw as draw_retail, retail};
pub use trending::trending;
pub use tweets::{Tweet, tweets};
pub use tweets_dedup::{IdentifiedTweet, tweets_dedup};
pub use word_count::{Line, word_count};

use diptych::Definition;

/// All of them, by name, but for the queries of [`nexmark`], which have a list of their own.
pub fn all() -> Vec<Definition> {
    vec![
        Definition::new("word_count", word_count),
        Definition::new("tweets", tweets),
        Definition::new("tweets_dedup", tweets_dedup),
        Definition::new("bank", bank),
        Definition::new("orders", orders),
        Definition::new("reachability", reachability),
        Definition::new("retail", retail),
        Definition::new("baskets", baskets),
        Definition::new("inventory", inventory),
        Definition::new("iot", iot),
        Definition::new("k_core", k_core),
        Definition::new("order_book", order_book),
        Definition::new("trending", trending),
        Definition::new("clickstream", clickstream),
        Definition::new("fraud", fraud),
        Definition::new("recommendations", recommendations),
    ]
}
