//! A key that an answer shows selects exactly that key in every form of request.

use std::fmt::Write;
use std::process::Command;

use diptych::event::{Date, Decimal, Float, Timestamp};
use diptych::row::{self, Columns, Datum, RowSchema};
use diptych::serving::{Index, IndexOptions, Publish, ViewBatch, ViewInfo};
use serde_json::{Value, json};

use super::site::Local;

/// Texts with special meanings elsewhere.
const TEXTS: [&str; 22] = [
    "",
    " ",
    "a",
    "a,b",
    ",",
    "[",
    "]",
    "[]",
    "[\"a\"]",
    "[INFO]",
    "[null]",
    "\\N",
    "\\\\N",
    "null",
    "\"",
    "\"a\"",
    "+",
    "%41",
    "&key=b",
    "=",
    "\0",
    "a\0\u{10ffff}é",
];

/// A view whose rows have these keys, each with its number.
struct Keyed {
    info: ViewInfo,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
}

fn keyed<K: Columns + Ord>(name: &str, mut keys: Vec<K>) -> Keyed {
    keys.sort();
    keys.dedup();
    let info = ViewInfo { name: name.to_owned(), schema: RowSchema::of::<K, u64>() };
    let rows = keys.iter().zip(0_u64..);
    Keyed { info, rows: rows.map(|(key, n)| (row::encode(key), row::encode(&n))).collect() }
}

fn decimals() -> Vec<Decimal<2>> {
    let most = "9".repeat(36);
    let texts = [
        "1234567890123456.78",
        "1234567890123456.80",
        "12345678901234567.89",
        "-0.01",
        "0.00",
        "0.10",
        &most,
    ];
    texts.iter().map(|text| text.parse().expect("a decimal")).collect()
}

fn views() -> Vec<Keyed> {
    let texts = || TEXTS.iter().map(|text| (*text).to_owned());
    let optional = || texts().map(Some).chain([None]);
    let whole = [i64::MIN, -1, 0, 1, (1 << 53) + 1, i64::MAX];
    let floats = [f64::MIN, -0.1, 0.0, 5e-324, 0.1, 1e22, f64::MAX, f64::INFINITY, f64::NAN];
    let pairs = optional().flat_map(|a| [None, Some(i64::MAX)].map(|b| (a.clone(), b)));
    let times = [i64::MIN, -1, 0, 1_475_312_400_123_456, i64::MAX].map(Timestamp::from_micros);
    let days = [i32::MIN, -1, 17_075, i32::MAX].map(Date::from_days);
    vec![
        keyed("text", texts().collect()),
        keyed("optional", optional().collect()),
        keyed("pair", pairs.collect()),
        keyed("texts", texts().map(|text| (text.clone(), text)).collect()),
        keyed("whole", whole.to_vec()),
        keyed("unsigned", vec![0, (1 << 53) + 1, u64::MAX]),
        keyed("decimal", decimals()),
        keyed("optional_decimal", decimals().into_iter().map(Some).chain([None]).collect()),
        keyed("float", floats.map(Float::new).to_vec()),
        keyed("time", times.to_vec()),
        keyed("day", days.to_vec()),
        keyed("bytes", vec![vec![], vec![0], vec![0, 255], b"[1]".to_vec()]),
        keyed("flag", vec![None, Some(false), Some(true)]),
    ]
}

fn served(views: &[Keyed]) -> Local {
    let infos = views.iter().map(|view| view.info.clone()).collect();
    let index = Index::new("1", infos, 1, IndexOptions::default()).expect("an index");
    for (id, view) in views.iter().enumerate() {
        let rows = view.rows.iter().map(|row| (row.clone(), 0, 1)).collect();
        index.publish(id, 0, ViewBatch::from_updates(0, 1, rows));
    }
    Local::of(index)
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        write!(out, "%{byte:02X}").expect("a text");
        out
    })
}

/// Reads a view; returns the status and the answer.
fn ask(server: &Local, view: &str, parameters: &[(&str, &str)]) -> (u16, Value) {
    let parameters: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let url = format!("{}/v1/dataflows/flow/views/{view}?{}", server.base(), parameters.join("&"));
    let config = ureq::get(url).config().http_status_as_error(false);
    let mut response = config.build().call().expect("an answer");
    let text = response.body_mut().read_to_string().expect("text");
    (response.status().as_u16(), serde_json::from_str(&text).expect("JSON"))
}

/// The rows of the answer, as JSON.
fn rows(server: &Local, view: &str, parameters: &[(&str, &str)]) -> Vec<Value> {
    let (status, answer) = ask(server, view, parameters);
    assert_eq!(status, 200, "{view} {parameters:?}: {answer}");
    answer["rows"].as_array().expect("rows").clone()
}

/// The key of a row as its JSON shows it.
fn key_of(schema: &RowSchema, row: &Value) -> String {
    let values = schema.key.iter().map(|column| row[&column.name].clone());
    values.collect::<Value>().to_string()
}

