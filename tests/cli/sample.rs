//! Made-up events: the same on every machine. (That they fit each dataflow: `tests/examples.rs`.)

use super::binary::Place;

#[test]
fn every_generator_fills_a_log() {
    let place = Place::new();
    for name in dataflows::SAMPLED {
        let sampled = place.ok(&format!("sample {name} --data {name} --events 300 --epochs 7"));
        assert!(sampled.err.contains("epochs 0 to 6"), "{sampled:?}");
    }
}

#[test]
fn who_asks_for_the_gallery_is_told_where_it_is() {
    let place = Place::new();
    place.refused("batch fraud --data D", 3, &["\"fraud\"", "it has word_count", "gallery"]);
    place.refused("batch nexmark_q3 --data D", 3, &["--example nexmark"]);
}

#[test]
fn a_seed_names_a_history() {
    let place = Place::new();
    let query = |data: &str| {
        place.ok(&format!("batch tweets --data {data}"));
        place.ok(&format!("query tweets tags_by_hour --data {data} --format json")).out
    };
    for (data, options) in [("A", ""), ("B", "--epochs 3"), ("C", "--seed 2")] {
        place.ok(&format!("sample tweets --data {data} --events 500 {options}"));
    }
    let [one, same, other] = ["A", "B", "C"].map(query);
    assert_eq!(one, same, "cut into other epochs");
    assert_ne!(one, other, "another seed");
    // It is appended behind what is there.
    place.ok("sample tweets --data A --events 500 --seed 2");
    assert!(place.ok("log stat --data A").out.contains("1000"));
}

#[test]
fn what_cannot_be_sampled_is_named() {
    let place = Place::new();
    place.refused("sample wordcount --data D", 3, &["\"wordcount\"", "word_count, tweets"]);
    place.refused("sample fraud --data D --events 9_000_000", 2, &["9,000,000", "5,000,000"]);
    place.refused("sample fraud --data D --events 9", 2, &["9 events in 100 epochs"]);
    assert!(!place.path().join("D").exists(), "nothing was made");
}

/// Every built-in dataflow of this binary has made-up events, which it takes without complaint.
#[test]
fn every_dataflow_of_the_binary_can_be_tried() {
    let place = Place::new();
    for definition in dataflows::all() {
        let name = definition.name();
        place.ok(&format!("sample {name} --data {name} --events 400 --epochs 5"));
        let made = place.ok(&format!("batch {name} --data {name}"));
        assert!(!made.err.contains("note:"), "all its streams are there: {}", made.err);
        let views = definition.describe().expect("a dataflow").views;
        for view in views.iter().map(|view| view.name.as_str()) {
            let rows = place.ok(&format!("query {name} {view} --data {name} --format csv")).out;
            assert_eq!(rows.lines().count() > 1, view != "errors", "{name} {view}: {rows}");
        }
    }
}

#[test]
fn a_stream_that_is_not_there_is_named() {
    let place = Place::new();
    place.ok("sample word_count --data D --events 20 --epochs 2");
    let made = place.ok("batch orders --data D");
    for stream in ["orders", "customers"] {
        let note = format!("note: orders reads stream {stream}, which is not in the log");
        assert!(made.err.contains(&note), "{}", made.err);
    }
    assert!(made.err.contains("which has lines"), "{}", made.err);
    assert!(!place.ok("batch word_count --data D").err.contains("note:"));
}
