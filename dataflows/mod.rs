//! The built-in dataflows: one definition per file, written with the public API only.

mod bank;
mod hashtags;
pub mod nexmark;
mod orders;
mod reachability;
mod retail;
mod trending;
mod tweets;
mod tweets_dedup;
mod word_count;

pub use bank::{Transfer, bank};
pub use hashtags::hashtags;
pub use nexmark::draw as draw_nexmark;
pub use orders::{Customer, Order, orders};
pub use reachability::{Edge, Root, reachability};
pub use retail::{InvoiceLine, retail};
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
        Definition::new("trending", trending),
    ]
}
