//! Reader of batch views: finds the newest whole one, and reads its accumulations and its views.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_buffer::Buffer;

use super::block::damaged;
use super::manifest::{BarrierInfo, BatchViewManifest, FORMAT_OF_COUNTS, PartFile};
use super::mapped_accumulation::MappedAccumulation;
use super::mapped_part::MappedPart;
use super::mapped_view::{MappedView, ViewRows};
use super::paths::{self, Identity, PartKind};
use super::row_codec::visit_rows;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::Disk;
use diptych_base::time::{Branch, Epoch};
use diptych_row::{ByteRange, ViewInfo};
use diptych_serving::{Base, BaseBuilder, Digest, Row, ViewBatch, shard_of};

/// The name of the view with a dataflow's rejected rows.
const REFUSED: &str = "errors";

/// A batch view on disk: accumulations and views at one boundary. Immutable.
#[derive(Clone, Debug)]
pub struct BatchView {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    manifest: Arc<BatchViewManifest>,
}

/// When the files of a batch view are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileCheck {
    /// All of them, byte by byte, before the batch view is used.
    Whole,
    /// Each block by the read that meets it: what costs nothing for what is not read.
    AsRead,
}

/// The result of [`BatchView::newest`].
#[derive(Debug)]
pub struct NewestBatchView {
    /// The newest batch view that is whole, if any.
    pub found: Option<BatchView>,
    /// An error, with its place, for each newer one that is damaged or does not fit: worth a
    /// warning.
    pub damaged: Vec<Error>,
}

impl BatchView {
    /// The newest batch view with a boundary up to `at_most`, checked byte by byte; damaged ones
    /// are passed over and named.
    ///
    /// # Errors
    /// When the directory cannot be read, or a batch view was written by a newer release.
    pub fn newest(
        disk: Arc<dyn Disk>,
        root: &Path,
        identity: &Identity,
        at_most: Epoch,
    ) -> Result<NewestBatchView> {
        BatchView::newest_that(disk, root, identity, at_most, FileCheck::Whole, |_| Ok(()))
    }

