//! Views that are read from files.

use std::sync::Arc;

use super::digest::Digest;
use super::index_state::IndexState;
use super::page::{Cursor, Page};
use super::snapshot::values_of;
use diptych_base::error::Result;
use diptych_base::limits::SCAN_CHUNK_ROWS;
use diptych_base::time::Epoch;
use diptych_row::ByteRange;

/// The rows of one view at one epoch, outside of memory.
pub trait StoredView: Send + Sync {
    /// Calls `visit` with each value of a key, in order, and its multiplicity.
    ///
    /// # Errors
    /// Damage, by file and offset, in the bytes that have to be read; nothing was visited then.
    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8], isize)) -> Result<()>;

    /// The first `limit` rows of a range, in order, after the cursor `behind`; fewer when they are
    /// long.
    ///
    /// # Errors
    /// As [`StoredView::get`], and when the cursor is not a place in this range.
    fn page(&self, range: &ByteRange, behind: Option<&Cursor>, limit: usize) -> Result<Page>;

    /// The number of rows according to the file.
    fn rows(&self) -> u64;
}

/// All stored views of a dataflow, by id.
#[derive(Clone)]
pub(super) struct Stored(pub(super) Arc<[Arc<dyn StoredView>]>);

impl Stored {
    pub(super) fn view(&self, view: usize) -> &dyn StoredView {
        &*self.0[view]
    }

    /// Calls `visit` with each value of a key, in order, and its multiplicity at times below
    /// `upper`: stored rows and the updates that came after them. Kept apart from reads in memory,
    /// so that those are compiled as if this were not there.
    ///
    /// # Errors
    /// As [`StoredView::get`].
    #[cold]
    #[inline(never)]
    pub(super) fn get_with_updates(
        &self,
        state: &IndexState,
        view: usize,
        key: &[u8],
        upper: Epoch,
        visit: &mut dyn FnMut(&[u8], isize),
    ) -> Result<()> {
        let mut updates: Vec<(Vec<u8>, isize)> = Vec::new();
        let keep = |value: &[u8], times| updates.push((value.to_vec(), times));
        values_of(state, view, key, upper, usize::MAX, keep);
        if updates.is_empty() {
            return self.view(view).get(key, visit);
        }
        let keep = |value: &[u8], times| updates.push((value.to_vec(), times));
        self.view(view).get(key, &mut { keep })?;
        updates.sort_unstable();
        for values in updates.chunk_by(|one, other| one.0 == other.0) {
            let times: isize = values.iter().map(|(_, times)| times).sum();
            if times != 0 {
                visit(&values[0].0, times);
            }
        }
        Ok(())
    }

    /// Calls `visit` with every row of a view, a bounded number at a time.
    fn for_each(&self, view: usize, mut visit: impl FnMut(&[u8], &[u8], isize)) -> Result<()> {
        let mut cursor: Option<Cursor> = None;
        loop {
            let page = self.view(view).page(&ByteRange::all(), cursor.as_ref(), SCAN_CHUNK_ROWS)?;
            page.rows.iter().for_each(|row| visit(&row.key, &row.value, row.multiplicity));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    /// The digest of a view. Reads all of it.
    pub(super) fn digest(&self, view: usize) -> Result<Digest> {
        let mut digest = Digest::default();
        self.for_each(view, |key, value, times| digest.add(key, value, times))?;
        Ok(digest)
    }
}
