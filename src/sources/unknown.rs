//! What records say that no column takes, and which columns no record gives.
//!
//! A member with a misspelt name is a column that stays empty: whoever appends is told, or has it
//! refused.

use super::bad_record::shortened;
use diptych_base::limits::UNKNOWN_NAMES_MAX;

/// What becomes of a record with a member that is no column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// It is read without the member, whose name is told.
    #[default]
    Ignore,
    /// It is a bad record.
    Refuse,
}

/// The first names of members that are no columns, each once.
#[derive(Debug, Default)]
pub(super) struct Unknown(Vec<String>);

impl Unknown {
    pub(super) fn add(&mut self, name: &str) {
        // Compared as it is kept.
        let same = |known: &String| {
            known == name || (name.len() > known.len() && *known == shortened(name))
        };
        if self.0.len() < UNKNOWN_NAMES_MAX && !self.0.iter().any(same) {
            self.0.push(shortened(name));
        }
    }

    pub(super) fn names(&self) -> &[String] {
        &self.0
    }
}

/// How records and columns differ: paths of names, the first of each in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unmatched {
    /// Members that are no columns.
    pub ignored: Vec<String>,
    /// Columns that no record gives.
    pub absent: Vec<String>,
}

impl Unmatched {
    pub(super) fn ignored(&mut self, path: String) {
        add(&mut self.ignored, path);
    }

    pub(super) fn absent(&mut self, path: String) {
        add(&mut self.absent, path);
    }
}

fn add(names: &mut Vec<String>, name: String) {
    if names.len() < UNKNOWN_NAMES_MAX {
        names.push(name);
    }
}
