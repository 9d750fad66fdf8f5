//! Differential's cursor over shared batches.

use differential_dataflow::trace::{Cursor, Navigable};

use super::batch_layout::Inner;
use super::byte_rows::ByteRows;
use super::view_batch::ViewBatch;
use diptych_base::time::Epoch;

impl Navigable for ViewBatch {
    type Cursor = ViewCursor;
    fn cursor(&self) -> ViewCursor {
        ViewCursor(self.inner().cursor())
    }
}

/// Differential's cursor over a shared batch.
pub struct ViewCursor(<Inner as Navigable>::Cursor);

impl Cursor for ViewCursor {
    type Storage = ViewBatch;
    type Key<'a> = &'a [u8];
    type ValOwn = Vec<u8>;
    type Val<'a> = &'a [u8];
    type Time = Epoch;
    type TimeGat<'a> = &'a Epoch;
    type Diff = isize;
    type DiffGat<'a> = &'a isize;
    type KeyContainer = ByteRows;
    type ValContainer = ByteRows;
    type TimeContainer = Vec<Epoch>;
    type DiffContainer = Vec<isize>;

    fn key_valid(&self, storage: &ViewBatch) -> bool {
        self.0.key_valid(storage.inner())
    }
    fn val_valid(&self, storage: &ViewBatch) -> bool {
        self.0.val_valid(storage.inner())
    }
    fn key<'a>(&self, storage: &'a ViewBatch) -> &'a [u8] {
        self.0.key(storage.inner())
    }
    fn val<'a>(&self, storage: &'a ViewBatch) -> &'a [u8] {
        self.0.val(storage.inner())
    }
    fn get_key<'a>(&self, storage: &'a ViewBatch) -> Option<&'a [u8]> {
        self.0.get_key(storage.inner())
    }
    fn get_val<'a>(&self, storage: &'a ViewBatch) -> Option<&'a [u8]> {
        self.0.get_val(storage.inner())
    }
    fn map_times<L: FnMut(&Epoch, &isize)>(&mut self, storage: &ViewBatch, logic: L) {
        self.0.map_times(storage.inner(), logic);
    }
    fn step_key(&mut self, storage: &ViewBatch) {
        self.0.step_key(storage.inner());
    }
    fn seek_key(&mut self, storage: &ViewBatch, key: &[u8]) {
        self.0.seek_key(storage.inner(), key);
    }
    fn step_val(&mut self, storage: &ViewBatch) {
        self.0.step_val(storage.inner());
    }
    fn seek_val(&mut self, storage: &ViewBatch, val: &[u8]) {
        self.0.seek_val(storage.inner(), val);
    }
    fn rewind_keys(&mut self, storage: &ViewBatch) {
        self.0.rewind_keys(storage.inner());
    }
    fn rewind_vals(&mut self, storage: &ViewBatch) {
        self.0.rewind_vals(storage.inner());
    }
}
