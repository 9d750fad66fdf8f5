//! The handover of the log's lock and the listeners to a successor process: the successor asks for
//! it over HTTP, and the code that runs the servers carries it out.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use super::site::Site;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::Link;
use diptych_base::lock_mutex::lock;
use diptych_system::Turn;

/// Characters of a successor's name: 128 random bits as hexadecimal digits.
pub const NAME_LEN: usize = 32;

/// The state of a handover: whether this process can hand over, and whether a successor has asked.
#[derive(Default)]
pub struct Handover {
    /// The directory where successors wait; unset when this process cannot hand over.
    place: OnceLock<PathBuf>,
    asked: Mutex<Option<Asked>>,
    /// The deploy turn, kept once a successor has been found.
    leaving: Mutex<Option<Turn>>,
}

/// The request of a successor.
struct Asked {
    link: Link,
    /// The turn to deploy: a version deployed here would hold the log's writer too, so none is
    /// deployed until this site or the successor is gone.
    turn: Turn,
}

impl Site {
    /// Lets a successor that waits in the data directory `root` ask this process to hand over. The
    /// caller polls [`Site::successor`] and carries the handover out.
    pub fn allow_handover(&self, root: &Path) {
        // A second call changes nothing.
        let _ = self.handover.place.set(root.to_owned());
    }

    /// The successor that asks this process to hand over; each request is returned once.
    pub fn successor(&self) -> Option<Link> {
        let mut asked = lock(&self.handover.asked);
        let Asked { link, turn } = asked.take()?;
        // Kept for the life of this site: the turn ends with it, and another site may be opened.
        *lock(&self.handover.leaving) = Some(turn);
        Some(link)
    }

    /// Asks this process to hand over to the successor that waits under `name`.
    ///
    /// # Errors
    /// When this process cannot hand over, was asked already, or no successor waits under that
    /// name.
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
        let mut asked = lock(&self.handover.asked);
        let turn = self.control.turn()?;
        *asked = Some(Asked { link: Link::find(place, name)?, turn });
        Ok(())
    }
}
