//! The manifest: the list of segments, with the length and checksum of every file in them.
//!
//! It is replaced whole, by rename. Listed files are durable; unlisted files are not part of the
//! log. The checksum chain: the manifest checks itself and names the checksum of each segment's
//! epoch file, which in turn holds the checksum of every block of rows.

use serde::{Deserialize, Serialize};

use super::checksummed_file::{
    Envelope, FORMAT, FORMAT_RETRACTIONS, FORMAT_WITH_PARTS, decode, encode,
};
use super::erase::Erasure;
use super::layout::{Dir, MANIFEST, damaged, epochs_name, retractions_name, rows_name, state_name};
use super::listed_file::FileChecksum;
use super::manifest_parts;
use super::schemas::{Schemas, StoredSchema};
use super::silent_producers::SilentEntry;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{read_all, replace};
use diptych_base::limits;
use diptych_base::time::{Branch, Epoch};

/// The rows of one schema in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RowsEntry {
    pub(super) schema: u32,
    pub(super) rows: u64,
    pub(super) sum: FileChecksum,
    /// The segment's number of rewrites when the file was written; part of its name.
    #[serde(skip)]
    pub(super) rewritten: u32,
}

/// A sealed segment: the epochs `[lower, upper)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SegmentEntry {
    pub(super) lower: Epoch,
    pub(super) upper: Epoch,
    /// The greatest clock of its epochs.
    pub(super) clock_max: i64,
    pub(super) epochs: FileChecksum,
    /// Rows files by schema number.
    pub(super) rows: Vec<RowsEntry>,
    /// The number of rewrites, which is part of its epoch file's name.
    #[serde(skip)]
    pub(super) rewritten: u32,
}

/// The content of the file `MANIFEST`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Drawn when the log was created: tells this log from any other.
    pub(super) identity: u64,
    /// The first epoch the log holds.
    pub(super) lower: Epoch,
    /// The end of the last segment; the frame files go on from here.
    pub(super) upper: Epoch,
    pub(super) segments: Vec<SegmentEntry>,
    /// All schemas defined below `upper`.
    pub(super) schemas: Vec<StoredSchema>,
    /// The state file at `upper`: the lower epoch in its name, and its checksum.
    pub(super) state: Option<(Epoch, FileChecksum)>,
    /// Erasures, oldest first. They and the numbers of rewrites are a marked part after the body
    /// (`manifest_parts.rs`), which exists only if events were erased.
    #[serde(skip)]
    pub(super) erasures: Vec<Erasure>,
    /// The files of retractions by the epochs of segments, by lower epoch: a part of its own, after
    /// the others, only in manifests that need it.
    #[serde(skip)]
    pub(super) retractions: Vec<RetractionsEntry>,
    /// The branches, each with its first epoch; empty before the first writer of a release that
    /// records them. A marked part, too.
    #[serde(skip)]
    pub(super) branches: Vec<(Epoch, Branch)>,
    /// The files of producers that have been silent for long, oldest first. A marked part, too,
    /// which exists only if there are some.
    #[serde(skip)]
    pub(super) silent: Vec<SilentEntry>,
}

impl Manifest {
    pub(super) fn empty(identity: u64) -> Self {
        Manifest {
            identity,
            lower: 0,
            upper: 0,
            segments: Vec::new(),
            schemas: Vec::new(),
            state: None,
            erasures: Vec::new(),
            retractions: Vec::new(),
            branches: Vec::new(),
            silent: Vec::new(),
        }
    }

