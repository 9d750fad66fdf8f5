//! The transaction of a session, which only reads: inside it, all statements answer at one epoch of
//! each dataflow, and settings can be rolled back.

use bytes::BytesMut;

use super::error::{Failure, write_warning};
use diptych_base::limits::PG_SAVEPOINTS_MAX;
use diptych_sql::{Settings, SettingsMark};

/// The transaction state of a session.
#[derive(Default)]
pub(super) struct Transaction {
    state: State,
    /// The settings when the transaction began.
    before: Option<SettingsMark>,
    /// Names of savepoints, with the settings at that moment.
    savepoints: Vec<(String, SettingsMark)>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    None,
    Open,
    Failed,
}

impl Transaction {
    /// The letter of this state in `ReadyForQuery`.
    pub(super) fn status(&self) -> u8 {
        match self.state {
            State::None => b'I',
            State::Open => b'T',
            State::Failed => b'E',
        }
    }

    /// Whether there is a transaction.
    pub(super) fn is_there(&self) -> bool {
        self.state != State::None
    }

    /// Whether a statement of the transaction has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.state == State::Failed
    }

    /// Checks that a statement that does not end the transaction may run.
    ///
    /// # Errors
    /// When an earlier statement of the transaction has failed.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.state != State::Failed {
            return Ok(());
        }
        let message = "current transaction is aborted, commands ignored until end of transaction \
                       block";
        Err(Failure::new("25P02", message).hint("ROLLBACK, and begin again"))
    }

    /// Notes that a statement has failed.
    pub(super) fn fail(&mut self) {
        if self.state == State::Open {
            self.state = State::Failed;
        }
    }

    /// Begins a transaction, before which the settings were as in `before`; false when there is one
    /// already.
    pub(super) fn begin(&mut self, before: &SettingsMark, out: &mut BytesMut) -> bool {
        if self.is_there() {
            write_warning("25001", "there is already a transaction in progress", out);
            return false;
        }
        self.state = State::Open;
        self.before = Some(before.clone());
        true
    }

    /// Ends the transaction, and gives the tag of the outcome.
    pub(super) fn commit(
        &mut self,
        before: &SettingsMark,
        settings: &mut Settings,
        out: &mut BytesMut,
    ) -> &'static str {
        match self.state {
            State::Failed => {
                self.rollback(before, settings, out);
                return "ROLLBACK";
            }
            State::None => write_warning("25P01", "there is no transaction in progress", out),
            State::Open => {}
        }
        settings.end_transaction();
        *self = Transaction::default();
        "COMMIT"
    }

    /// Ends the transaction, and restores the settings: without a transaction those of `before`,
    /// because the statements of one text are one.
    pub(super) fn rollback(
        &mut self,
        before: &SettingsMark,
        settings: &mut Settings,
        out: &mut BytesMut,
    ) {
        let begun = self.before.take();
        if begun.is_none() {
            write_warning("25P01", "there is no transaction in progress", out);
        }
        settings.return_to(begun.as_ref().unwrap_or(before));
        settings.end_transaction();
        *self = Transaction::default();
    }

    /// Warns of a setting for the transaction when there is none: it ends with its statement.
    pub(super) fn check_local(&self, out: &mut BytesMut) {
        if !self.is_there() {
            write_warning("25P01", "SET LOCAL can only be used in transaction blocks", out);
        }
    }

    /// Adds a savepoint.
    ///
    /// # Errors
    /// When there is no transaction, or it has too many savepoints.
    pub(super) fn save(&mut self, name: &str, settings: &Settings) -> Result<(), Failure> {
        if !self.is_there() {
            let message = "SAVEPOINT can only be used in transaction blocks";
            return Err(Failure::new("25P01", message));
        }
        if self.savepoints.len() >= PG_SAVEPOINTS_MAX {
            let message = format!("{PG_SAVEPOINTS_MAX} savepoints are in this transaction");
            return Err(Failure::new("53400", message).hint("release some"));
        }
        self.savepoints.push((name.to_owned(), settings.mark()));
        Ok(())
    }

    /// Removes a savepoint and those after it.
    ///
    /// # Errors
    /// When there is none of this name.
    pub(super) fn release(&mut self, name: &str) -> Result<(), Failure> {
        let at = self.savepoint(name)?;
        self.savepoints.truncate(at);
        Ok(())
    }

    /// Goes back to a savepoint and its settings, and clears a failure since then.
    ///
    /// # Errors
    /// When there is none of this name.
    pub(super) fn return_to(&mut self, name: &str, settings: &mut Settings) -> Result<(), Failure> {
        let at = self.savepoint(name)?;
        settings.return_to(&self.savepoints[at].1);
        self.savepoints.truncate(at + 1);
        self.state = State::Open;
        Ok(())
    }

    fn savepoint(&self, name: &str) -> Result<usize, Failure> {
        if !self.is_there() {
            let message = "savepoints can only be used in transaction blocks";
            return Err(Failure::new("25P01", message).hint("BEGIN before them"));
        }
        let at = self.savepoints.iter().rposition(|(known, _)| known == name);
        at.ok_or_else(|| Failure::new("3B001", format!("savepoint \"{name}\" does not exist")))
    }
}
