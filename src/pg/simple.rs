//! The simple protocol: a text with any number of statements; all values are sent as text.

use super::backend;
use super::command::PgCommand;
use super::connection::Connection;
use super::error::Failure;
use super::extended::done;
use super::portal::{PortalError, Style};
use super::prepared::{CommandOutcome, PgPlan, PgPrepared};
use super::statements;

impl Connection {
    pub(super) async fn query(&mut self, text: &str) -> Result<(), PortalError> {
        let statements = statements::split(text);
        if statements.is_empty() {
            backend::empty_query(&mut self.wire.out);
        }
        for statement in statements {
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
        match &prepared.plan {
            PgPlan::Empty => backend::empty_query(&mut self.wire.out),
            PgPlan::Copy(_, options) => self.copy_out(&prepared, Vec::new(), options).await?,
            PgPlan::Command(PgCommand::Fetch { cursor, rows, is_sent }) => {
                self.columns(&prepared);
                self.fetch(cursor, *rows, *is_sent, &[]).await?;
            }
            PgPlan::Command(command) => {
                match self.session.command(command, &mut guard, &mut self.wire.out).await? {
                    CommandOutcome::Tag(tag) => backend::command_complete(&tag, &mut self.wire.out),
                    CommandOutcome::Table(fields, mut source) => {
                        backend::row_description(&fields, &[], &mut self.wire.out);
                        let style = Style::Rows(&[]);
                        source.send(0, style, &mut self.wire, &mut guard).await?;
                        backend::command_complete("SHOW", &mut self.wire.out);
                    }
                }
            }
            PgPlan::Query(_) | PgPlan::Point(_) => {
                let out = &mut self.wire.out;
                let mut source = self.session.start(&prepared, Vec::new(), &mut guard, out).await?;
                self.columns(&prepared);
                let style = Style::Rows(&[]);
                let sent = source.send(0, style, &mut self.wire, &mut guard).await?;
                done(prepared.tag(), &sent, &mut self.wire.out);
            }
        }
        Ok(())
    }

    fn columns(&mut self, prepared: &PgPrepared) {
        if let Some(fields) = &prepared.fields {
            backend::row_description(fields, &[], &mut self.wire.out);
        }
    }
}
