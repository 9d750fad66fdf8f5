//! The turn: a lock under which one deployment, or an operation that excludes them, runs at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use diptych_base::error::{Error, Kind, Result};

/// The lock from which turns are taken; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<AtomicBool>);

/// A taken turn, which ends when it is dropped.
#[derive(Debug)]
pub struct Turn(Turns);

impl Turns {
    /// Takes the turn, without waiting.
    ///
    /// # Errors
    /// When the turn is taken already.
    pub fn take(&self) -> Result<Turn> {
        if self.0.swap(true, Ordering::AcqRel) {
            let message = "another deployment is under way, or the process is about to hand over";
            return Err(Error::new(Kind::Conflict, message).remedy("wait until it has ended"));
        }
        Ok(Turn(self.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_with_its_holder() {
        let turns = Turns::default();
        let turn = turns.take().expect("nobody has it");
        assert!(turns.clone().take().is_err_and(|error| error.is_conflict()));
        drop(turn);
        assert!(turns.take().is_ok());
    }
}
