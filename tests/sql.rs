//! SQL over views and streams: answers equal `DuckDB`'s on the same rows, wrong statements are
//! typed errors without side effects, and all answers of a statement are about one epoch.
//!
//! The statements are in `tests/sql/*.slt` (see `sql/script.rs` for the format). The test computes
//! `DuckDB`'s answers while it runs; without its Python package that part is skipped.

#[path = "sql/duckdb.rs"]
mod duckdb;
#[path = "sql/flows.rs"]
mod flows;
#[path = "sql/script.rs"]
mod script;
#[path = "sql/served.rs"]
mod served;

use duckdb::DuckDb;
use script::{Expect, Record};
use serde_json::{Value, json};
use served::Site;

/// Every statement of every script.
#[test]
fn answers_are_duckdbs() {
    compared_with_duckdb(&Site::start());
}

/// The same over rows that are read from files, and the updates that came after them.
#[test]
fn answers_over_views_in_files_are_duckdbs() {
    compared_with_duckdb(&Site::over_files());
}

fn compared_with_duckdb(site: &Site) {
    let scripts = script::all();
    assert!(scripts.len() >= 8, "the scripts are found");
    let of_duckdb: Vec<&str> = scripts
        .iter()
        .filter(|record| matches!(record.expect, Expect::DuckDb))
        .map(|record| record.other.as_deref().unwrap_or(&record.sql))
        .collect();
    let answers = DuckDb::of(site).map(|duckdb| duckdb.answers(&of_duckdb));
    match &answers {
        Some(answers) => assert_eq!(answers.len(), of_duckdb.len()),
        None => println!("skipped: no python3 with the package duckdb"),
    }
    let mut answers = answers.map(IntoIterator::into_iter);
    let mut wrong = Vec::new();
    for record in &scripts {
        let expected = match &record.expect {
            Expect::DuckDb => answers.as_mut().and_then(Iterator::next),
            Expect::Rows(rows) => Some(Ok(rows.clone())),
            Expect::Error(state) => {
                check_error(site, record, state, &mut wrong);
                continue;
            }
        };
        let Some(expected) = expected else { continue };
        check_rows(site, record, expected, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), scripts.len(), wrong.join("\n"));
    println!("{} statements, {} of them compared with DuckDB", scripts.len(), of_duckdb.len());
}

fn check_rows(
    site: &Site,
    record: &Record,
    expected: Result<Vec<Vec<String>>, String>,
    wrong: &mut Vec<String>,
) {
    let place = format!("{}:{}: {}", record.file, record.line, record.sql);
    let mut expected = match expected {
        Ok(rows) => rows,
        Err(error) => return wrong.push(format!("{place}\n  DuckDB refuses: {error}")),
    };
    let (status, answer) = site.sql(&record.sql);
    if status != 200 || answer.get("error").is_some() {
        return wrong.push(format!("{place}\n  {status}: {answer}"));
    }
    let mut rows = script::rows_of(&answer);
    if record.sorted {
        rows.sort();
        expected.sort();
    }
    if !script::same(&rows, &expected) {
        let show = |rows: &[Vec<String>]| {
            rows.iter().take(8).map(|row| row.join(" | ")).collect::<Vec<_>>().join("\n    ")
        };
        let (own, other) = (show(&rows), show(&expected));
        let (n, m) = (rows.len(), expected.len());
        wrong.push(format!("{place}\n  {n} rows:\n    {own}\n  expected {m}:\n    {other}"));
    }
}

fn check_error(site: &Site, record: &Record, state: &str, wrong: &mut Vec<String>) {
    let place = format!("{}:{}: {}", record.file, record.line, record.sql);
    let (status, answer) = site.sql(&record.sql);
    let found = answer["sqlstate"].as_str().or(answer["error"]["sqlstate"].as_str());
    let said = answer["detail"].as_str().or(answer["error"]["detail"].as_str());
    if found != Some(state) || said.is_none_or(str::is_empty) || status >= 500 {
        wrong.push(format!("{place}\n  expected {state}, got {status}: {answer}"));
    }
    let (status, answer) = site.sql("SELECT 1 AS one");
    if status != 200 || answer["rows"] != json!([[1]]) {
        wrong.push(format!("{place}\n  harmed the server: {answer}"));
    }
}