    /// Reads and checks the manifest.
    ///
    /// # Errors
    /// Missing, damaged, or newer.
    pub(super) fn load(dir: &Dir) -> Result<Self> {
        let path = dir.file(MANIFEST);
        let bytes = read_all(dir.disk.as_ref(), &path, limits::TABLE_BYTES_MAX)?;
        let (version, body) = Envelope::Manifest.open(&path, &bytes)?;
        let manifest = match version {
            FORMAT => decode::<Manifest>(body).map_err(|e| damaged(&path, 24, e))?,
            FORMAT_RETRACTIONS => {
                let with = decode::<(Manifest, Vec<RetractionsEntry>)>(body);
                let (manifest, retractions) = with.map_err(|e| damaged(&path, 24, e))?;
                Manifest { retractions, ..manifest }
            }
            _ => manifest_parts::read(&path, body)?,
        };
        let mut due = manifest.lower;
        for segment in &manifest.segments {
            if segment.lower != due || segment.upper <= due {
                let lower = segment.lower;
                let upper = segment.upper;
                let message = format!("segment [{lower}, {upper}) where {due} is due");
                return Err(damaged(&path, 24, message));
            }
            due = segment.upper;
        }
        if due != manifest.upper {
            let message = format!("segments end at {due}, the log at {}", manifest.upper);
            return Err(damaged(&path, 24, message));
        }
        let of_segment = |lower: Epoch| manifest.segments.iter().any(|s| s.lower == lower);
        let sorted = manifest.retractions.is_sorted_by(|a, b| a.lower < b.lower);
        if !sorted || !manifest.retractions.iter().all(|entry| of_segment(entry.lower)) {
            return Err(damaged(&path, 24, "the retractions are not those of the segments"));
        }
        if !manifest.silent.iter().all(|entry| of_segment(entry.lower)) {
            return Err(damaged(&path, 24, "the silent producers are not those of the segments"));
        }
        Ok(manifest)
    }

    /// Encodes the manifest, in the least format that can hold it.
    pub(super) fn bytes(&self) -> Result<Vec<u8>> {
        let parts = [self.erasures.is_empty(), self.branches.is_empty(), self.silent.is_empty()];
        if parts.contains(&false) {
            let body = [encode(&(self, &self.retractions))?, manifest_parts::bytes(self)?].concat();
            return Ok(Envelope::Manifest.seal_as(FORMAT_WITH_PARTS, &body));
        }
        if self.retractions.is_empty() {
            return Envelope::Manifest.wrap(self);
        }
        let body = encode(&(self, &self.retractions))?;
        Ok(Envelope::Manifest.seal_as(FORMAT_RETRACTIONS, &body))
    }

    /// Replaces the manifest on disk by this one, durably.
    pub(super) fn store(&self, dir: &Dir) -> Result<()> {
        let bytes = self.bytes()?;
        if bytes.len() as u64 > limits::TABLE_BYTES_MAX {
            return Err(Error::new(Kind::Input, "the log has too many segments for its manifest"));
        }
        dir.check_lock()?;
        replace(dir.disk.as_ref(), &dir.file(MANIFEST), &bytes)
    }

    /// The schemas that the manifest defines.
    pub(super) fn schemas(&self, dir: &Dir) -> Result<Schemas> {
        let mut schemas = Schemas::default();
        let loaded = schemas.load(&self.schemas);
        loaded.map_err(|e| damaged(&dir.file(MANIFEST), 24, e))?;
        Ok(schemas)
    }

    /// Every file that the manifest lists, with its checksum.
    pub(super) fn files(&self, schemas: &Schemas) -> Vec<(String, FileChecksum)> {
        let mut files = Vec::new();
        for segment in &self.segments {
            files.push((segment.epochs_name(), segment.epochs));
            for entry in &segment.rows {
                files.push((segment.rows_name(entry, schemas), entry.sum));
            }
        }
        files.extend(self.retractions.iter().map(|entry| (entry.name(), entry.sum)));
        files.extend(self.silent.iter().map(|entry| (entry.name(), entry.sum)));
        if let Some((lower, sum)) = self.state {
            files.push((state_name(lower), sum));
        }
        files
    }
}

/// The file of retractions of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RetractionsEntry {
    /// The segment's first epoch.
    pub(super) lower: Epoch,
    pub(super) sum: FileChecksum,
    /// The number of rewrites of the file; stored with the erasures.
    #[serde(skip)]
    pub(super) rewritten: u32,
}

impl RetractionsEntry {
    /// The file's name.
    pub(super) fn name(&self) -> String {
        retractions_name(self.lower, self.rewritten)
    }
}

impl SegmentEntry {
    /// The name of a rows file. A schema that the manifest does not define gives a name that no
    /// file has, and the file is reported missing.
    pub(super) fn rows_name(&self, entry: &RowsEntry, schemas: &Schemas) -> String {
        let stream = schemas.get(entry.schema).map_or("?", |known| &known.stream);
        rows_name(self.lower, stream, entry.schema, entry.rewritten)
    }

    /// The name of the segment's epoch file.
    pub(super) fn epochs_name(&self) -> String {
        epochs_name(self.lower, self.rewritten)
    }
}