#[test]
fn a_key_shown_is_the_key_asked_for_over_http() {
    let views = views();
    let server = served(&views);
    for Keyed { info: ViewInfo { name, schema }, rows: stored } in &views {
        let all = rows(&server, name, &[("limit", "1000")]);
        assert_eq!(all.len(), stored.len(), "{name}");
        let lists: Vec<_> = all.iter().map(|row| key_of(schema, row)).collect();
        for (n, (row, list)) in all.iter().zip(&lists).enumerate() {
            let only = std::slice::from_ref(row);
            assert_eq!(rows(&server, name, &[("key_json", list)]), only, "{name} {list}");
            let next = lists.get(n + 1).map(|next| ("to_json", &**next));
            let bounds: Vec<_> = [("from_json", &**list)].into_iter().chain(next).collect();
            assert_eq!(rows(&server, name, &bounds), only, "{name} from {list}");
            let values = schema.decode(&stored[n].0, &[0; 8]).expect("a row");
            let values = &values[..schema.key.len()];
            let texts: Vec<_> = values.iter().map(ToString::to_string).collect();
            let apart = texts.len() == 1 || texts.iter().all(|text| !text.contains(','));
            if !values.contains(&Datum::Null) && apart {
                let text = texts.join(",");
                assert_eq!(rows(&server, name, &[("key", &text)]), only, "{name} {text:?}");
                let first = rows(&server, name, &[("from", &text), ("limit", "1")]);
                assert_eq!(first, only, "{name} from {text:?}");
                assert_eq!(rows(&server, name, &[("to", &text)]), all[..n], "{name} to {text:?}");
                let both = [("key", &*text), ("key_json", list)];
                assert_eq!(rows(&server, name, &both), [row.clone(), row.clone()]);
            }
        }
        let many: Vec<_> = lists.iter().map(|list| ("key_json", &**list)).collect();
        assert_eq!(rows(&server, name, &many), all, "{name}, all at once");
    }
}

/// The output of `query --server`, as JSON.
fn printed(server: &Local, view: &str, options: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diptych"));
    command.args(["query", "flow", view, "--server", &server.base(), "--format", "json"]);
    let output = command.args(options).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{view} {options:?}: {errors}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_key_shown_is_the_key_asked_for_on_the_command_line() {
    let views = views();
    let server = served(&views);
    for Keyed { info: ViewInfo { name, schema }, rows: stored } in &views {
        let all = printed(&server, name, &[]);
        assert_eq!(all, rows(&server, name, &[("limit", "1000")]), "{name}");
        // A process for each: some of the keys.
        for (n, row) in all.iter().enumerate().step_by(1 + all.len() / 6) {
            let (only, list) = (std::slice::from_ref(row), key_of(schema, row));
            assert_eq!(printed(&server, name, &["--key-json", &list]), only, "{name} {list}");
            let from = printed(&server, name, &["--from-json", &list, "--limit", "1"]);
            assert_eq!(from, only, "{name} from {list}");
            let values = schema.decode(&stored[n].0, &[0; 8]).expect("a row");
            // An argument of a process has no zero byte.
            let text = values[0].to_string();
            if schema.key.len() == 1 && values[0] != Datum::Null && !text.contains('\0') {
                let key = format!("--key={text}");
                assert_eq!(printed(&server, name, &[&key]), only, "{name} {text:?}");
            }
        }
    }
}

#[test]
fn what_is_no_key_is_refused_by_name() {
    let views = views();
    let server = served(&views);
    let long = format!("[\"{}\"]", "x".repeat(9_000));
    assert_eq!(rows(&server, "text", &[("key_json", &long)]), [] as [Value; 0]);
    let checks: [(&str, &[(&str, &str)], &str); 12] = [
        ("text", &[("key_json", "[INFO]")], "key_json"),
        ("text", &[("key_json", "")], "key_json"),
        ("text", &[("key_json", "[null]")], "holds string, not null"),
        ("text", &[("key_json", "[7]")], "holds string, not 7"),
        ("text", &[("key_json", "[\"a\",\"b\"]")], "2 values for a key of 1 columns"),
        ("whole", &[("key", "[7]")], "key_json"),
        ("whole", &[("key_json", "[7.5]")], "\"7.5\" is no i64"),
        ("float", &[("key_json", "[1e400]")], "\"1e400\" is no f64"),
        ("decimal", &[("key_json", "[12345678901234567.891]")], "12345678901234567.891"),
        ("optional_decimal", &[("key", "\\N")], "null in a JSON list"),
        ("text", &[("from", "a"), ("from_json", "[\"a\"]")], "from_json"),
        ("text", &[("from_json", "[\"a\"]"), ("key_json", "[\"a\"]")], "several ways"),
    ];
    for (view, parameters, words) in checks {
        let (status, answer) = ask(&server, view, parameters);
        assert_eq!(status, 400, "{view} {parameters:?}: {answer}");
        let detail = answer["detail"].as_str().expect("a detail");
        assert!(detail.contains(words), "{view} {parameters:?}: {detail}");
    }
    // A key that is begun, in either spelling.
    let begun = rows(&server, "pair", &[("key_json", "[null]")]);
    assert_eq!(begun.len(), 2);
    assert_eq!(rows(&server, "pair", &[("key_json", "[\"\\\\N\"]")]).len(), 2);
    assert_eq!(rows(&server, "pair", &[("key", "\\N")])[0]["key_0"], json!("\\N"));
    let behind = rows(&server, "texts", &[("key_json", "[\"[\"]"), ("prefix", "")]);
    assert_eq!(behind.len(), 1);
}
