//! Places in a record batch: a path for error messages, and the rows that exist there.

use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use std::fmt;

use diptych_base::error::{Error, Kind, Result};

/// A path into a record batch (`basket.items[].price`), and the rows that exist at this depth: a
/// null inside a struct that is itself null is not a value.
#[derive(Debug)]
pub struct ColumnPath<'a> {
    parent: Option<&'a ColumnPath<'a>>,
    step: Step<'a>,
    present: Option<NullBuffer>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Top,
    Column(&'a str),
    Items,
    Same,
}

impl<'a> ColumnPath<'a> {
    /// The record batch itself.
    pub fn top() -> Self {
        ColumnPath { parent: None, step: Step::Top, present: None }
    }

    /// The column `name` of this record batch or struct; the same rows exist.
    #[must_use]
    pub fn column(&'a self, name: &'a str) -> ColumnPath<'a> {
        ColumnPath { parent: Some(self), step: Step::Column(name), present: self.present.clone() }
    }

    /// The items of the lists of this column; all of them exist.
    #[must_use]
    pub fn items(&'a self) -> ColumnPath<'a> {
        ColumnPath { parent: Some(self), step: Step::Items, present: None }
    }

    /// The same place, limited to the rows that `nulls` leaves.
    #[must_use]
    pub fn masked(&'a self, nulls: Option<&NullBuffer>) -> ColumnPath<'a> {
        let present = NullBuffer::union(self.present.as_ref(), nulls);
        ColumnPath { parent: Some(self), step: Step::Same, present }
    }

    /// Refuses a null in a row that exists.
    pub fn refuse_nulls(&self, array: &ArrayRef) -> Result<()> {
        let Some(nulls) = array.logical_nulls() else { return Ok(()) };
        match (0..nulls.len()).find(|&row| nulls.is_null(row) && self.exists(row)) {
            None => Ok(()),
            Some(row) => Err(Error::new(
                Kind::Input,
                format!("column `{self}`: row {row} of the record batch is null"),
            )
            .remedy("make the field an Option, or give it #[event(default)]")),
        }
    }

    /// Whether `row` exists at this depth.
    pub fn exists(&self, row: usize) -> bool {
        self.present.as_ref().is_none_or(|present| present.is_valid(row))
    }
}

impl fmt::Display for ColumnPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Top | Step::Same => Ok(()),
            Step::Items => f.write_str("[]"),
            Step::Column(name) => {
                let inside = self.parent.is_some_and(|parent| !parent.is_top());
                write!(f, "{}{name}", if inside { "." } else { "" })
            }
        }
    }
}

impl ColumnPath<'_> {
    fn is_top(&self) -> bool {
        match self.step {
            Step::Top => true,
            Step::Same => self.parent.is_none_or(ColumnPath::is_top),
            Step::Column(_) | Step::Items => false,
        }
    }
}
