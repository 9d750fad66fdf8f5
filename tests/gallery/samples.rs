//! The law on the histories that `diptych sample` generates.

use dataflows::{all, gallery, sample};
use diptych::testing::check_law;

use crate::scale::is_long;

/// All dataflows with a generator, except Nexmark's queries, which have a test of their own.
#[test]
fn the_law_holds_on_every_made_up_history() {
    let (events, epochs) = if is_long() { (4_000, 12) } else { (400, 8) };
    let mut names = Vec::new();
    for flow in gallery().chain(all()) {
        let Some(story) = sample(flow.name(), 7, events, epochs) else { continue };
        assert_eq!(story.epochs(), epochs, "{}", flow.name());
        let start = std::time::Instant::now();
        check_law(flow.clone(), &story, 7).unwrap();
        println!("{}: {:.1?}", flow.name(), start.elapsed());
        names.push(flow.name().to_owned());
    }
    names.extend(["nexmark".to_owned()]);
    let missing = dataflows::SAMPLED.iter().find(|name| !names.contains(&(**name).into()));
    assert_eq!(missing, None, "it has a generator, and nobody has tried it");
}
