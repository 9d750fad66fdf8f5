//! Differential's cursor over shared updates.

use differential_dataflow::trace::{Cursor, Navigable};

use super::batch_layout::Inner;
use super::byte_rows::ByteRows;
use super::shared_updates::SharedUpdates;
use diptych_base::time::Epoch;

impl Navigable for SharedUpdates {
    type Cursor = ViewCursor;
    fn cursor(&self) -> ViewCursor {
        ViewCursor(self.body().batch.cursor())
    }
}

/// Differential's cursor over shared updates.
pub struct ViewCursor(<Inner as Navigable>::Cursor);

impl Cursor for ViewCursor {
    type Storage = SharedUpdates;
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

    fn key_valid(&self, storage: &SharedUpdates) -> bool {
        self.0.key_valid(&storage.body().batch)
    }
    fn val_valid(&self, storage: &SharedUpdates) -> bool {
        self.0.val_valid(&storage.body().batch)
    }
    fn key<'a>(&self, storage: &'a SharedUpdates) -> &'a [u8] {
        self.0.key(&storage.body().batch)
    }
    fn val<'a>(&self, storage: &'a SharedUpdates) -> &'a [u8] {
        self.0.val(&storage.body().batch)
    }
    fn get_key<'a>(&self, storage: &'a SharedUpdates) -> Option<&'a [u8]> {
        self.0.get_key(&storage.body().batch)
    }
    fn get_val<'a>(&self, storage: &'a SharedUpdates) -> Option<&'a [u8]> {
        self.0.get_val(&storage.body().batch)
    }
    fn map_times<L: FnMut(&Epoch, &isize)>(&mut self, storage: &SharedUpdates, logic: L) {
        self.0.map_times(&storage.body().batch, logic);
    }
    fn step_key(&mut self, storage: &SharedUpdates) {
        self.0.step_key(&storage.body().batch);
    }
    fn seek_key(&mut self, storage: &SharedUpdates, key: &[u8]) {
        self.0.seek_key(&storage.body().batch, key);
    }
    fn step_val(&mut self, storage: &SharedUpdates) {
        self.0.step_val(&storage.body().batch);
    }
    fn seek_val(&mut self, storage: &SharedUpdates, val: &[u8]) {
        self.0.seek_val(&storage.body().batch, val);
    }
    fn rewind_keys(&mut self, storage: &SharedUpdates) {
        self.0.rewind_keys(&storage.body().batch);
    }
    fn rewind_vals(&mut self, storage: &SharedUpdates) {
        self.0.rewind_vals(&storage.body().batch);
    }
}
