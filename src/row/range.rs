//! Ranges of ordered bytes.

use std::ops::{Bound, RangeBounds};

/// The byte strings from `start` on, up to but not including `end` when there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte string inside.
    pub start: Vec<u8>,
    /// The first byte string after the range; none when the range has no end.
    pub end: Option<Vec<u8>>,
}

impl ByteRange {
    /// The range of all byte strings.
    pub fn all() -> Self {
        ByteRange::default()
    }

    /// The range of all byte strings that start with `prefix`.
    ///
    /// ```
    /// use diptych::row::ByteRange;
    /// let range = ByteRange::prefix(&[7, 0xFF]);
    /// assert!(range.contains(&[7, 0xFF, 0xFF]) && !range.contains(&[8]));
    /// ```
    pub fn prefix(prefix: &[u8]) -> Self {
        // The least string after all extensions: the last byte below 0xFF, incremented.
        let grown = prefix.iter().rposition(|byte| *byte < 0xFF).map(|last| {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            end
        });
        ByteRange { start: prefix.to_vec(), end: grown }
    }

    /// The range inside the bounds, each bound a whole byte string.
    pub fn between<B: AsRef<[u8]>>(bounds: impl RangeBounds<B>) -> Self {
        // The least string after `bytes` is `bytes` and a zero.
        let behind = |bytes: &[u8]| [bytes, &[0]].concat();
        let start = match bounds.start_bound() {
            Bound::Included(start) => start.as_ref().to_vec(),
            Bound::Excluded(start) => behind(start.as_ref()),
            Bound::Unbounded => Vec::new(),
        };
        let end = match bounds.end_bound() {
            Bound::Included(end) => Some(behind(end.as_ref())),
            Bound::Excluded(end) => Some(end.as_ref().to_vec()),
            Bound::Unbounded => None,
        };
        ByteRange { start, end }
    }

    /// Whether `bytes` is inside the range.
    pub fn contains(&self, bytes: &[u8]) -> bool {
        bytes >= &self.start[..] && self.is_before_end(bytes)
    }

    /// Whether `bytes` is before the end.
    pub fn is_before_end(&self, bytes: &[u8]) -> bool {
        self.end.as_deref().is_none_or(|end| bytes < end)
    }
}
