//! Statements that make others: DECLARE opens a cursor, PREPARE keeps a statement, EXECUTE runs it.

use std::sync::Arc;

use bytes::BytesMut;

use super::cancel::StatementGuard;
use super::cursor::{ForwardRows, ScrollRows};
use super::cursor_command::Declare;
use super::error::Failure;
use super::params::Param;
use super::portal::RowSource;
use super::prepared::{Hold, PgPlan, PgPrepared, Portal, PortalState};
use super::record_batch_encoder::ReadyRows;
use super::session::{PgSession, no_statement};
use super::sql_prepare::{ExecuteCommand, PrepareCommand, constant};
use diptych_base::limits::PG_HELD_CURSOR_BYTES;

impl PgSession {
    /// Runs DECLARE: opens the query of `prepared` with `values` as a cursor.
    pub(super) async fn declare(
        &mut self,
        prepared: &Arc<PgPrepared>,
        values: Vec<Param>,
        guard: &mut StatementGuard,
        out: &mut BytesMut,
    ) -> Result<(), Failure> {
        let PgPlan::Declare(_, Declare { cursor, is_held, scrolls, is_binary, .. }) =
            &prepared.plan
        else {
            return Err(Failure::new("XX000", "no DECLARE"));
        };
        if !is_held && !self.transaction.is_there() && !self.is_in_batch {
            let message = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(Failure::new("25P01", message).hint("BEGIN first, or declare it WITH HOLD"));
        }
        let mut source = self.start(prepared, values, guard, out).await?;
        if *is_held && let RowSource::Feed(feed) = &mut source {
            guard.watch(feed.read_ahead(PG_HELD_CURSOR_BYTES)).await??;
        }
        let progress = match source {
            RowSource::Feed(feed) if *scrolls => PortalState::Scroll(ScrollRows::new(feed)),
            source => PortalState::Forward(ForwardRows::new(source)),
        };
        let hold = match (is_held, self.transaction.is_there()) {
            (false, _) => Hold::No,
            (true, true) => Hold::New,
            (true, false) => Hold::Kept,
        };
        let portal = Portal {
            prepared: Arc::clone(prepared),
            values: Vec::new(),
            formats: vec![i16::from(*is_binary)],
            progress,
            hold,
            _claim: None,
        };
        self.open(cursor.clone(), portal)
    }

    /// Runs PREPARE.
    pub(super) async fn prepare_named(
        &mut self,
        command: &PrepareCommand,
        guard: &mut StatementGuard,
    ) -> Result<(), Failure> {
        let prepared = self.prepare(&command.sql, &command.types, guard).await?;
        if !matches!(prepared.plan, PgPlan::Query(_) | PgPlan::Point(_)) {
            let failure = Failure::new("42601", "PREPARE takes a query here");
            return Err(failure.hint("send other statements as they are"));
        }
        self.keep(command.name.clone(), prepared)
    }

    /// The statement that EXECUTE runs, and the values of its parameters.
    pub(super) async fn executed(
        &mut self,
        command: &ExecuteCommand,
        guard: &mut StatementGuard,
    ) -> Result<(Arc<PgPrepared>, Vec<Param>), Failure> {
        let prepared = self.statements.get(&command.name);
        let prepared = Arc::clone(prepared.ok_or_else(|| no_statement(&command.name))?);
        let wanted = prepared.parameters.len();
        if command.values.len() != wanted {
            let given = command.values.len();
            let name = &command.name;
            let failure = Failure::new(
                "42601",
                format!("wrong number of parameters for prepared statement \"{name}\""),
            );
            return Err(failure.hint(format!("Expected {wanted} parameters but got {given}.")));
        }
        let mut values = Vec::with_capacity(wanted);
        for (written, of) in command.values.iter().zip(&prepared.parameters) {
            values.push(match constant(written, *of) {
                Some(value) => value?,
                None => self.computed(written, *of, guard).await?,
            });
        }
        Ok((prepared, values))
    }

    /// The value of an expression, for a parameter of type `of`.
    async fn computed(
        &mut self,
        written: &str,
        of: u32,
        guard: &mut StatementGuard,
    ) -> Result<Param, Failure> {
        let prepared = self.prepare(&format!("SELECT ({written})"), &[], guard).await?;
        if !prepared.parameters.is_empty() {
            return Err(Failure::new("42P02", "there is no parameter $1"));
        }
        let mut unheard = BytesMut::new();
        let source = self.start(&prepared, Vec::new(), guard, &mut unheard).await?;
        let RowSource::Feed(mut feed) = source else { return Ok(Param::Null) };
        let Some(batch) = guard.watch(feed.next(1)).await? else { return Ok(Param::Null) };
        let rows = ReadyRows::new(&batch?, &[])?;
        let mut value = Ok(Param::Null);
        rows.texts(0, |_, text| value = Param::parse(of, 0, text));
        value
    }
}
