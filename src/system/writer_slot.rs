//! A log's writer that a running speed layer gets later.

use std::sync::{Arc, Mutex};

use diptych_base::lock_mutex::lock;
use diptych_log::Writer;
use diptych_speed::Join;

/// A writer that this process gets later, or may release: another process may hold the lock of the
/// log before, or after.
#[derive(Clone)]
pub struct WriterSlot {
    slot: Arc<Mutex<Option<Arc<Writer>>>>,
    pub(super) join: Arc<Join>,
}

impl Default for WriterSlot {
    fn default() -> WriterSlot {
        WriterSlot::new()
    }
}

impl WriterSlot {
    /// No writer yet: the directory is followed.
    pub fn new() -> WriterSlot {
        let slot = Arc::<Mutex<Option<Arc<Writer>>>>::default();
        let place = Arc::clone(&slot);
        let join = Join::new(move || {
            let writer = lock(&place);
            writer.as_ref().map(|writer| writer.follow())
        });
        WriterSlot { slot, join: Arc::new(join) }
    }

    /// Gives the writer: from now on epochs come from it, as soon as they are durable.
    pub fn give(&self, writer: &Arc<Writer>) {
        let writer = Some(Arc::clone(writer));
        *lock(&self.slot) = writer;
        self.join.let_in();
    }

    /// The writer, if there is one.
    pub(super) fn writer(&self) -> Option<Arc<Writer>> {
        lock(&self.slot).clone()
    }

    /// Releases the writer, which is about to close. The directory is then followed again.
    pub fn release(&self) {
        *lock(&self.slot) = None;
    }
}
