//! Writer of a batch view: many workers write parts, then one process writes the manifest.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bincode::Options;

use super::accumulation_writer::AccumulationWriter;
use super::block::BlockWriter;
use super::manifest::{BatchViewManifest, FORMAT, Meta, PartFile, codec};
use super::paths::{self, Identity, PartKind};
use super::reader::BatchView;
use super::runs::{Continued, NewRun};
use super::view_writer::ViewWriter;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Disk, Lock, Open, replace};
use diptych_base::limits::BATCH_VIEW_MANIFEST_BYTES_MAX;
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;
use diptych_row::Digest;

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
    /// What is taken over from the batch view that this one continues.
    continued: Option<Continued>,
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
        let continued = None;
        Ok(BatchViewWriter { disk, dir, identity, boundary, workers, parts, continued, lock })
    }

    /// Takes over the files of `earlier`, a batch view of the same dataflow and version: the parts
    /// to be written have what changed since, where [`BatchViewWriter::accumulation_since`] and
    /// [`BatchViewWriter::view_since`] say so. Call it before any part is begun.
    ///
    /// NOT checked is that `earlier` is whole.
    ///
    /// # Panics
    /// When `earlier` is another dataflow's, does not end before this one, or a part was begun.
    ///
    /// # Errors
    /// What the disk reports; a file system without second names for a file is no error.
    pub fn continues(&mut self, earlier: &BatchView) -> Result<()> {
        let (before, own) = ((earlier.identity(), earlier.boundary()), self.boundary);
        assert!(before.0 == self.identity && before.1 < own, "{own} cannot continue {before:?}");
        let begun = lock(&self.parts).len();
        assert!(begun == 0, "{begun} parts were written already");
        self.continued = Continued::take(&*self.disk, &self.dir, self.boundary, earlier)?;
        Ok(())
    }

    /// The boundary since which the accumulation `name` is to be written as changes, that of the
    /// batch view that this one continues; none when it is to be written whole.
    pub fn accumulation_since(&self, name: &str) -> Option<Epoch> {
        self.since(PartKind::Accumulation, name)
    }

    /// As [`BatchViewWriter::accumulation_since`], for the view `name`.
    pub fn view_since(&self, name: &str) -> Option<Epoch> {
        self.since(PartKind::View, name)
    }

    fn since(&self, kind: PartKind, name: &str) -> Option<Epoch> {
        self.run(kind, name)?;
        self.earlier().map(BatchView::boundary)
    }

    pub(super) fn run(&self, kind: PartKind, name: &str) -> Option<NewRun> {
        self.continued.as_ref()?.run(kind, name)
    }

    /// The batch view that this one continues, where there is a run of changes.
    pub(super) fn earlier(&self) -> Option<&BatchView> {
        self.continued.as_ref().map(|continued| &continued.earlier)
    }

    pub(super) fn workers(&self) -> usize {
        self.workers
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
        let (continued, lock) = (None, None);
        BatchViewWriter { disk, dir, identity, boundary, workers, parts, continued, lock }
    }

    /// The list of parts that `worker` has written here, for [`BatchViewWriter::absorb`].
    ///
    /// # Errors
    /// When the list is too long for a manifest.
    pub fn parts_of(&self, worker: usize) -> Result<Vec<u8>> {
        let parts = lock(&self.parts);
        let mine = parts.iter().filter(|part| part.worker == worker as u64);
        let mine: Vec<_> = mine.map(|part| (part, part.added)).collect();
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
            let theirs: Vec<(PartFile, i64)> =
                codec(BATCH_VIEW_MANIFEST_BYTES_MAX).deserialize(message).map_err(|error| {
                    Error::new(Kind::Damaged, format!("a report of written parts: {error}"))
                        .remedy("run the same build in all processes")
                })?;
            // Processes that share a batch view write it whole.
            for part in theirs.into_iter().map(|(part, added)| PartFile { run: 0, added, ..part }) {
                if parts.iter().all(|known| known.file != part.file) {
                    parts.push(part);
                }
            }
        }
        Ok(())
    }

    /// Begins the file of one worker's part.
    pub(super) fn begin(
        &self,
        (kind, name, worker): (PartKind, &str, usize),
        magic: [u8; 8],
    ) -> Result<(BlockWriter, PartFile)> {
        let run = self.run(kind, name).map_or(0, |run| run.number);
        let file = paths::part(self.boundary, (kind, name), worker as u64, run);
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
            run,
            added: 0,
        };
        Ok((writer, part))
    }

    /// Makes a part durable, and lists it.
    pub(super) fn end(&self, writer: &BlockWriter, mut part: PartFile) -> Result<()> {
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
    /// What the disk reports, and damage in the files that this batch view continues.
    pub fn accumulation(&self, name: &str, worker: usize) -> Result<AccumulationWriter<'_>> {
        self.check_worker(worker);
        AccumulationWriter::new(self, name, worker)
    }

    /// Creates one worker's part of a view.
    ///
    /// # Errors
    /// As [`BatchViewWriter::accumulation`].
    pub fn view(&self, name: &str, worker: usize) -> Result<ViewWriter<'_>> {
        self.check_worker(worker);
        ViewWriter::new(self, name, worker)
    }

    fn check_worker(&self, worker: usize) {
        assert!(worker < self.workers, "worker {worker} of {}", self.workers);
    }

    /// Completes the batch view: writes the manifest, and returns when all is durable.
    ///
    /// Panics when a worker's part of a stated accumulation or view is missing.
    ///
    /// # Errors
    /// What the disk reports; there is no batch view then.
    pub fn finish(mut self, meta: Meta) -> Result<()> {
        let mut parts = std::mem::take(&mut *lock(&self.parts));
        let barriers = meta.barriers.iter().map(|one| (PartKind::Accumulation, &one.name));
        let stated = barriers.chain(meta.views.iter().map(|view| (PartKind::View, &view.name)));
        let mut expected = 0;
        for (kind, name) in stated {
            for worker in 0..self.workers {
                let run = self.run(kind, name).map_or(0, |run| run.number);
                let file = paths::part(self.boundary, (kind, name), worker as u64, run);
                assert!(parts.iter().any(|part| part.file == file), "{file} was not written");
                expected += 1;
            }
        }
        assert_eq!(parts.len(), expected, "parts were written that the meta data do not state");
        let continued = self.continued.take().map(|continued| continued.into_kept(&meta));
        let (kept, dropped) = continued.unwrap_or_default();
        dropped.iter().try_for_each(|part| self.disk.remove(&self.dir.join(&part.file)))?;
        parts.extend(kept);
        parts.sort_by(|a, b| a.file.cmp(&b.file));
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
