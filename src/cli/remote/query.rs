//! `query --server`: prints rows of a view, page by page, all of one epoch.

use std::process::ExitCode;

use super::super::view_read_args::QueryArgs;
use super::{Remote, cells};
use crate::key_args;
use crate::query::RowPrinter;
use diptych_base::error::Result;
use diptych_base::limits::REMOTE_PAGE_ROWS;
use diptych_log::AtTime;
use diptych_row::RowSchema;

/// Prints the rows that the server answers.
pub(crate) fn run(args: &QueryArgs, remote: &Remote) -> Result<ExitCode> {
    let schema = remote.schema(&args.dataflow, &args.view)?;
    let path = Remote::view_path(&args.dataflow, &args.view);
    let mut asked = asked(args, &schema)?;
    if let Some(as_of) = args.as_of {
        asked.push(("as_of", as_of.to_text()));
    }
    let page = args.limit.unwrap_or(REMOTE_PAGE_ROWS).clamp(1, REMOTE_PAGE_ROWS);
    asked.push(("limit", page.to_string()));
    let mut out = RowPrinter::new(args.format, &schema, args.limit)?;
    let mut answer = remote.ask(&path, &asked)?;
    match (answer["epoch"].as_u64(), answer["boundary"].as_u64()) {
        (Some(epoch), boundary) => eprintln!(
            "epoch {epoch}, boundary F = {}: read from {}",
            boundary.unwrap_or(0),
            remote.base()
        ),
        (None, _) => eprintln!("no epoch is complete yet"),
    }
    let epoch = answer["epoch"].as_u64();
    let jumped = answer["clock_jumped"].as_u64();
    if let Some(warning) = (AtTime { epoch, jumped }).warning() {
        eprintln!("warning: {warning}");
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
        answer = remote.ask(&path, &next)?;
    }
    out.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// The selection of rows, as parameters. Values are always sent as JSON lists.
fn asked(args: &QueryArgs, schema: &RowSchema) -> Result<Vec<(&'static str, String)>> {
    let keys = key_args::asked(&args.keys, schema)?;
    let lists = [("key_json", &keys.key), ("from_json", &keys.from), ("to_json", &keys.to)];
    let mut asked: Vec<_> = lists
        .into_iter()
        .filter_map(|(name, values)| Some((name, RowSchema::json_of_values(values.as_deref()?))))
        .collect();
    if let Some(prefix) = keys.prefix {
        asked.push(("prefix", prefix.to_owned()));
    }
    // A wrong value causes the same error as without a server.
    key_args::range(&args.keys, schema)?;
    Ok(asked)
}
