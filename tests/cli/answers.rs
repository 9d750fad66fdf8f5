//! The output of commands that succeed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::binary::Place;

/// Two epochs of lines: a file each.
fn two_epochs() -> Place {
    let place = Place::new();
    place.file("a.ndjson", "{\"text\":\"to be or not\"}\n{\"text\":\"to be\"}\n");
    place.file("b.csv", "text,more\nthat is,1\n\"the question, \"\"be\"\"\",2\n");
    place.ok("ingest word_count a.ndjson --data D");
    let ran = place.ok("ingest lines b.csv --data D");
    assert!(ran.err.contains("2 events in stream lines, epochs 1 to 1"), "{}", ran.err);
    assert!(ran.err.contains("columns ignored: more"), "{}", ran.err);
    place
}

#[test]
fn flows_lists_what_the_binary_has() {
    let place = Place::new();
    let table = place.ok("flows").out;
    assert!(table.contains("  stream orders: id: i64, customer: i64, amount: decimal(2), at: "));
    assert!(table.contains("  view top_tags: (hour: timestamp, rank: u64) -> tag: string, n: i64"));
    let json = place.ok("flows bank --format json").json();
    assert_eq!(json[0]["kind"], "stream");
    assert_eq!(json[0]["name"], "transfers");
    assert_eq!(json[6]["name"], "errors");
    assert_eq!(json.len(), 7);
}

#[test]
fn every_format_says_the_same() {
    let place = two_epochs();
    let line = "query word_count counts --data D --from q --to u";
    let table = place.ok(line).out;
    let rows: Vec<_> =
        table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(rows[0], ["word", "n"]);
    assert_eq!(rows[2..], [["question,", "1"], ["that", "1"], ["the", "1"], ["to", "2"]]);
    let json = place.ok(&format!("{line} --format json")).out;
    assert!(json.starts_with("{\"word\":\"question,\",\"n\":1}\n"), "{json}");
    let csv = place.ok(&format!("{line} --format csv")).out;
    assert_eq!(csv, "word,n\n\"question,\",1\nthat,1\nthe,1\nto,2\n");
}

