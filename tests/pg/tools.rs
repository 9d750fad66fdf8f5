//! The statements by which drivers and tools begin and browse are answered with the columns and
//! types of `PostgreSQL`, which are written behind each statement.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::served::Site;

/// Types that mean the same to a client that reads texts or whole numbers.
const ALIKE: &[&[&str]] = &[
    &["text", "name", "varchar", "bpchar", "char", "regtype"],
    &["int2", "int4", "int8", "oid", "xid"],
    &["_text", "_name"],
    &["_int8", "_oid"],
];

struct Asked<'a> {
    about: &'a str,
    sql: String,
    columns: &'a str,
}

fn asked(text: &str) -> Vec<Asked<'_>> {
    let mut found = Vec::new();
    let mut about = "";
    let mut sql = String::new();
    for line in text.lines() {
        if let Some(columns) = line.strip_prefix("--> ") {
            let sql = std::mem::take(&mut sql).trim().trim_end_matches(';').to_owned();
            found.push(Asked { about, sql, columns });
        } else if let Some(comment) = line.strip_prefix("-- ") {
            about = comment;
        } else {
            sql.push_str(line);
            sql.push('\n');
        }
    }
    found
}

fn is_alike(left: &str, right: &str) -> bool {
    left == right || ALIKE.iter().any(|alike| alike.contains(&left) && alike.contains(&right))
}

/// What is wrong with the answer; none when it is right.
async fn wrong(client: &Client, asked: &Asked<'_>) -> Option<String> {
    let prepared = match client.prepare(&asked.sql).await {
        Ok(prepared) => prepared,
        Err(error) => {
            return Some(error.as_db_error().map_or(error.to_string(), ToString::to_string));
        }
    };
    let names = prepared.columns().iter().map(tokio_postgres::Column::name).collect::<Vec<_>>();
    let types = prepared.columns().iter().map(tokio_postgres::Column::type_).map(Type::name);
    let expected: Vec<_> =
        asked.columns.split(", ").filter_map(|one| one.rsplit_once(' ')).collect();
    let expected_names: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
    if names != expected_names {
        return Some(format!("columns {names:?} instead of {expected_names:?}"));
    }
    for (of, (name, expected)) in types.zip(&expected) {
        if !is_alike(of, expected) {
            return Some(format!("column {name} is {of} instead of {expected}"));
        }
    }
    match client.simple_query(&asked.sql).await {
        Ok(_) => None,
        Err(error) => Some(error.as_db_error().map_or(error.to_string(), ToString::to_string)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drivers_and_tools_are_answered() {
    let site = Site::start();
    let client = site.client().await;
    let mut failed = Vec::new();
    let mut count = 0;
    for text in [include_str!("tools/drivers.sql"), include_str!("tools/tools.sql")] {
        for asked in asked(text) {
            count += 1;
            if let Some(why) = wrong(&client, &asked).await {
                failed.push(format!("{}: {why}", asked.about));
            }
        }
    }
    assert!(count > 90, "{count}");
    assert!(failed.is_empty(), "{} of {count}:\n{}", failed.len(), failed.join("\n"));
}
