//! `DuckDB`, through its Python package, on the same rows: a second opinion, and another language.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::drawn::Seen;
use crate::twin::{row, us};

/// Reads tables from the directory it is given, and leaves an answer for each query beside them.
const SCRIPT: &str = r#"
import sys, os, re
import duckdb
place, queries = sys.argv[1:]
c = duckdb.connect()
c.execute("SET threads = 2")
for table, columns in {
    "people": "id email name credit_card city state date_time extra",
    "auctions": "id item_name description initial_bid reserve date_time expires seller category "
        "extra",
    "bids": "auction bidder price channel url date_time extra",
    "side_inputs": "key value",
}.items():
    numbers = "id initial_bid reserve date_time expires seller category auction bidder price key"
    kind = lambda name: "BIGINT" if name in numbers.split() else "VARCHAR"
    types = ", ".join(f"'{name}': '{kind(name)}'" for name in columns.split())
    file = os.path.join(place, table)
    c.execute(f"CREATE TABLE {table} AS FROM read_csv('{file}', header=false, delim='|', "
              f"quote='', escape='', auto_detect=false, columns={{{types}}})")
parts = re.split(r"^-- (setup|q\d+)$", open(queries).read(), flags=re.M)[1:]
for name, sql in zip(parts[::2], parts[1::2]):
    if name == "setup":
        c.execute(sql)
    else:
        file = os.path.join(place, name)
        c.execute(f"COPY ({sql}) TO '{file}' (FORMAT csv, HEADER false, DELIMITER '|', QUOTE '')")
"#;

/// The answer to each query; none, and a reason printed, where there is no `DuckDB`.
pub(crate) fn answers(seen: &Seen<'_>) -> Option<BTreeMap<String, Vec<String>>> {
    let found = Command::new("python3").args(["-c", "import duckdb"]).output();
    if !found.is_ok_and(|found| found.status.success()) {
        println!("not compared with DuckDB: there is no python3 with the package duckdb");
        return None;
    }
    let place = tempfile::tempdir().expect("a directory");
    write(place.path(), seen);
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nexmark/queries.sql");
    let output = Command::new("python3")
        .args(["-c", SCRIPT])
        .args([place.path(), &queries])
        .output()
        .expect("python3 was there a moment ago");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = diptych::dataflows::nexmark::all().map(|query| crate::short(query.name()));
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