#[test]
fn a_statement_is_about_one_epoch_and_says_which() {
    let site = Site::start();
    let before = site.sql("SELECT count(*), sum(amount) FROM streams.transfers").1;
    let epoch = before["epochs"][0]["epoch"].as_u64().expect("an epoch");
    assert_eq!(before["epochs"][0]["dataflow"], "streams");
    site.more_transfers();
    let question = "SELECT (SELECT sum(credits) FROM bank.credits), \
                    (SELECT sum(amount) FROM streams.transfers), \
                    (SELECT total FROM bank.total)";
    let now = site.ask(&json!({ "sql": question, "at_least": epoch + 1 })).1;
    assert_eq!(now["rows"][0][0], now["rows"][0][1], "{now}");
    assert_eq!(now["rows"][0][2], 0, "{now}");
    assert!(now["epochs"][0]["epoch"].as_u64() > Some(epoch), "{now}");
    let then = site.ask(&json!({ "sql": question, "as_of": epoch })).1;
    assert_eq!(then["rows"][0][1], before["rows"][0][1], "{then}");
    assert_eq!(then["rows"][0][0], then["rows"][0][1], "{then}");
    let (status, later) = site.ask(&json!({ "sql": question, "as_of": epoch + 1_000_000 }));
    assert_eq!((status, later["sqlstate"].as_str()), (400, Some("22023")), "{later}");
    assert!(later["detail"].as_str().is_some_and(|text| text.contains("is not in the log")));
}

#[test]
fn parameters_are_typed_by_the_statement() {
    let site = Site::start();
    let ask = |sql: &str, params: Value| site.ask(&json!({ "sql": sql, "params": params }));
    let (_, answer) = ask("SELECT account FROM bank.credits WHERE account = $1", json!(["3"]));
    assert_eq!(answer["rows"], json!([[3]]), "{answer}");
    let question = "SELECT count(*) FROM types.by_day WHERE day >= $1 AND day < $2";
    let (_, answer) = ask(question, json!(["2026-01-02", "2026-01-03"]));
    assert!(answer["rows"][0][0].as_i64() > Some(0), "{answer}");
    for (sql, params, state) in [
        ("SELECT account FROM bank.credits WHERE account = $1", json!(["x"]), "22P02"),
        ("SELECT account FROM bank.credits WHERE account = $1", json!([]), "08P01"),
        ("SELECT account FROM bank.credits WHERE account = $2", json!([1]), "42P18"),
        ("SELECT $1", json!([[1]]), "22P02"),
    ] {
        let (status, answer) = ask(sql, params);
        assert_eq!((status, answer["sqlstate"].as_str()), (400, Some(state)), "{sql}: {answer}");
    }
}

#[test]
fn formats_say_the_same() {
    let site = Site::start();
    let question = "SELECT account, credits FROM bank.credits ORDER BY account LIMIT 2";
    let json = site.sql(question).1;
    let (first, second) = (&json["rows"][0], &json["rows"][1]);
    let csv = site.text(question, "text/csv");
    let expected =
        format!("account,credits\r\n{},{}\r\n{},{}\r\n", first[0], first[1], second[0], second[1]);
    assert_eq!(csv, expected);
    let lines = site.text(question, "application/x-ndjson");
    let first_line = format!("{{\"account\":{},\"credits\":{}}}", first[0], first[1]);
    assert_eq!(lines.lines().next(), Some(&*first_line));
    let bytes = site.bytes(question, "application/vnd.apache.arrow.stream");
    let reader = arrow_ipc::reader::StreamReader::try_new(&bytes[..], None).expect("a stream");
    let rows: usize = reader.map(|batch| batch.expect("a batch").num_rows()).sum();
    assert_eq!(rows, 2);
    let empty = site.sql("SELECT account FROM bank.credits WHERE account < -1").1;
    assert_eq!(empty["rows"], json!([]));
}

#[test]
fn what_is_pushed_down_is_shown() {
    let site = Site::start();
    for (condition, shown) in [
        ("account = 3", "1 keys from the index"),
        ("account IN (1, 2, 3, 4, 5)", "5 keys from the index"),
        ("account BETWEEN 2 AND 4", "1 key ranges from the index"),
        ("account = '3'", "1 keys from the index"),
        ("account = 1 + 2", "1 keys from the index"),
        ("account = 3 AND 10 / account > 1", "1 keys from the index"),
        ("account = ANY(ARRAY[1, 2])", "2 keys from the index"),
        ("account > 2.5", "all keys as columns"),
        ("credits > 3", "all keys as columns"),
    ] {
        let question = format!("EXPLAIN SELECT credits FROM bank.credits WHERE {condition}");
        let plan = site.sql(&question).1["rows"][1][1].to_string();
        assert!(plan.contains(shown), "{condition}: {plan}");
    }
    let plan = site.sql("EXPLAIN SELECT account FROM bank.credits LIMIT 3").1.to_string();
    assert!(plan.contains("projection=[account], limit=3"), "{plan}");
    let plan = site.sql("EXPLAIN SELECT id FROM streams.transfers WHERE _epoch < 2").1.to_string();
    assert!(plan.contains("epochs=[0, 2)"), "{plan}");
}

