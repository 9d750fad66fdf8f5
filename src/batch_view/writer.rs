//! Writer of a batch view: many workers write parts, then one process writes the manifest.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bincode::Options;

use super::block::{BlockWriter, MAGIC, MAGIC_LEVELS};
use super::block_index::{self, BlockEntry};
use super::manifest::{BatchViewManifest, FORMAT, Meta, PartFile, codec};
use super::paths::{self, Identity, PartKind};
use super::row_codec::put_row;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Disk, Lock, Open, replace};
use diptych_base::limits::{
    ACCUMULATION_BLOCK_BYTES_MAX, BATCH_VIEW_BLOCK_BYTES, BATCH_VIEW_BLOCK_BYTES_MAX,
    BATCH_VIEW_MANIFEST_BYTES_MAX,
};
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;
use diptych_serving::Digest;

/// A batch view that is being written. Workers share it; dropping it unfinished removes its files,
/// because the disk may be full of them. Files that a killed writer leaves are opened by no reader,
/// and removed by the next writer.
#[derive(Debug)]
pub struct BatchViewWriter {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    identity: Identity,
    boundary: Epoch,
    workers: usize,
    parts: Mutex<Vec<PartFile>>,
    /// The writers' lock, held by the process that finishes the batch view; assisting processes
    /// have none.
    lock: Option<Box<dyn Lock>>,
}

impl BatchViewWriter {
    /// Begins the batch view of `[0, boundary)`, to be written by `workers` workers. Removes what
    /// writers of this dataflow and version left unfinished.
    ///
    /// # Errors
    /// A conflict when another writer is at work, or a batch view at this boundary exists already.
    pub fn create(
        disk: Arc<dyn Disk>,
        root: &Path,
        identity: Identity,
        boundary: Epoch,
        workers: usize,
    ) -> Result<Self> {
        assert!(boundary > 0, "there is no history before epoch 0");
        let dir = identity.dir(root);
        disk.create_dir(&dir)?;
        let lock = disk.lock(&dir.join("lock"))?;
        let files = disk.list(&dir)?;
        if files.contains(&paths::manifest(boundary)) {
            let place = dir.display();
            let message = format!("{place} has a batch view at epoch {boundary} already");
            return Err(Error::new(Kind::Conflict, message)
                .remedy("use it, or remove it first; batch views are never changed"));
        }
        super::gc::remove_unfinished(&*disk, &dir, &files)?;
        drop(disk.open(&dir.join(paths::begun(boundary)), Open::Create)?);
        let parts = Mutex::default();
        let lock = Some(lock);
        Ok(BatchViewWriter { disk, dir, identity, boundary, workers, parts, lock })
    }

    /// A writer of parts of a batch view that another process creates and finishes. The list of
    /// parts travels there as [`BatchViewWriter::parts_of`].
    pub fn assist(
        disk: Arc<dyn Disk>,
        root: &Path,
        identity: Identity,
        boundary: Epoch,
        workers: usize,
    ) -> Self {
        let dir = identity.dir(root);
        let parts = Mutex::default();
        BatchViewWriter { disk, dir, identity, boundary, workers, parts, lock: None }
    }

    /// The list of parts that `worker` has written here, for [`BatchViewWriter::absorb`].
    ///
    /// # Errors
    /// When the list is too long for a manifest.
    pub fn parts_of(&self, worker: usize) -> Result<Vec<u8>> {
        let parts = lock(&self.parts);
        let mine: Vec<_> = parts.iter().filter(|part| part.worker == worker as u64).collect();
        codec(BATCH_VIEW_MANIFEST_BYTES_MAX).serialize(&mine).map_err(|error| {
            Error::new(Kind::Input, format!("the parts of worker {worker}: {error}"))
                .remedy("use fewer or shorter names of views and accumulations")
        })
    }

