//! Typed reads: a snapshot's bytes are decoded into the user's keys and values.

use super::snapshot::Snapshot;
use diptych_base::error::Result;
use diptych_row::{ByteRange, Columns, decode, encode};

impl Snapshot {
    /// The values of `key` in the view called `view`, each with its multiplicity.
    ///
    /// # Errors
    /// When there is no such view, its rows are not of these types, or the lease has expired.
    pub fn lookup<K: Columns, V: Columns>(&self, view: &str, key: &K) -> Result<Vec<(V, isize)>> {
        let values = self.get(self.view(view)?, &encode(key))?;
        values.into_iter().map(|(value, times)| Ok((decode(&value)?, times))).collect()
    }

    /// All rows of the view called `view` in the order of their keys, each with its multiplicity.
    ///
    /// # Errors
    /// As [`Snapshot::lookup`].
    pub fn rows<K: Columns, V: Columns>(&self, view: &str) -> Result<Vec<((K, V), isize)>> {
        self.range(self.view(view)?, ByteRange::all())
            .map(|row| {
                let row = row?;
                Ok(((decode(&row.key)?, decode(&row.value)?), row.multiplicity))
            })
            .collect()
    }

    /// The id of the view called `view`.
    ///
    /// # Errors
    /// When there is none; the error lists the existing views.
    pub fn view(&self, view: &str) -> Result<usize> {
        super::view_index::find_view(self.views(), view)
    }
}