    /// As [`BatchView::newest`], but only of batch views that `fits` accepts: the others are passed
    /// over and named, too, as are those of another dataflow or version that were put there. With
    /// [`FileCheck::AsRead`] only manifests are read.
    ///
    /// # Errors
    /// As [`BatchView::newest`], and errors of `fits` other than a conflict.
    pub fn newest_that(
        disk: Arc<dyn Disk>,
        root: &Path,
        identity: &Identity,
        at_most: Epoch,
        check: FileCheck,
        fits: impl Fn(&BatchView) -> Result<()>,
    ) -> Result<NewestBatchView> {
        let mut newest = NewestBatchView { found: None, damaged: Vec::new() };
        for boundary in BatchView::boundaries(&*disk, root, identity)?.into_iter().rev() {
            if boundary > at_most {
                continue;
            }
            let whole =
                BatchView::open(Arc::clone(&disk), root, identity, boundary).and_then(|view| {
                    fits(&view)?;
                    match check {
                        FileCheck::Whole => view.verify()?,
                        FileCheck::AsRead => {}
                    }
                    Ok(view)
                });
            match whole {
                Ok(view) => {
                    newest.found = Some(view);
                    break;
                }
                Err(error) if error.is_damaged() || error.is_missing() || error.is_conflict() => {
                    newest.damaged.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(newest)
    }

    /// The boundaries of all finished batch views, ascending. None when there is no directory.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn boundaries(disk: &dyn Disk, root: &Path, identity: &Identity) -> Result<Vec<Epoch>> {
        BatchView::listed(disk, root, identity, paths::manifest)
    }

    /// The boundaries of batch views that were begun and not finished; also those that a killed
    /// process left behind. None when there is no directory.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn begun(disk: &dyn Disk, root: &Path, identity: &Identity) -> Result<Vec<Epoch>> {
        BatchView::listed(disk, root, identity, paths::begun)
    }

    /// The boundaries for which the directory has the file `name` gives.
    fn listed(
        disk: &dyn Disk,
        root: &Path,
        identity: &Identity,
        name: fn(Epoch) -> String,
    ) -> Result<Vec<Epoch>> {
        let files = match disk.list(&identity.dir(root)) {
            Ok(files) => files,
            Err(error) if error.is_missing() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let listed = files.iter().filter_map(|file| {
            paths::boundary_of(file).filter(|boundary| *file == name(*boundary))
        });
        Ok(listed.collect())
    }

    /// The batch view at `boundary`. Reads the manifest only: parts are checked as they are read,
    /// or all by [`BatchView::verify`].
    ///
    /// # Errors
    /// When there is none, its manifest is damaged or newer, or it is of another dataflow or
    /// version.
    pub fn open(
        disk: Arc<dyn Disk>,
        root: &Path,
        identity: &Identity,
        boundary: Epoch,
    ) -> Result<BatchView> {
        let dir = identity.dir(root);
        let path = dir.join(paths::manifest(boundary));
        let mut manifest = BatchViewManifest::read(&*disk, &path)?;
        let sealed = super::last_epoch_stamp::read(&*disk, &dir, boundary)?;
        manifest.meta.sealed_us = sealed.map(|sealed| sealed.0);
        manifest.meta.branch = sealed.and_then(|sealed| sealed.1);
        let dataflow = &manifest.dataflow;
        let version = &manifest.version;
        if (dataflow, version) != (&identity.dataflow, &identity.version) {
            return Err(Error::new(
                Kind::Conflict,
                format!(
                    "{} is of dataflow \"{dataflow}\" version {version}, not of \"{}\" version {}",
                    path.display(),
                    identity.dataflow,
                    identity.version
                ),
            )
            .remedy("rebuild the batch view with this dataflow and version"));
        }
        if manifest.boundary != boundary {
            let stated = manifest.boundary;
            return Err(damaged(&path, 0, format!("the manifest states the boundary {stated}")));
        }
        Ok(BatchView::of(disk, dir, manifest))
    }

    /// The batch view that a manifest describes.
    pub(super) fn of(disk: Arc<dyn Disk>, dir: PathBuf, manifest: BatchViewManifest) -> BatchView {
        BatchView { disk, dir, manifest: Arc::new(manifest) }
    }

    /// The boundary: history is `[0, boundary)`.
    pub fn boundary(&self) -> Epoch {
        self.manifest.boundary
    }

    /// The identity of the log that the history came from.
    pub fn log_identity(&self) -> &str {
        &self.manifest.meta.log_identity
    }

    /// The wall clock that the log recorded for the last epoch below the boundary, if it is known.
    pub fn sealed_us(&self) -> Option<i64> {
        self.manifest.meta.sealed_us
    }

    /// The branch that wrote the last epoch below the boundary, if it is known.
    pub fn branch(&self) -> Option<Branch> {
        self.manifest.meta.branch
    }

    /// The digest of the whole contents, independent of how many workers wrote which part.
    pub fn digest(&self) -> Digest {
        let mut all: BTreeMap<(String, &str), Digest> = BTreeMap::new();
        for part in &self.manifest.parts {
            let digest = all.entry((format!("{:?}", part.kind), &part.name)).or_default();
            *digest = digest.plus(part.digest);
        }
        let mut digest = Digest::default();
        for ((kind, name), part) in all {
            digest.add(format!("{kind} {name}").as_bytes(), part.to_string().as_bytes(), 1);
        }
        digest
    }

    /// The number of workers that wrote the batch view; any number can read it.
    pub fn workers(&self) -> usize {
        self.manifest.workers as usize
    }

    /// The accumulations.
    pub fn barriers(&self) -> &[BarrierInfo] {
        &self.manifest.meta.barriers
    }

    /// The views.
    pub fn views(&self) -> &[ViewInfo] {
        &self.manifest.meta.views
    }

    /// The size of all parts on disk. Those that it shares with other batch views are counted in
    /// each.
    pub fn bytes(&self) -> u64 {
        self.manifest.parts.iter().map(|part| part.bytes).sum()
    }

    /// The number of rows of a view, counted with multiplicity, and its digest. Files of formats 4
    /// and before count each row once.
    ///
    /// # Errors
    /// When there is no view `name`.
    pub fn view_size(&self, name: &str) -> Result<(u64, Digest)> {
        let parts = self.parts(PartKind::View, name)?;
        let (rows, digest) = parts.fold((0_i64, Digest::default()), |(rows, digest), part| {
            (rows.saturating_add(part.added), digest.plus(part.digest))
        });
        Ok((u64::try_from(rows).unwrap_or(0), digest))
    }

    /// Checks length and checksum of every part, reading all bytes.
    ///
    /// # Errors
    /// Damage, by file.
    pub fn verify(&self) -> Result<()> {
        self.manifest.parts.iter().try_for_each(|part| {
            let (path, file) = self.map(part)?;
            let crc = crc32c::crc32c(&file);
            if crc == part.crc {
                Ok(())
            } else {
                let stated = part.crc;
                Err(damaged(&path, 0, format!("checksum {crc:08x}, the manifest has {stated:08x}")))
            }
        })
    }

    pub(super) fn parts(
        &self,
        kind: PartKind,
        name: &str,
    ) -> Result<impl Iterator<Item = &PartFile>> {
        let known = match kind {
            PartKind::Accumulation => self.barriers().iter().any(|one| one.name == name),
            PartKind::View => self.views().iter().any(|view| view.name == name),
        };
        // Batch views from before there was an `errors` view have no rejected rows.
        let refused = kind == PartKind::View && name == REFUSED;
        if !known && !refused {
            let what = format!("{kind:?}").to_lowercase();
            let place = self.dir.display();
            let boundary = self.boundary();
            let message = format!("{place}, epoch {boundary}: there is no {what} \"{name}\"");
            return Err(Error::new(Kind::Missing, message)
                .remedy("the dataflow has changed: give it a new version, or rebuild"));
        }
        let mine = move |part: &&PartFile| part.kind == kind && part.name == name;
        Ok(self.manifest.parts.iter().filter(mine))
    }

    /// Are there runs of changes beside the first run?
    pub(super) fn has_runs(&self, kind: PartKind, name: &str) -> Result<bool> {
        Ok(self.parts(kind, name)?.any(|part| part.run > 0))
    }

    /// Can every accumulation be read in place? False for files of older formats, and for state
    /// that does not stay in files.
    ///
    /// # Errors
    /// When what has to be read is damaged.
    pub fn can_be_searched(&self) -> Result<bool> {
        for one in self.barriers() {
            if self.mapped_accumulation(&one.name)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has it files of the batch view that it continues, beside what has changed since?
    pub fn has_changes(&self) -> bool {
        self.manifest.parts.iter().any(|part| part.run > 0)
    }

    /// Are the rows of views counted with multiplicity?
    pub(super) fn counts_multiplicity(&self) -> bool {
        self.manifest.format >= FORMAT_OF_COUNTS
    }

    /// All parts.
    pub(super) fn all_parts(&self) -> &[PartFile] {
        &self.manifest.parts
    }

    /// The directory of the files.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The changes of a view that the runs from `run` on have, merged.
    ///
    /// # Errors
    /// As [`BatchView::mapped`].
    pub(super) fn mapped_from_run(&self, name: &str, run: u64) -> Result<MappedView> {
        let parts = self.parts(PartKind::View, name)?.filter(|part| part.run >= run);
        MappedView::open(parts.map(|part| (part, self.map(part))))
    }

    /// Maps a part, after a check of its length.
    pub(super) fn map(&self, part: &PartFile) -> Result<(Arc<Path>, Buffer)> {
        let path: Arc<Path> = self.dir.join(&part.file).into();
        let file = self.disk.map(&path)?;
        if file.len() as u64 == part.bytes {
            return Ok((path, file));
        }
        let found = file.len();
        let stated = part.bytes;
        Err(damaged(&path, 0, format!("{found} bytes, the manifest has {stated}")))
    }

    /// The dataflow and version of the batch view.
    pub fn identity(&self) -> Identity {
        Identity::new(self.manifest.dataflow.as_str(), self.manifest.version.as_str())
    }

    /// The names and bytes of all parts.
    pub(super) fn mapped_parts(&self) -> Result<Vec<(String, Buffer)>> {
        let parts = self.manifest.parts.iter();
        parts.map(|part| Ok((part.file.clone(), self.map(part)?.1))).collect()
    }

    /// The manifest as it is written.
    pub(super) fn manifest_bytes(&self) -> Result<Vec<u8>> {
        self.manifest.to_bytes()
    }

    /// An accumulation that is read from its files, all of which are mapped at once. None when it
    /// was written by a release whose files cannot be searched.
    ///
    /// # Errors
    /// When there is no such accumulation, or what has to be read is damaged.
    pub fn mapped_accumulation(&self, name: &str) -> Result<Option<MappedAccumulation>> {
        let parts = self.parts(PartKind::Accumulation, name)?;
        MappedAccumulation::open(parts.map(|part| (part, self.map(part))))
    }

    /// Calls `visit` with every row of a view: part by part, in order within a part; in order of
    /// all where there are runs.
    ///
    /// # Errors
    /// When there is no such view, or a part is damaged.
    pub fn for_each_row(
        &self,
        name: &str,
        mut visit: impl FnMut(&[u8], &[u8], isize),
    ) -> Result<()> {
        if self.has_runs(PartKind::View, name)? {
            let mut rows = ViewRows::of(&self.mapped(name)?)?;
            while let Some(row) = rows.row() {
                visit(&row.key, &row.value, row.multiplicity);
                rows.step()?;
            }
            return Ok(());
        }
        for part in self.parts(PartKind::View, name)? {
            let (path, file) = self.map(part)?;
            let mapped = Arc::new(MappedPart::open(part, Arc::clone(&path), file)?);
            for block in mapped.share(0, 1) {
                let (offset, block) = block?;
                visit_rows(&path, offset, &block, |key, value, times| {
                    visit(key, value, times);
                    true
                })?;
            }
        }
        Ok(())
    }

    /// A view as the base of an index: one batch `[0, boundary)` per shard, all at the last epoch.
    ///
    /// # Errors
    /// When there is no such view, or a part is damaged.
    pub fn view_batches(&self, name: &str, shards: usize) -> Result<Vec<ViewBatch>> {
        let mut builders: Vec<_> = (0..shards).map(|_| BaseBuilder::new(self.boundary())).collect();
        let mut digest = Digest::default();
        self.for_each_row(name, |key, value, times| {
            digest.add(key, value, times);
            builders[shard_of(key, shards)].push(key, value, times);
        })?;
        let (_, stated) = self.view_size(name)?;
        if digest != stated {
            let what = format!("view \"{name}\" has digest {digest}, the manifest has {stated}");
            return Err(damaged(&self.dir.join(paths::manifest(self.boundary())), 0, what));
        }
        Ok(builders.into_iter().map(BaseBuilder::done).collect())
    }

    /// The base of all views, for [`diptych_serving::Index::install_base`]: view ids are positions
    /// in `names`.
    ///
    /// # Errors
    /// When a view is missing, or a part is damaged.
    pub fn base<S: AsRef<str>>(&self, names: &[S], shards: usize) -> Result<Base> {
        let mut base = Vec::new();
        for (view, name) in names.iter().enumerate() {
            let batches = self.view_batches(name.as_ref(), shards)?.into_iter().enumerate();
            base.extend(batches.map(|(shard, batch)| (view, shard, batch)));
        }
        Ok(base)
    }

    /// A view that is read from its files, all of which are mapped at once.
    ///
    /// # Errors
    /// When there is no such view, or the index of a part is damaged. Other damage is an error of
    /// the read that meets it.
    pub fn mapped(&self, name: &str) -> Result<MappedView> {
        MappedView::open(self.parts(PartKind::View, name)?.map(|part| (part, self.map(part))))
    }

    /// The rows of a key, read from the files: touches one or two blocks of each part.
    ///
    /// # Errors
    /// When there is no such view, or what is read is damaged.
    pub fn get(&self, name: &str, key: &[u8]) -> Result<Vec<Row>> {
        self.range(name, &ByteRange::between(key.to_vec()..=key.to_vec()), usize::MAX)
    }

    /// The first `limit` rows of a range, in order, read from the files.
    ///
    /// # Errors
    /// When there is no such view, or what is read is damaged.
    pub fn range(&self, name: &str, range: &ByteRange, limit: usize) -> Result<Vec<Row>> {
        self.mapped(name)?.first(range, limit)
    }
}
