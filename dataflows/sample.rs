//! Made-up histories of the built-in dataflows, for trying them.

use diptych::testing::Story;

use super::{
    classics, clickstream, fraud, inventory, iot, k_core, nexmark, order_book, recommendations,
    retail, tweets,
};

/// The dataflows with a generator; `nexmark` has one for all its queries.
pub const SAMPLED: [&str; 17] = [
    "word_count",
    "tweets",
    "tweets_dedup",
    "bank",
    "orders",
    "reachability",
    "trending",
    "clickstream",
    "fraud",
    "recommendations",
    "retail",
    "baskets",
    "inventory",
    "iot",
    "k_core",
    "order_book",
    "nexmark",
];

/// Made-up `events` of a dataflow in `epochs`, the same for a seed; none without a generator.
///
/// ```
/// use dataflows::{clickstream, sample};
/// use diptych::testing::check_law;
///
/// # fn main() -> diptych::Result<()> {
/// let story = sample("clickstream", 1, 100, 4).expect("it has a generator");
/// check_law(("clickstream", clickstream), &story, 1)?;
/// # Ok(())
/// # }
/// ```
pub fn sample(dataflow: &str, seed: u64, events: usize, epochs: usize) -> Option<Story> {
    let story = (0..epochs).fold(Story::default(), |story, _| story.epoch());
    Some(match dataflow {
        "tweets" | "trending" => story.spread("tweets", &tweets::draw(seed, events)),
        "clickstream" => story.spread("clicks", &clickstream::draw(seed, events)),
        "fraud" => {
            let drawn = fraud::draw(seed, events);
            story.spread("payments", &drawn.payments).spread("links", &drawn.links)
        }
        "recommendations" => story.spread("purchases", &recommendations::draw(seed, events)),
        "retail" | "baskets" => story.spread("invoice_lines", &retail::draw(seed, events)),
        "inventory" => {
            let drawn = inventory::draw(seed, events);
            story
                .spread("product_changes", &drawn.products)
                .spread("reservation_changes", &drawn.reservations)
                .spread("movements", &drawn.movements)
        }
        "iot" => {
            let drawn = iot::draw(seed, events);
            story.spread("readings", &drawn.readings).spread("calibrations", &drawn.calibrations)
        }
        "k_core" => story.spread("ties", &k_core::draw(seed, events)),
        "order_book" => {
            let drawn = order_book::draw(seed, events);
            story.spread("limit_orders", &drawn.orders).spread("trades", &drawn.trades)
        }
        name if name == "nexmark" || name.starts_with("nexmark_") => {
            let drawn = nexmark::draw(seed, events);
            story
                .spread("people", &drawn.people)
                .spread("auctions", &drawn.auctions)
                .spread("bids", &drawn.bids)
                .spread("side_inputs", &drawn.side_inputs)
        }
        _ => return classics::spread(story, dataflow, seed, events),
    })
}