    /// Adds the parts that workers of other processes have written; those of this process are
    /// known already.
    ///
    /// # Errors
    /// When a message is not what [`BatchViewWriter::parts_of`] gives.
    pub fn absorb(&self, messages: &[Vec<u8>]) -> Result<()> {
        let mut parts = lock(&self.parts);
        for message in messages {
            let theirs: Vec<PartFile> =
                codec(BATCH_VIEW_MANIFEST_BYTES_MAX).deserialize(message).map_err(|error| {
                    Error::new(Kind::Damaged, format!("a report of written parts: {error}"))
                        .remedy("run the same build in all processes")
                })?;
            for part in theirs {
                if parts.iter().all(|known| known.file != part.file) {
                    parts.push(part);
                }
            }
        }
        Ok(())
    }

    fn begin(&self, kind: PartKind, name: &str, worker: usize) -> Result<(BlockWriter, PartFile)> {
        assert!(worker < self.workers, "worker {worker} of {}", self.workers);
        let file = paths::part(self.boundary, kind, name, worker);
        let magic = match kind {
            PartKind::Accumulation => MAGIC,
            PartKind::View => MAGIC_LEVELS,
        };
        let opened = self.disk.open(&self.dir.join(&file), Open::Create)?;
        let writer = BlockWriter::new(opened, magic)?;
        let part = PartFile {
            file,
            kind,
            name: name.to_owned(),
            worker: worker as u64,
            bytes: 0,
            crc: 0,
            blocks: 0,
            rows: 0,
            digest: Digest::default(),
            footer: 0,
        };
        Ok((writer, part))
    }

    fn end(&self, writer: &BlockWriter, mut part: PartFile) -> Result<()> {
        writer.sync()?;
        (part.bytes, part.crc) = (writer.len, writer.crc);
        let mut parts = lock(&self.parts);
        let again = parts.iter().any(|other| other.file == part.file);
        assert!(!again, "{} was written twice", part.file);
        parts.push(part);
        Ok(())
    }

    /// Creates one worker's part of an accumulation.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn accumulation(&self, name: &str, worker: usize) -> Result<AccumulationWriter<'_>> {
        let (blocks, part) = self.begin(PartKind::Accumulation, name, worker)?;
        Ok(AccumulationWriter { whole: self, blocks, part })
    }

    /// Creates one worker's part of a view.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn view(&self, name: &str, worker: usize) -> Result<ViewWriter<'_>> {
        let (blocks, part) = self.begin(PartKind::View, name, worker)?;
        let block = Vec::new();
        let last = None;
        let index = Vec::new();
        Ok(ViewWriter { whole: self, blocks, part, block, last, index })
    }

    /// Completes the batch view: writes the manifest, and returns when all is durable.
    ///
    /// Panics when a worker's part of a stated accumulation or view is missing.
    ///
    /// # Errors
    /// What the disk reports; there is no batch view then.
    pub fn finish(self, meta: Meta) -> Result<()> {
        let mut parts = std::mem::take(&mut *lock(&self.parts));
        parts.sort_by(|a, b| a.file.cmp(&b.file));
        let barriers = meta.barriers.iter().map(|one| (PartKind::Accumulation, &one.name));
        let stated = barriers.chain(meta.views.iter().map(|view| (PartKind::View, &view.name)));
        let mut expected = 0;
        for (kind, name) in stated {
            for worker in 0..self.workers {
                let file = paths::part(self.boundary, kind, name, worker);
                assert!(parts.iter().any(|part| part.file == file), "{file} was not written");
                expected += 1;
            }
        }
        assert_eq!(parts.len(), expected, "parts were written that the meta data do not state");
        if let Some(clock) = meta.sealed_us {
            super::last_epoch_stamp::write(
                &*self.disk,
                &self.dir,
                self.boundary,
                (clock, meta.branch),
            )?;
        }
        let manifest = BatchViewManifest {
            dataflow: self.identity.dataflow.clone(),
            version: self.identity.version.clone(),
            boundary: self.boundary,
            workers: self.workers as u64,
            meta,
            parts,
            format: FORMAT,
        };
        // The names of the parts must last before the name that makes them count.
        self.disk.sync_dir(&self.dir)?;
        let path = self.dir.join(paths::manifest(self.boundary));
        // In another directory the manifest would name parts that do not exist.
        self.lock.as_ref().map_or(Ok(()), |lock| lock.check())?;
        replace(&*self.disk, &path, &manifest.to_bytes()?)?;
        self.disk.remove(&self.dir.join(paths::begun(self.boundary)))
    }
}

