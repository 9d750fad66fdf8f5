//! The extended protocol: messages that prepare, bind, describe and execute statements.

use std::borrow::Cow;
use std::sync::Arc;

use super::backend;
use super::cancel::StatementGuard;
use super::classify_statement::PgCommand;
use super::connection::Connection;
use super::copy::CopyOut;
use super::copy_command::CopyOptions;
use super::cursor::ForwardRows;
use super::cursor_command::Direction;
use super::error::Failure;
use super::frontend::{Bind, Parse, StatementOrPortal};
use super::params::Param;
use super::portal::{PortalError, RowSource, Sent, Style, describe};
use super::prepared::{CommandOutcome, Hold, PgPlan, PgPrepared, Portal, PortalState};
use super::session::{no_cursor, no_statement};
use super::split_statements;
use super::wire::Wire;
use diptych_site::budget::{Claim, REQUESTS};

/// Bytes of a portal's parameters that are exempt from the budget of requests.
const PARAMETERS_BYTES_FREE: usize = 4 << 10;

impl Connection {
    pub(super) async fn parse(&mut self, parse: Parse) -> Result<(), Failure> {
        let (sql, before) = match split_statements::split(&parse.sql).as_slice() {
            [] => ("", 0),
            [one] => (one.sql, one.before),
            _ => {
                let message = "cannot insert multiple commands into a prepared statement";
                return Err(Failure::new("42601", message).hint("send them one by one"));
            }
        };
        let mut guard = self.session.guard();
        let prepared = self.session.prepare(sql, &parse.types, &mut guard).await;
        let prepared = prepared.map_err(|failure| failure.behind(before))?;
        self.session.keep(parse.name, prepared)?;
        backend::parse_complete(&mut self.wire.out);
        Ok(())
    }

    pub(super) fn bind(&mut self, bind: Bind) -> Result<(), Failure> {
        let prepared = self.session.statements.get(&bind.statement);
        let prepared = prepared.ok_or_else(|| no_statement(&bind.statement))?;
        let wanted = prepared.parameters.len();
        if bind.parameters.len() != wanted {
            let given = bind.parameters.len();
            let message = format!("{given} parameters are bound, the statement has {wanted}");
            return Err(Failure::new("08P01", message));
        }
        let columns = prepared.fields.as_ref().map_or(0, Vec::len);
        check_formats(&bind.parameter_formats, wanted, "parameters")?;
        check_formats(&bind.formats, columns, "columns")?;
        let value = |(at, bytes): (usize, &Option<Vec<u8>>)| {
            let format = backend::format_of(&bind.parameter_formats, at);
            Param::parse(prepared.parameters[at], format, bytes.as_deref())
        };
        let values = bind.parameters.iter().enumerate().map(value);
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let claim = claimed(&values)?;
        let prepared = Arc::clone(prepared);
        let progress = PortalState::Fresh;
        let hold = Hold::No;
        let formats = bind.formats;
        let portal = Portal { prepared, values, formats, progress, hold, _claim: claim };
        self.session.open(bind.portal, portal)?;
        backend::bind_complete(&mut self.wire.out);
        Ok(())
    }

    pub(super) fn describe(&mut self, target: &StatementOrPortal) -> Result<(), Failure> {
        let out = &mut self.wire.out;
        match target {
            StatementOrPortal::Statement(name) => {
                let prepared = self.session.statements.get(name);
                let prepared = prepared.ok_or_else(|| no_statement(name))?;
                backend::parameter_description(&prepared.parameters, out);
                describe(prepared.fields.as_deref(), &[], out);
            }
            StatementOrPortal::Portal(name) => {
                let portal = self.session.cursor(name)?;
                // A portal that will run DECLARE has no rows; the cursor that it opens has.
                let fields = match portal.progress {
                    PortalState::Fresh => portal.prepared.fields.as_deref().map(Cow::Borrowed),
                    _ => portal.prepared.columns(),
                };
                describe(fields.as_deref(), &portal.formats, out);
            }
        }
        Ok(())
    }

    /// Closes a statement or portal; it is no error if there is none.
    pub(super) fn close(&mut self, target: &StatementOrPortal) {
        match target {
            StatementOrPortal::Statement(name) => drop(self.session.statements.remove(name)),
            StatementOrPortal::Portal(name) => drop(self.session.portals.remove(name)),
        }
        backend::close_complete(&mut self.wire.out);
    }

