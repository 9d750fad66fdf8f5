//! Stored views: an index that reads its rows from the files of a batch view, not from memory.
//!
//! An index of stored views answers at one epoch, the last of the batch view, as soon as the files
//! are found. Its frontier never moves: a dataflow that is restored meanwhile has an index of its
//! own, and readers are cut over when that has reached the boundary ([`Serving::cutover`]). Files
//! may be damaged, so every read can fail; a row that was given is what was written.
//!
//! [`Serving::cutover`]: super::Serving::cutover

use std::sync::Arc;

use super::digest::Digest;
use super::index::{Index, IndexOptions};
use super::page::{Cursor, Page};
use super::state::{BatchList, IndexState};
use diptych_base::error::Result;
use diptych_base::limits::SCAN_CHUNK_ROWS;
use diptych_base::time::Epoch;
use diptych_row::{ByteRange, ViewInfo};

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
pub(super) struct Stored(Arc<[Arc<dyn StoredView>]>);

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

impl Index {
    /// An index of stored views at `boundary`, which is not 0: it answers at the epoch before
    /// `boundary` only. It is not stale unless [`Index::fresh_from`] says so. `stored` has the
    /// views in the order of `views`.
    ///
    /// # Errors
    /// When the thread that ends leases cannot be started.
    pub fn stored(
        version: &str,
        views: Vec<ViewInfo>,
        boundary: Epoch,
        stored: Vec<Arc<dyn StoredView>>,
        options: IndexOptions,
    ) -> Result<Index> {
        assert!(boundary > 0, "there is no history before epoch 0");
        assert_eq!(stored.len(), views.len(), "stored views, and views");
        let index = Index::new(version, views, 1, options)?;
        let stored = Some(Stored(stored.into()));
        index.shared.update(|_, state| {
            let list = Arc::new(BatchList { upper: boundary, batches: Vec::new() });
            let lists = state.lists.iter().map(|_| Arc::clone(&list)).collect();
            let shards = state.shards;
            let (frontier, since) = (boundary, boundary - 1);
            *state = IndexState { boundary, frontier, since, shards, lists, stored };
        });
        Ok(index)
    }

    /// Is this an index of stored views?
    pub fn is_stored(&self) -> bool {
        self.shared.state.load().stored.is_some()
    }
}
