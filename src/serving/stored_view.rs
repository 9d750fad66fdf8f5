//! Views that are read from files.

use std::sync::Arc;

use super::page::{Cursor, Page};
use diptych_base::error::Result;
use diptych_base::limits::SCAN_CHUNK_ROWS;
use diptych_row::{ByteRange, Digest};

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

    /// The number of rows according to the files, each as often as it is there.
    fn rows(&self) -> u64;

    /// The digest of all rows according to the file. NOT checked is that it is that of the rows.
    fn digest(&self) -> Digest;
}

/// All stored views of a dataflow, by id.
#[derive(Clone)]
pub(super) struct Stored(pub(super) Arc<[Arc<dyn StoredView>]>);

impl Stored {
    pub(super) fn view(&self, view: usize) -> &dyn StoredView {
        &*self.0[view]
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