    pub(super) async fn execute(&mut self, name: String, rows_max: u64) -> Result<(), PortalError> {
        // The portal is taken out while it runs, because its command may close portals.
        let mut portal = self.session.portals.remove(&name).ok_or_else(|| no_cursor(&name))?;
        let outcome = self.run_portal(&mut portal, rows_max).await;
        let ends = matches!(
            &portal.prepared.plan,
            PgPlan::Command(PgCommand::Commit | PgCommand::Rollback)
        );
        if outcome.is_ok() && !ends {
            self.session.portals.insert(name, portal);
        }
        outcome
    }

    async fn run_portal(&mut self, portal: &mut Portal, rows_max: u64) -> Result<(), PortalError> {
        let prepared = Arc::clone(&portal.prepared);
        if !matches!(&prepared.plan, PgPlan::Command(command) if ends(command)) {
            self.session.transaction.check()?;
        }
        if let (PgPlan::Point(point), PortalState::Fresh, 0) =
            (&prepared.plan, &portal.progress, rows_max)
        {
            let out = &mut self.wire.out;
            let values = &portal.values;
            let formats = &portal.formats;
            if let Some(rows) = self.session.point(point, values, formats, out).await? {
                backend::rows_complete("SELECT", rows, out);
                portal.progress = PortalState::Done;
                return Ok(());
            }
        }
        let mut guard = self.session.guard();
        match (&prepared.plan, std::mem::replace(&mut portal.progress, PortalState::Done)) {
            (PgPlan::Empty, _) => backend::empty_query(&mut self.wire.out),
            (_, PortalState::Done) => backend::rows_complete("SELECT", 0, &mut self.wire.out),
            (PgPlan::Command(PgCommand::Fetch { cursor, direction, is_sent }), _) => {
                self.fetch(cursor, *direction, *is_sent, &portal.formats).await?;
            }
            (PgPlan::Declare(..), PortalState::Fresh) => {
                let values = std::mem::take(&mut portal.values);
                let out = &mut self.wire.out;
                self.session.declare(&prepared, values, &mut guard, out).await?;
                backend::command_complete("DECLARE CURSOR", &mut self.wire.out);
            }
            (PgPlan::Prepare(command), _) => {
                self.session.prepare_named(command, &mut guard).await?;
                backend::command_complete("PREPARE", &mut self.wire.out);
            }
            (PgPlan::Execute(command), PortalState::Fresh) => {
                (portal.prepared, portal.values) =
                    self.session.executed(command, &mut guard).await?;
                portal.progress = PortalState::Fresh;
                Box::pin(self.run_portal(portal, rows_max)).await?;
            }
            (PgPlan::Command(command), PortalState::Fresh) => {
                match self.session.command(command, &mut self.wire.out)? {
                    CommandOutcome::Tag(tag) => backend::command_complete(&tag, &mut self.wire.out),
                    CommandOutcome::Table(_, source) => self.send(portal, source, rows_max).await?,
                }
            }
            (PgPlan::Copy(_, options), _) => {
                let values = std::mem::take(&mut portal.values);
                self.copy_out(&prepared, values, options).await?;
            }
            (_, PortalState::Fresh) => {
                let values = std::mem::take(&mut portal.values);
                let out = &mut self.wire.out;
                let source = self.session.start(&prepared, values, &mut guard, out).await?;
                self.send(portal, source, rows_max).await?;
            }
            (_, PortalState::Running(source)) => self.send(portal, source, rows_max).await?,
            (_, cursor) => {
                portal.progress = cursor;
                let most = (rows_max > 0).then_some(rows_max);
                let style = Style::Rows(&portal.formats);
                let wire = &mut self.wire;
                let direction = Direction::Forward(most);
                let sent = portal.progress.pass(direction, Some(style), wire, &mut guard).await?;
                backend::rows_complete("FETCH", sent.rows, &mut self.wire.out);
            }
        }
        Ok(())
    }

    /// Sends rows of a portal, and the message that says whether there are more.
    async fn send(
        &mut self,
        portal: &mut Portal,
        mut source: RowSource,
        rows_max: u64,
    ) -> Result<(), PortalError> {
        let mut guard = self.session.guard();
        let style = Style::Rows(&portal.formats);
        let sent = source.send(rows_max, style, &mut self.wire, &mut guard).await?;
        if sent.is_end {
            done(portal.prepared.tag(), &sent, &mut self.wire.out);
        } else {
            portal.progress = PortalState::Running(source);
            backend::portal_suspended(&mut self.wire.out);
        }
        Ok(())
    }