impl Drop for BatchViewWriter {
    fn drop(&mut self) {
        if self.lock.is_none() {
            return;
        }
        // A finished one has nothing to remove. Files that cannot be removed are left to the next
        // writer.
        if let Ok(files) = self.disk.list(&self.dir) {
            let _ = super::gc::remove_unfinished(&*self.disk, &self.dir, &files);
        }
    }
}

/// Writes one worker's part of an accumulation: blocks of bytes in the engine's own form.
pub struct AccumulationWriter<'a> {
    whole: &'a BatchViewWriter,
    blocks: BlockWriter,
    part: PartFile,
}

impl AccumulationWriter<'_> {
    /// Appends a block of `rows` rows.
    ///
    /// # Errors
    /// When it is larger than
    /// [`ACCUMULATION_BLOCK_BYTES_MAX`](diptych_base::limits::ACCUMULATION_BLOCK_BYTES_MAX), or the
    /// disk refuses.
    pub fn block(&mut self, bytes: &[u8], rows: u64) -> Result<()> {
        self.part.rows += rows;
        self.blocks.push(bytes, ACCUMULATION_BLOCK_BYTES_MAX)
    }

    /// Makes the part durable.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn finish(mut self) -> Result<()> {
        self.part.blocks = self.blocks.blocks;
        self.whole.end(&self.blocks, self.part)
    }
}

/// Writes one worker's part of a view: rows in order.
pub struct ViewWriter<'a> {
    whole: &'a BatchViewWriter,
    blocks: BlockWriter,
    part: PartFile,
    block: Vec<u8>,
    last: Option<(Vec<u8>, Vec<u8>)>,
    /// The lowest level of the index.
    index: Vec<BlockEntry>,
}

impl ViewWriter<'_> {
    /// Appends a row with its multiplicity.
    ///
    /// Panics when the row does not come after the one before, or its multiplicity is zero.
    ///
    /// # Errors
    /// When the row is too large, or the disk refuses.
    pub fn push(&mut self, key: &[u8], value: &[u8], multiplicity: isize) -> Result<()> {
        assert!(multiplicity != 0, "row {key:02x?}, {value:02x?} is there zero times");
        if self.block.len() >= BATCH_VIEW_BLOCK_BYTES {
            self.flush()?;
        }
        if self.block.is_empty() {
            let last = self.last.as_ref().map(|(key, _)| &key[..]);
            self.index.push((self.blocks.len, block_index::separator(last, key)));
        }
        if let Some((last_key, last_value)) = &mut self.last {
            assert!(
                (&last_key[..], &last_value[..]) < (key, value),
                "row {key:02x?}, {value:02x?} comes after {last_key:02x?}, {last_value:02x?}"
            );
            last_key.clear();
            last_key.extend_from_slice(key);
            last_value.clear();
            last_value.extend_from_slice(value);
        } else {
            self.last = Some((key.to_vec(), value.to_vec()));
        }
        put_row(key, value, multiplicity, &mut self.block);
        self.part.rows += 1;
        self.part.digest.add(key, value, multiplicity);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.blocks.push(&self.block, BATCH_VIEW_BLOCK_BYTES_MAX as u64)?;
        self.block.clear();
        Ok(())
    }

    /// Writes the index of blocks and makes the part durable.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn finish(mut self) -> Result<()> {
        if !self.block.is_empty() {
            self.flush()?;
        }
        self.part.blocks = self.blocks.blocks;
        self.part.footer = block_index::write(&mut self.blocks, self.index)?;
        self.whole.end(&self.blocks, self.part)
    }
}
