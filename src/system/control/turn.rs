//! One at a time: deployments, and what excludes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use diptych_base::error::{Error, Kind, Result};

/// Where turns are taken; clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<AtomicBool>);

/// A turn; it ends when this is dropped.
#[derive(Debug)]
pub struct Turn(Turns);

impl Turns {
    /// Takes the turn.
    ///
    /// # Errors
    /// When somebody has it.
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
