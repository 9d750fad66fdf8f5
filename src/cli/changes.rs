//! `changes`: prints the changes of a view, epoch by epoch.

use std::process::ExitCode;
use std::time::Duration;

use super::data_dir_or_server::OpenTarget;
use super::dataflow_catalog::Dataflows;
use super::remote;
use super::row_printer::Sheet;
use super::view_read_args::ChangesArgs;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::{At, Epoch};
use diptych_row::Datum;
use diptych_serving::Token;
use diptych_system::{Boundary, System};

/// Computes the changes from a data directory, or asks a server for them.
pub(super) fn run(args: &ChangesArgs, catalog: &Dataflows) -> Result<ExitCode> {
    match args.place.place()? {
        OpenTarget::Data(system) => local(args, catalog, &system),
        OpenTarget::Server(server) => remote::changes(args, &server),
    }
}

/// The error for epochs that the log does not have.
pub(super) fn not_sealed(from: Epoch, upper: Epoch, end: Epoch) -> Error {
    let message = format!("the log has the epochs [0, {end}), not [{from}, {upper})");
    Error::new(Kind::Missing, message).remedy("ask for sealed epochs")
}

/// Refuses a token of another history of the log.
fn check_token(args: &ChangesArgs, system: &System) -> Result<()> {
    let text = args.from.as_deref().filter(|text| text.contains('@'));
    let token = text.map(str::parse::<Token>).transpose()?;
    let Some((token, last)) =
        token.and_then(|token| token.epoch.checked_sub(1).map(|l| (token, l)))
    else {
        return Ok(());
    };
    if token.branch.is_none() {
        let message = format!("the token {token} does not say which history of the log it is of");
        return Err(Error::new(Kind::Conflict, message)
            .remedy("give the number of an epoch, or a token of a server of this release"));
    }
    let branches = system.reader()?.branches();
    branches.check(At { epoch: last, branch: token.branch }).map_err(|error| {
        error.within(format!("the token {token}")).remedy("forget what was read by it: start again")
    })
}

/// Recomputes from a boundary at or below `from`, keeps every epoch apart, and prints the changes.
fn local(args: &ChangesArgs, catalog: &Dataflows, system: &System) -> Result<ExitCode> {
    let definition = catalog.get(&args.dataflow)?;
    let description = definition.describe()?;
    let view = description.view(&args.view)?;
    let from = args.first()?;
    check_token(args, system)?;
    let end = system.reader()?.upper()?;
    let upper = args.to.unwrap_or(end);
    if upper > end || from >= upper {
        return Err(not_sealed(from, upper, end));
    }
    let (found, damaged) = system.fitting(definition, from, from)?;
    for error in &damaged {
        eprintln!("warning: {error}");
    }
    let (how, boundary) = if let Some(boundary) = found.map(|view| view.boundary()) {
        (format!("restored at F = {boundary}"), Boundary::Restore(boundary))
    } else {
        ("recomputed from the events".to_owned(), Boundary::InPlace(from))
    };
    eprintln!("epochs {} to {}: {how}", from, upper - 1);
    let cluster = args.workers.cluster();
    let index = system.recompute_changes(definition, boundary, upper, cluster, usize::MAX)?;
    let schema = &description.views[view].schema;
    let mut sheet = Sheet::of_view(args.format.format, &["epoch"], schema, &["diff"])?;
    let mut changes = index.changes(view, from)?;
    while changes.token().epoch < upper && !sheet.is_closed() {
        let Some(some) = changes.next(Duration::ZERO)? else { break };
        for change in some.iter().filter(|change| change.epoch < upper) {
            let mut cells = vec![Datum::UInt(change.epoch as Epoch)];
            cells.extend(schema.decode(&change.key, &change.value)?);
            cells.push(Datum::Int(change.diff as i64));
            sheet.row(cells)?;
        }
    }
    sheet.finish()?;
    Ok(ExitCode::SUCCESS)
}
