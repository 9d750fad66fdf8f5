//! A successor takes over lock and listeners: asked for over HTTP, done by who runs the servers.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::site::Site;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::Link;
use diptych_system::Turn;

/// Characters of a successor's name: 128 random bits as hexadecimal digits.
pub const NAME_LEN: usize = 32;

/// Whether this process may hand over, and whether it was asked to.
#[derive(Default)]
pub struct Handover {
    /// Where successors wait; unset when this process cannot hand over.
    place: OnceLock<PathBuf>,
    asked: Mutex<Option<Asked>>,
    /// Kept once a successor has been found.
    leaving: Mutex<Option<Turn>>,
}

/// A successor asks.
struct Asked {
    link: Link,
    /// A version that is deployed here holds the log's writer, too: none is, until this site is
    /// gone or the successor.
    turn: Turn,
}

impl Site {
    /// From now on a successor that waits in the data directory `root` may ask this process to hand
    /// over. Whoever allows it looks for [`Site::successor`] and does it.
    pub fn allow_handover(&self, root: &Path) {
        // Allowed once is allowed.
        let _ = self.handover.place.set(root.to_owned());
    }

    /// The successor that asks this process to hand over, once.
    pub fn successor(&self) -> Option<Link> {
        let mut asked = self.handover.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let Asked { link, turn } = asked.take()?;
        // For as long as there is this site: it is closed now, and another opened if need be.
        *self.handover.leaving.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
        Some(link)
    }

    /// Asks this process to hand over to the successor that waits under `name`.
    ///
    /// # Errors
    /// When it cannot, was asked already, or nobody waits under that name.
    pub fn hand_over(&self, name: &str) -> Result<()> {
        let digits = name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if name.len() != NAME_LEN || !digits {
            let message = "parameter successor is no name of a successor";
            return Err(Error::new(Kind::Input, message).remedy("it is for `deploy` to give"));
        }
        let Some(place) = self.handover.place.get() else {
            let message = "this process cannot hand over: it does not hold the log alone, or reads \
                           standard input";
            return Err(Error::new(Kind::Conflict, message).remedy("stop it and start the other"));
        };
        let mut asked = self.handover.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = self.control.turn()?;
        *asked = Some(Asked { link: Link::find(place, name)?, turn });
        Ok(())
    }
}
