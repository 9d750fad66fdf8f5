//! Tests that a recompute for a client takes bounded memory.

use super::*;
use dataflows::{Line, word_count};
use diptych_sources::append;

/// Changes that a subscriber has missed are recomputed in bounded memory.
#[test]
fn changes_that_are_recomputed_take_bounded_bytes() {
    const EPOCHS: Epoch = 60;
    let system = System::in_memory();
    let writer = system.writer().expect("a writer");
    let words: Vec<_> = (0..2_000).map(|word| format!("w{word}")).collect();
    let line = Line { text: words.join(" ") };
    for _ in 0..EPOCHS {
        append(&writer, "lines", std::slice::from_ref(&line)).expect("appended");
    }
    let flow = Definition::new("word_count", word_count);
    for (bytes, all) in [(usize::MAX, true), (1 << 20, false)] {
        let from = Boundary::InPlace(1);
        let index = system
            .recompute_changes(&flow, from, EPOCHS, Cluster::local(1), bytes)
            .expect("recomputed");
        assert!(index.settle(std::time::Duration::from_mins(1)));
        assert_eq!(index.since() <= 1, all, "since {}", index.since());
        let past: usize = index.status().views.iter().map(|view| view.past_bytes).sum();
        assert_eq!(past > 2 << 20, all, "{past} bytes");
        let since = index.since();
        let view = index.view("counts").expect("a view");
        assert_eq!(index.changes(view, 1).is_ok(), all);
        assert!(index.changes(view, since + 1).is_ok());
    }
}
