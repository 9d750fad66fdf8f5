//! Keeps what was made of the last text: a column of patterns or names mostly has one.

use super::failure::Outcome;

/// What was made of the last text, with that text.
pub(super) struct LastMade<T>(Option<(String, T)>);

impl<T> Default for LastMade<T> {
    fn default() -> LastMade<T> {
        LastMade(None)
    }
}

impl<T> LastMade<T> {
    /// What `make` makes of `text`, unless that is known from the last call.
    ///
    /// # Errors
    /// Those of `make`.
    pub(super) fn of(&mut self, text: &str, make: impl FnOnce(&str) -> Outcome<T>) -> Outcome<&T> {
        let known = self.0.take().filter(|(known, _)| known == text);
        let made = match known {
            Some(made) => made,
            None => (text.to_owned(), make(text)?),
        };
        Ok(&self.0.insert(made).1)
    }
}
