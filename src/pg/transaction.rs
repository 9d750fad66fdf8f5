//! The transaction of a session, which only reads: inside it, all statements answer at one epoch of
//! each dataflow, and settings can be rolled back.

use bytes::BytesMut;

use super::error::{Failure, write_warning};
use super::settings::PgSettings;
use diptych_base::limits::PG_SAVEPOINTS_MAX;

/// The transaction state of a session.
#[derive(Default)]
pub(super) struct Transaction {
    state: State,
    /// The settings when the transaction began.
    before: Option<PgSettings>,
    /// Names of the settings that end with the transaction.
    local: Vec<String>,
    savepoints: Vec<String>,
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

    /// Begins a transaction; false when there is one already.
    pub(super) fn begin(&mut self, settings: &PgSettings, out: &mut BytesMut) -> bool {
        if self.is_there() {
            write_warning("25001", "there is already a transaction in progress", out);
            return false;
        }
        self.state = State::Open;
        self.before = Some(settings.clone());
        true
    }

    /// Ends the transaction, and gives the tag of the outcome.
    pub(super) fn commit(&mut self, settings: &mut PgSettings, out: &mut BytesMut) -> &'static str {
        match self.state {
            State::Failed => {
                self.rollback(settings, out);
                return "ROLLBACK";
            }
            State::None => write_warning("25P01", "there is no transaction in progress", out),
            State::Open => {
                if let Some(before) = self.before.take() {
                    for name in std::mem::take(&mut self.local) {
                        // The setting had this value before, so it is allowed.
                        let _ = settings.set(&name, before.get(&name), out);
                    }
                }
            }
        }
        *self = Transaction::default();
        "COMMIT"
    }

    /// Ends the transaction, and restores the settings.
    pub(super) fn rollback(&mut self, settings: &mut PgSettings, out: &mut BytesMut) {
        match self.before.take() {
            Some(before) => settings.become_again(before, out),
            None => write_warning("25P01", "there is no transaction in progress", out),
        }
        *self = Transaction::default();
    }

    /// Notes that a setting was set for this transaction only.
    pub(super) fn note_local(&mut self, name: &str, out: &mut BytesMut) {
        if !self.is_there() {
            write_warning("25P01", "SET LOCAL can only be used in transaction blocks", out);
        } else if !self.local.iter().any(|known| known == name) {
            self.local.push(name.to_owned());
        }
    }

    /// Adds a savepoint.
    ///
    /// # Errors
    /// When there is no transaction, or it has too many savepoints.
    pub(super) fn save(&mut self, name: &str) -> Result<(), Failure> {
        if !self.is_there() {
            let message = "SAVEPOINT can only be used in transaction blocks";
            return Err(Failure::new("25P01", message));
        }
        if self.savepoints.len() >= PG_SAVEPOINTS_MAX {
            let message = format!("{PG_SAVEPOINTS_MAX} savepoints are in this transaction");
            return Err(Failure::new("53400", message).hint("release some"));
        }
        self.savepoints.push(name.to_owned());
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

    /// Goes back to a savepoint, and clears a failure since then.
    ///
    /// # Errors
    /// When there is none of this name.
    pub(super) fn return_to(&mut self, name: &str) -> Result<(), Failure> {
        let at = self.savepoint(name)?;
        self.savepoints.truncate(at + 1);
        self.state = State::Open;
        Ok(())
    }

    fn savepoint(&self, name: &str) -> Result<usize, Failure> {
        let at = self.savepoints.iter().rposition(|known| known == name);
        at.ok_or_else(|| Failure::new("3B001", format!("savepoint \"{name}\" does not exist")))
    }
}
