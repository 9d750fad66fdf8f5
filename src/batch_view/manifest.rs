//! The manifest: lists the parts of a batch view. Written last; without it there is no batch view.

use std::path::Path;

use bincode::Options;
use serde::{Deserialize, Serialize};

use super::block::damaged;
use super::paths::PartKind;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Disk, read_all};
use diptych_base::limits::BATCH_VIEW_MANIFEST_BYTES_MAX;
use diptych_base::time::{Branch, Epoch};
use diptych_row::{Digest, ViewInfo};

const MAGIC: [u8; 8] = *b"DPTVIEW\0";
/// The newest format this build writes and reads. Up to 1 the index of a view part's blocks was one
/// block; from 2 on it has levels; from 3 on accumulations may have it, too; 4 has runs; from 5 on
/// the index has fingerprints.
pub(super) const FORMAT: u32 = 5;
/// The first format that counts the rows of views with multiplicity.
pub(super) const FORMAT_OF_COUNTS: u32 = 5;
/// The first format with runs.
pub(super) const FORMAT_OF_RUNS: u32 = 4;
/// The length of the head: magic, format, length of the body, checksum.
const HEAD: usize = 8 + 4 + 4 + 4;

/// An accumulation barrier, by name and by the types behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BarrierInfo {
    /// The name, unique in its dataflow.
    pub name: String,
    /// The operator and its types, as text: a restore with others is refused.
    pub types: String,
}

/// The metadata that the writer of a batch view adds to its contents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The identity of the log that the history came from.
    pub log_identity: String,
    /// The accumulations.
    pub barriers: Vec<BarrierInfo>,
    /// The views.
    pub views: Vec<ViewInfo>,
    /// The wall clock that the log recorded for the last epoch below the boundary, if it is known.
    /// Stored in a file of its own.
    #[serde(skip)]
    pub sealed_us: Option<i64>,
    /// The branch that wrote this epoch, if it is known. Stored beside the clock.
    #[serde(skip)]
    pub branch: Option<Branch>,
}

/// One file of a batch view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartFile {
    pub(super) file: String,
    pub(super) kind: PartKind,
    /// The name of the accumulation or the view.
    pub(super) name: String,
    pub(super) worker: u64,
    pub(super) bytes: u64,
    pub(super) crc: u32,
    pub(super) blocks: u64,
    pub(super) rows: u64,
    pub(super) digest: Digest,
    /// The offset of the index of the blocks of rows, where there are rows.
    pub(super) footer: u64,
    /// The run: 0 has everything, each later one what has changed since the one before.
    #[serde(skip)]
    pub(super) run: u64,
    /// The rows, counted with multiplicity, or entries that this part adds; below 0 where it takes
    /// more away.
    #[serde(skip)]
    pub(super) added: i64,
}

impl PartFile {
    /// The part as one of run 0, which is all that formats without runs have.
    pub(super) fn in_run_0(self) -> PartFile {
        let added = i64::try_from(self.rows).unwrap_or(i64::MAX);
        PartFile { run: 0, added, ..self }
    }
}

/// The contents of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BatchViewManifest {
    pub(super) dataflow: String,
    pub(super) version: String,
    pub(super) boundary: Epoch,
    pub(super) workers: u64,
    pub(super) meta: Meta,
    pub(super) parts: Vec<PartFile>,
    /// The format of the manifest.
    #[serde(skip)]
    pub(super) format: u32,
}

/// The bincode options for manifests and index blocks, limited to `bytes_max` bytes.
pub(super) fn codec(bytes_max: u64) -> impl Options {
    bincode::options().with_fixint_encoding().with_limit(bytes_max).reject_trailing_bytes()
}

/// The bytes of a manifest with a body: head, checksum, body.
pub(super) fn seal(format: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&format.to_le_bytes());
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), body);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

impl BatchViewManifest {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let codec = codec(BATCH_VIEW_MANIFEST_BYTES_MAX);
        let body = if self.format >= FORMAT_OF_RUNS {
            let runs: Vec<_> = self.parts.iter().map(|part| (part.run, part.added)).collect();
            codec.serialize(&(self, runs))
        } else {
            let runs = self.parts.iter().map(|part| part.run).max().unwrap_or(0);
            assert!(runs == 0, "format {} with run {runs}", self.format);
            codec.serialize(self)
        };
        let body = body.map_err(|error| {
            Error::new(Kind::Input, format!("the manifest of a batch view: {error}"))
                .remedy("use fewer or shorter names of views, columns and accumulations")
        })?;
        Ok(seal(self.format, &body))
    }

    pub(super) fn read(disk: &dyn Disk, path: &Path) -> Result<BatchViewManifest> {
        let bytes = read_all(disk, path, BATCH_VIEW_MANIFEST_BYTES_MAX + HEAD as u64)?;
        let fail = |what: &str| Err(damaged(path, 0, what));
        let Some((head, body)) = bytes.split_at_checked(HEAD) else {
            return fail("the manifest is shorter than its head");
        };
        if head[..8] != MAGIC {
            return fail("this is not the manifest of a batch view");
        }
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if crc32c::crc32c_append(crc32c::crc32c(&head[..HEAD - 4]), body) != word(16) {
            return fail("the checksum of the manifest is wrong");
        }
        if word(8) > FORMAT {
            let place = path.display();
            let message = format!("{place} has format {}, this build reads {FORMAT}", word(8));
            return Err(Error::new(Kind::Newer, message).remedy("use the newer build"));
        }
        if word(12) as usize != body.len() {
            return fail("the manifest has another length than it states");
        }
        BatchViewManifest::of_body(word(8), body).map_err(|what| damaged(path, HEAD as u64, what))
    }

    /// The manifest of a body in a format.
    fn of_body(format: u32, body: &[u8]) -> std::result::Result<BatchViewManifest, String> {
        let codec = codec(BATCH_VIEW_MANIFEST_BYTES_MAX);
        if format < FORMAT_OF_RUNS {
            let read = codec.deserialize(body).map_err(|error| error.to_string());
            let manifest: BatchViewManifest = read?;
            let parts = manifest.parts.into_iter().map(PartFile::in_run_0).collect();
            return Ok(BatchViewManifest { parts, format, ..manifest });
        }
        let read = codec.deserialize(body).map_err(|error| error.to_string());
        let (mut manifest, runs): (BatchViewManifest, Vec<(u64, i64)>) = read?;
        if runs.len() != manifest.parts.len() {
            let (parts, runs) = (manifest.parts.len(), runs.len());
            return Err(format!("the manifest has {parts} parts and the runs of {runs}"));
        }
        for (part, run) in manifest.parts.iter_mut().zip(runs) {
            (part.run, part.added) = run;
        }
        Ok(BatchViewManifest { format, ..manifest })
    }
}