#[test]
fn rows_are_chosen_by_key_prefix_range_and_limit() {
    let place = two_epochs();
    let query = |options: &str| {
        let ran = place.ok(&format!("query word_count counts --data D --format csv {options}"));
        ran.out.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(query("--key to"), ["to,2"]);
    assert_eq!(query("--key-json [\"be\"]"), ["be,2"]);
    assert_eq!(query("--key nothing"), Vec::<String>::new());
    assert_eq!(query("--prefix th"), ["that,1", "the,1"]);
    assert_eq!(query("--from not --to or"), ["not,1"]);
    assert_eq!(query("--limit 1"), ["\"\"\"be\"\"\",1"]);
    assert_eq!(query("--as-of 0 --from o"), ["or,1", "to,2"]);
}

#[test]
fn a_query_says_where_its_rows_come_from() {
    let place = two_epochs();
    let line = "query word_count counts --data D --format json";
    let recomputed = place.ok(line);
    assert!(recomputed.err.contains("epoch 1, boundary F = 2: recomputed"), "{}", recomputed.err);
    place.ok("batch word_count --data D --upto 1");
    let restored = place.ok(line);
    assert!(
        restored.err.contains("epoch 1, boundary F = 1: restored at F and replayed 1 epoch"),
        "{}",
        restored.err
    );
    let batch = place.ok("batch word_count --data D -w 2");
    assert!(batch.err.contains("batch view at F = 2, 4 events"), "{}", batch.err);
    let read = place.ok(line);
    assert!(read.err.contains("epoch 1, boundary F = 2: read from the batch view"), "{}", read.err);
    assert_eq!(recomputed.out, restored.out);
    assert_eq!(recomputed.out, read.out);
    let again = place.ok("batch word_count --data D");
    assert!(again.err.contains("there is a batch view at F = 2 already"), "{}", again.err);
}

#[test]
fn changes_add_up_to_the_rows() {
    let place = two_epochs();
    for epoch in ["0", "1"] {
        let mut sums: BTreeMap<(String, i64), i64> = BTreeMap::new();
        let line = "changes word_count counts --data D --from 0 --format json";
        for change in place.ok(line).json() {
            let (word, n) = (change["word"].as_str(), change["n"].as_i64());
            let (Some(word), Some(n)) = (word, n) else { panic!("{change}") };
            if change["epoch"].as_u64() <= epoch.parse().ok() {
                *sums.entry((word.to_owned(), n)).or_default() +=
                    change["diff"].as_i64().unwrap_or(0);
            }
        }
        sums.retain(|_, times| *times != 0);
        let rows =
            place.ok(&format!("query word_count counts --data D --format json --as-of {epoch}"));
        let rows = rows.json().into_iter().map(|row| {
            ((row["word"].as_str().unwrap_or("").to_owned(), row["n"].as_i64().unwrap_or(0)), 1)
        });
        assert_eq!(sums, rows.collect(), "epoch {epoch}");
    }
    let last = place.ok("changes word_count counts --data D --from 1 --format csv").out;
    assert!(last.starts_with("epoch,word,n,diff\n1,"), "{last}");
}

#[test]
fn verify_compares_what_is_restored_with_the_events() {
    let place = two_epochs();
    place.ok("batch word_count --data D --upto 1");
    let ran = place.ok("verify word_count --data D --format csv");
    assert!(ran.out.contains("counts,9,") && ran.out.ends_with("layers agree\n"), "{}", ran.out);
    assert!(ran.err.contains("the batch view at F = 1 and the epochs since"), "{}", ran.err);
}

#[test]
fn the_log_can_be_looked_at() {
    let place = two_epochs();
    let files = place.ok("log ls --data D --format json").json();
    assert!(files.iter().any(|file| file["kind"] == "frames" && file["listed"] == true));
    let stat = place.ok("log stat --data D --format csv");
    assert!(stat.out.contains("lines,4,0,1,text"), "{}", stat.out);
    assert!(stat.err.contains("epochs [0, 2)"), "{}", stat.err);
    let check = place.ok("log check --data D");
    assert!(check.out.contains("whole") && check.err.contains("2 epochs, 4 events"));
    // Each of the files was appended by a producer of its own, in one request.
    let before = place.ok("log producers --data D --format json").json();
    let told = |one: &Value| (one["last"].clone(), one["answered"].clone(), one["silent"].clone());
    assert!(before.iter().all(|one| told(one) == (json!(0), json!(1), json!(false))), "{before:?}");
    let epochs: Vec<_> = before.iter().map(|one| one["epoch"].as_u64()).collect();
    assert!(epochs.len() == 2 && epochs.contains(&Some(0)) && epochs.contains(&Some(1)));
    place.ok("log seal --data D");
    assert_eq!(place.ok("log producers --data D --format json").json(), before);
}

#[test]
fn bench_compares_recomputing_with_incremental_work() {
    let place = Place::new();
    place.lines("a.ndjson", 3_000, |n| format!("w{} x", n % 97));
    place.ok("ingest lines a.ndjson --data D");
    let line = "bench word_count --data D --epochs 4 --epoch-size 10,100 --format json";
    let rows = place.ok(line).json();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1]["events"], 3_000 - 440);
    assert_eq!(rows[1]["processes"], 1);
    assert_eq!(rows[1]["epoch_events"], 100);
    assert!(rows[1]["recompute_vs_incremental"].as_f64() > Some(0.0), "{:?}", rows[1]);
    place.refused("bench word_count --data D", 2, &["too few", "--epochs"]);
}

#[test]
fn help_documents_units_defaults_and_exit_codes() {
    let place = Place::new();
    let help = place.ok("-h").out;
    assert!(help.contains("Exit codes: 0 done") && help.contains("demo"), "{help}");
    let batch = place.ok("batch -h").out;
    assert!(batch.contains("--hostfile") && batch.contains("[default: 1]"), "{batch}");
}
