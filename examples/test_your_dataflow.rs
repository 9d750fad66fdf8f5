//! How do I test a dataflow? `cargo test --example test_your_dataflow`

use diptych::{Result, prelude::*, testing::Live};

/// Stock came, or (negative) went.
#[derive(Event, Clone, Debug)]
struct Movement {
    item: String,
    pieces: i64,
}

/// `stock`: (item) -> pieces. `missing`: the items with a negative stock.
fn stock(df: &mut Dataflow) {
    let stock =
        df.events::<Movement>("movements").map(|m| (m.item.to_owned(), m.pieces)).sum("stock");
    let missing = stock.clone().filter(|(_, pieces)| *pieces < 0);
    df.view("stock", stock).columns(&["item", "pieces"]);
    df.view("missing", missing).columns(&["item", "pieces"]);
}

fn moved(item: &str, pieces: i64) -> Movement {
    Movement { item: item.to_owned(), pieces }
}

fn main() -> Result<()> {
    let mut live = Live::start(("stock", stock))?;
    live.feed("movements", &[moved("nails", 30), moved("screws", -2)])?;
    println!("missing: {:?}", live.rows::<String, i64>("missing")?);
    live.feed("movements", &[moved("screws", 5)])?;
    println!("missing: {:?}", live.rows::<String, i64>("missing")?);
    Ok(())
}

/// In your own program, with `proptest` among the dev-dependencies, this is just `cargo test`.
#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use diptych::testing::{Story, check_deterministic};
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn epochs() -> impl Strategy<Value = Vec<Vec<Movement>>> {
        let movement = ("[abc]", -5_i64..5).prop_map(|(item, pieces)| moved(&item, pieces));
        vec(vec(movement, 0..6), 1..6)
    }

    /// Every epoch equals the result of a naive program.
    #[test]
    fn stock_is_what_came_less_what_went() {
        let config = ProptestConfig { failure_persistence: None, ..Default::default() };
        proptest!(config, |(epochs in epochs())| {
            let (mut live, mut known) = (Live::start(("stock", stock))?, BTreeMap::new());
            for movements in &epochs {
                live.feed("movements", movements)?;
                for m in movements {
                    *known.entry(m.item.clone()).or_default() += m.pieces;
                }
                let rows = live.rows::<String, i64>("stock")?;
                prop_assert_eq!(rows, known.clone().into_iter().collect::<Vec<_>>());
            }
        });
    }

    /// Both layers agree, also when history is cut, restarted, repeated and shuffled.
    #[test]
    fn the_law_holds() {
        let stories = epochs().prop_map(|epochs| Story::of("movements", &epochs));
        diptych::testing::assert_law!(("stock", stock), stories, 8);
    }

    /// The function reads no clock, random source or counter.
    #[test]
    fn it_is_deterministic() -> Result<()> {
        let story = Story::of("movements", &[vec![moved("a", 1)], vec![moved("a", -2)]]);
        check_deterministic(("stock", stock), &story)
    }
}
