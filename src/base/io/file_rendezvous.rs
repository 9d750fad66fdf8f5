//! Numbers that processes of one machine exchange through files in a directory.
//!
//! A note is written as a whole or not at all. Nothing is promised about notes after a crash: the
//! directory is a [`ScratchDir`](super::ScratchDir) of the process that started the others.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Kind, Result};

/// Interval at which a waiting process looks for a note.
const LOOK: Duration = Duration::from_millis(5);

/// The notes in one directory.
#[derive(Debug)]
pub struct Notes(PathBuf);

impl Notes {
    /// Opens the notes of a directory.
    pub fn new(directory: &Path) -> Self {
        Notes(directory.to_owned())
    }

    /// Writes a number under a name.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn leave(&self, name: &str, number: u64) -> Result<()> {
        let path = self.0.join(format!("{name}.note"));
        let draft = path.with_extension("draft");
        std::fs::write(&draft, number.to_string())
            .and_then(|()| std::fs::rename(&draft, &path))
            .map_err(|error| Error::io(format!("write {}", path.display()), error))
    }

    /// The number under a name; none while it has not been written.
    ///
    /// # Errors
    /// The operating system's error, or when the file holds no number.
    pub fn find(&self, name: &str) -> Result<Option<u64>> {
        let path = self.0.join(format!("{name}.note"));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && self.0.is_dir() => {
                return Ok(None);
            }
            Err(error) => return Err(Error::io(format!("read {}", path.display()), error)),
        };
        let number = text.parse().map_err(|_| {
            Error::new(Kind::Damaged, format!("{}: {text:?} is no number", path.display()))
        })?;
        Ok(Some(number))
    }

    /// Waits for the number under a name without a time limit: the process that started this one
    /// ends it when another one fails.
    ///
    /// # Errors
    /// As [`Notes::find`]; also when the directory was removed.
    pub fn wait(&self, name: &str) -> Result<u64> {
        loop {
            if let Some(number) = self.find(name)? {
                return Ok(number);
            }
            std::thread::sleep(LOOK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ScratchDir;
    use super::*;

    #[test]
    fn a_note_is_waited_for_until_it_is_left() {
        let directory = ScratchDir::new("notes").expect("a directory");
        let notes = Notes::new(directory.path());
        assert_eq!(notes.find("end").expect("looked for"), None);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| notes.wait("end").expect("waited for"));
            std::thread::sleep(4 * LOOK);
            notes.leave("end", 7).expect("left");
            assert_eq!(waiting.join().expect("no panic"), 7);
        });
        std::fs::write(directory.path().join("end.note"), "soon").expect("written");
        assert!(notes.find("end").is_err());
        drop(directory);
        assert_eq!(notes.wait("end").map_err(|error| error.kind()), Err(Kind::Missing));
    }
}
