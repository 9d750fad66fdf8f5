//! The simple protocol: a text with any number of statements; all values are sent as text.

use std::sync::Arc;

use super::backend;
use super::cancel::StatementGuard;
use super::classify_statement::PgCommand;
use super::connection::Connection;
use super::error::Failure;
use super::extended::done;
use super::params::Param;
use super::portal::{PortalError, Style};
use super::prepared::{CommandOutcome, PgPlan, PgPrepared};
use super::split_statements;

impl Connection {
    pub(super) async fn query(&mut self, text: &str) -> Result<(), PortalError> {
        let statements = split_statements::split(text);
        if statements.is_empty() {
            backend::empty_query(&mut self.wire.out);
        }
        let is_batch = statements.len() > 1;
        for statement in statements {
            self.session.is_in_batch = is_batch;
            let done = self.statement(statement.sql).await;
            done.map_err(|trouble| match trouble {
                PortalError::Failure(failure) => {
                    PortalError::Failure(failure.behind(statement.before))
                }
                PortalError::Gone => PortalError::Gone,
            })?;
        }
        self.session.rest(&mut self.wire.out);
        Ok(())
    }

    async fn statement(&mut self, sql: &str) -> Result<(), PortalError> {
        let mut guard = self.session.guard();
        let prepared = self.session.prepare(sql, &[], &mut guard).await?;
        if !prepared.parameters.is_empty() {
            let failure = Failure::new("42P02", "there is no parameter $1");
            return Err(failure.hint("parameters need the extended protocol").into());
        }
        self.run_simple(&Arc::new(prepared), Vec::new(), &mut guard).await
    }

    async fn run_simple(
        &mut self,
        prepared: &Arc<PgPrepared>,
        values: Vec<Param>,
        guard: &mut StatementGuard,
    ) -> Result<(), PortalError> {
        let out = &mut self.wire.out;
        match &prepared.plan {
            PgPlan::Empty => backend::empty_query(out),
            PgPlan::Copy(_, options) => self.copy_out(prepared, values, options).await?,
            PgPlan::Declare(..) => {
                self.session.declare(prepared, values, guard, out).await?;
                backend::command_complete("DECLARE CURSOR", &mut self.wire.out);
            }
            PgPlan::Prepare(command) => {
                self.session.prepare_named(command, guard).await?;
                backend::command_complete("PREPARE", &mut self.wire.out);
            }
            PgPlan::Execute(command) => {
                let (executed, values) = self.session.executed(command, guard).await?;
                Box::pin(self.run_simple(&executed, values, guard)).await?;
            }
            PgPlan::Command(PgCommand::Fetch { cursor, direction, is_sent }) => {
                let formats = self.session.cursor(cursor)?.formats.clone();
                self.columns(prepared, &formats);
                self.fetch(cursor, *direction, *is_sent, &[]).await?;
            }
            PgPlan::Command(command) => match self.session.command(command, out)? {
                CommandOutcome::Tag(tag) => backend::command_complete(&tag, &mut self.wire.out),
                CommandOutcome::Table(fields, mut source) => {
                    backend::row_description(&fields, &[], &mut self.wire.out);
                    let style = Style::Rows(&[]);
                    source.send(0, style, &mut self.wire, guard).await?;
                    backend::command_complete("SHOW", &mut self.wire.out);
                }
            },
            PgPlan::Query(_) | PgPlan::Point(_) => {
                let mut source = self.session.start(prepared, values, guard, out).await?;
                self.columns(prepared, &[]);
                let style = Style::Rows(&[]);
                let sent = source.send(0, style, &mut self.wire, guard).await?;
                done(prepared.tag(), &sent, &mut self.wire.out);
            }
        }
        Ok(())
    }

    fn columns(&mut self, prepared: &PgPrepared, formats: &[i16]) {
        if let Some(fields) = &prepared.fields {
            backend::row_description(fields, formats, &mut self.wire.out);
        }
    }
}