#[test]
fn rows_below_zero_are_left_out_with_a_notice() {
    let site = Site::start();
    let answer = site.sql("SELECT count(*) FROM types.owed WHERE id >= 0").1;
    let notice = answer["notices"][0].as_str().unwrap_or_default();
    assert!(notice.contains("negative multiplicity"), "{answer}");
}

#[test]
fn what_would_nest_too_deeply_is_refused_or_answered() {
    let site = Site::start();
    let times = |text: &str, n: usize| text.repeat(n);
    let statements = [
        (format!("SELECT 1{}", times(" + 1", 990)), None),
        (format!("SELECT 1{}", times(" + 1", 30_000)), Some("54001")),
        (format!("SELECT {}1{}", times("(", 20_000), times(")", 20_000)), Some("42601")),
        (format!("SELECT {} true", times("NOT ", 20_000)), Some("54001")),
        (format!("SELECT {} true", times("NOT ", 900)), Some("42601")),
        (format!("SELECT 1{}", times("::BIGINT", 20_000)), Some("54001")),
        (format!("SELECT 1{}", times("::BIGINT", 900)), None),
        (format!("SELECT true{}", times(" AND true", 900)), None),
        (format!("SELECT 1{}", times(" UNION ALL SELECT 1", 400)), None),
        (format!("SELECT 1{}", times(" UNION ALL SELECT 1", 4_000)), Some("54001")),
        (format!("SELECT 1 FROM bank.total{}", times(", bank.total", 5_000)), Some("54001")),
        (format!("SELECT 1 FROM bank.total a0{}", cross_joins(40)), None),
        (format!("SELECT '{}'", times("x", 1_500_000)), Some("54001")),
        (format!("SELECT 1 IN (1{})", times(", 2", 20_000)), None),
        (format!("SELECT [{}1{}]", times("[", 20_000), times("]", 20_000)), Some("54001")),
        (format!("SELECT {}1{}", times("abs(", 20_000), times(")", 20_000)), Some("42601")),
        (times("EXPLAIN ", 10_000), Some("42601")),
        (times("\0", 1_000), Some("42601")),
        (times("WITH a AS (SELECT 1) ", 2_000), Some("54001")),
        (String::new(), Some("42601")),
        (";;;".to_owned(), Some("42601")),
        ("-- nothing".to_owned(), Some("42601")),
    ];
    for (sql, refusal) in statements {
        let (status, answer) = site.sql(&sql);
        let short: String = sql.chars().take(60).collect();
        assert_eq!(answer["sqlstate"].as_str(), refusal, "{short}: {status} {answer}");
        assert_eq!(status == 200, refusal.is_none(), "{short}: {status} {answer}");
    }
}

fn cross_joins(n: usize) -> String {
    (1..=n).fold(String::new(), |text, at| text + &format!(" CROSS JOIN bank.total a{at}"))
}

#[test]
fn statements_that_nobody_waits_for_end() {
    let site = Site::start();
    let endless = "SELECT count(*) FROM word_count.counts a, word_count.counts b, \
                   word_count.counts c WHERE a.n + b.n + c.n < 0";
    let url = site.url();
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| served::give_up(url, endless, std::time::Duration::from_millis(700)));
        }
    });
    let begun = std::time::Instant::now();
    let (status, answer) = site.sql("SELECT count(*) FROM bank.credits");
    assert_eq!(status, 200, "{answer}");
    assert!(begun.elapsed().as_secs() < 20, "it took {:?}", begun.elapsed());
}

#[test]
fn what_needs_too_much_memory_is_refused() {
    let site = Site::start();
    let greedy = "SELECT r FROM (SELECT repeat(word, 30000) AS r FROM word_count.counts) \
                  ORDER BY r DESC LIMIT 1000000";
    let (status, answer) = site.sql(greedy);
    assert_eq!((status, answer["sqlstate"].as_str()), (503, Some("53200")), "{answer}");
    let (status, answer) = site.sql("SELECT count(*) FROM word_count.counts");
    assert_eq!(status, 200, "{answer}");
}