    /// Runs FETCH and MOVE: rows of another portal.
    pub(super) async fn fetch(
        &mut self,
        cursor: &str,
        direction: Direction,
        is_sent: bool,
        formats: &[i16],
    ) -> Result<(), PortalError> {
        let tag = if is_sent { "FETCH" } else { "MOVE" };
        let mut guard = self.session.guard();
        let portal = self.session.portals.get_mut(cursor).ok_or_else(|| no_cursor(cursor))?;
        // A cursor that was declared as BINARY has its own format.
        let own = portal.formats.clone();
        let is_binary = matches!(portal.prepared.plan, PgPlan::Declare(..)) && own == [1];
        let formats = if is_binary { &own } else { formats };
        let style = is_sent.then_some(Style::Rows(formats));
        let sent = portal.progress.pass(direction, style, &mut self.wire, &mut guard).await?;
        backend::rows_complete(tag, sent.rows, &mut self.wire.out);
        Ok(())
    }

    /// Runs COPY … TO STDOUT.
    pub(super) async fn copy_out(
        &mut self,
        prepared: &PgPrepared,
        values: Vec<Param>,
        options: &CopyOptions,
    ) -> Result<(), PortalError> {
        let mut guard = self.session.guard();
        let out = &mut self.wire.out;
        let mut source = self.session.start(prepared, values, &mut guard, out).await?;
        let PgPlan::Copy(planned, _) = &prepared.plan else {
            return Err(Failure::new("XX000", "no COPY").into());
        };
        let fields = super::types::named_fields(planned).unwrap_or_default();
        let copy = CopyOut::begin(options, &fields, out);
        let sent = source.send(0, Style::Copy(&copy), &mut self.wire, &mut guard).await?;
        copy.end(sent.rows, &mut self.wire.out);
        Ok(())
    }
}

/// A claim on the budget of requests for values that are more than a few bytes.
fn claimed(values: &[Param]) -> Result<Option<Claim>, Failure> {
    let bytes: usize = values.iter().map(Param::memory_bytes).sum();
    if bytes <= PARAMETERS_BYTES_FREE {
        return Ok(None);
    }
    let mut claim = REQUESTS.claim();
    claim.grow_to(bytes).map_err(|full| Failure::new("53200", full.to_string()))?;
    Ok(Some(claim))
}

fn ends(command: &PgCommand) -> bool {
    matches!(command, PgCommand::Commit | PgCommand::Rollback | PgCommand::RollbackTo(_))
}

impl PortalState {
    /// Moves in `direction`, and sends the rows that are passed when there is a style for them.
    async fn pass(
        &mut self,
        direction: Direction,
        style: Option<Style<'_>>,
        wire: &mut Wire,
        guard: &mut StatementGuard,
    ) -> Result<Sent, PortalError> {
        if matches!(self, PortalState::Running(_))
            && let PortalState::Running(source) = std::mem::replace(self, PortalState::Done)
        {
            *self = PortalState::Forward(ForwardRows::new(source));
        }
        match self {
            PortalState::Forward(rows) => rows.pass(direction, style, wire, guard).await,
            PortalState::Scroll(rows) => rows.pass(direction, style, wire, guard).await,
            _ => Ok(Sent { rows: 0, is_end: true }),
        }
    }
}

/// Appends the completion message of a portal whose rows were all sent.
pub(super) fn done(tag: &str, sent: &Sent, out: &mut bytes::BytesMut) {
    if tag == "SELECT" {
        backend::rows_complete(tag, sent.rows, out);
    } else {
        backend::command_complete(tag, out);
    }
}

fn check_formats(formats: &[i16], count: usize, of: &str) -> Result<(), Failure> {
    if formats.len() > 1 && formats.len() != count {
        let message = format!("{} formats are given for {count} {of}", formats.len());
        return Err(Failure::new("08P01", message));
    }
    match formats.iter().find(|format| !matches!(format, 0 | 1)) {
        Some(format) => Err(Failure::new("08P01", format!("there is no format {format}"))),
        None => Ok(()),
    }
}
