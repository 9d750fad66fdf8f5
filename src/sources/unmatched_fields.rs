//! Differences between records and columns: members without a column, and columns without a member.
//!
//! A misspelt name leaves its column empty: the answer names it, or the record is refused.

use super::bad_record::shortened;
use diptych_base::limits::UNKNOWN_NAMES_MAX;

/// The treatment of a record with a member that is not a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// The record is read without the member, whose name is reported.
    #[default]
    Ignore,
    /// It is a bad record.
    Refuse,
}

/// The first names of members without a column, each once.
#[derive(Debug, Default)]
pub(super) struct Unknown(Vec<String>);

impl Unknown {
    pub(super) fn add(&mut self, name: &str) {
        // Names are compared in the form in which they are kept.
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

/// Differences between records and columns: paths of names, the first of each kind in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unmatched {
    /// Members that are not columns.
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
