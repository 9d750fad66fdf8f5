//! `DuckDB`'s answers through its Python package, on the same rows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::drawn::Seen;
use crate::python;
use crate::twin::{row, us};

/// The answer to each query; none, and a reason printed, where there is no `DuckDB`.
pub(crate) fn answers(seen: &Seen<'_>) -> Option<BTreeMap<String, Vec<String>>> {
    let place = tempfile::tempdir().expect("a directory");
    write(place.path(), seen);
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nexmark/queries.sql");
    python::duckdb("nexmark/ask.py", &[place.path().as_os_str(), queries.as_os_str()])?;
    let names = dataflows::nexmark::all().map(|query| crate::short(query.name()));
    let read = |name: String| {
        let text = std::fs::read_to_string(place.path().join(&name));
        let text = text.unwrap_or_else(|error| panic!("{name} has no answer: {error}"));
        (name, text.lines().map(str::to_owned).collect())
    };
    Some(names.map(read).collect())
}

fn write(place: &Path, seen: &Seen<'_>) {
    let file = |name: &str, lines: Vec<String>| {
        let mut text = String::new();
        for line in lines {
            writeln!(text, "{line}").expect("a String takes everything");
        }
        std::fs::write(place.join(name), text).expect("written");
    };
    let people = seen.people.iter().map(|p| {
        let who = row!(p.id, p.email, p.name, p.credit_card);
        row!(who, p.city, p.state, us(p.date_time), p.extra)
    });
    let auctions = seen.auctions.iter().map(crate::twin::auction_cells);
    let bids = seen.bids.iter().map(crate::twin::bid_cells);
    let side_inputs = seen.side_inputs.iter().map(|s| row!(s.key, s.value));
    file("people", people.collect());
    file("auctions", auctions.collect());
    file("bids", bids.collect());
    file("side_inputs", side_inputs.collect());
}
