//! `query --server`: rows of a view, page by page, all of one epoch.

use std::process::ExitCode;

use serde_json::Value;

use super::{Remote, cells};
use crate::cli::args::QueryArgs;
use crate::cli::key;
use crate::cli::query::RowPrinter;
use crate::error::Result;
use crate::limits::REMOTE_PAGE_ROWS;
use crate::row::RowSchema;

/// Prints what the server answers.
pub(in crate::cli) fn run(args: &QueryArgs, remote: &Remote) -> Result<ExitCode> {
    let schema = remote.schema(&args.dataflow, &args.view)?;
    let path = Remote::view_path(&args.dataflow, &args.view);
    let mut asked = asked(args, &schema)?;
    if let Some(as_of) = args.as_of {
        asked.push(("as_of", as_of.to_text()));
    }
    let page = args.limit.unwrap_or(REMOTE_PAGE_ROWS).clamp(1, REMOTE_PAGE_ROWS);
    asked.push(("limit", page.to_string()));
    let mut out = RowPrinter::new(args.format, &schema, args.limit)?;
    let mut answer = remote.get(&path, &asked)?;
    match (answer["epoch"].as_u64(), answer["boundary"].as_u64()) {
        (Some(epoch), boundary) => eprintln!(
            "epoch {epoch}, boundary F = {}: read from {}",
            boundary.unwrap_or(0),
            remote.base()
        ),
        (None, _) => eprintln!("the log is empty: no epoch is complete"),
    }
    loop {
        for row in answer["rows"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let times = row["_times"].as_i64().unwrap_or(1);
            if !out.cells(cells(&schema, row)?, times as isize)? {
                return out.finish().map(|()| ExitCode::SUCCESS);
            }
        }
        let Some(cursor) = answer["cursor"].as_str() else { break };
        let mut next = asked.clone();
        next.push(("cursor", cursor.to_owned()));
        answer = remote.get(&path, &next)?;
    }
    out.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Which rows, as parameters. Values travel as JSON lists, whatever is in them.
fn asked(args: &QueryArgs, schema: &RowSchema) -> Result<Vec<(&'static str, String)>> {
    let list = |values: &[&str]| Value::from(values).to_string();
    let keys = &args.keys;
    let mut asked = Vec::new();
    for (name, bound) in [("from", &keys.from), ("to", &keys.to)] {
        if let Some(text) = bound {
            asked.push((name, list(&schema.split_key(text))));
        }
    }
    let values = key::values(keys, schema)?;
    if !values.is_empty() {
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        asked.push(("key", list(&values)));
    }
    if let Some(prefix) = &keys.prefix {
        asked.push(("prefix", prefix.clone()));
    }
    // What is wrong with a value is said here as it is without a server.
    key::range(keys, schema)?;
    Ok(asked)
}
