//! Digests of the beginnings of a file, taken while it is read: later files are recognised by them.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

use super::file_reader::ChunkDigest;
use super::known_files::KnownFile;
use super::record_number_set::Positions;
use diptych_base::limits::KNOWN_MENDED_MAX;

/// The digests of a file while it is read.
pub(super) struct Prefixes {
    /// The digest over the digests of the complete chunks, and the same before the last of them.
    whole: [Sha256; 2],
    /// The digest of the current chunk before its last record, unless that is its first.
    before: Option<Sha256>,
    wanted: BTreeSet<u64>,
    found: BTreeMap<u64, String>,
    records: u64,
    bytes: u64,
    bad: Positions,
    good: Sha256,
    rests: Vec<Rest>,
    /// The end of each chunk.
    ends: Vec<u64>,
}

/// The records of a known file without its skipped ones.
struct Rest {
    number: u64,
    records: u64,
    skipped: Positions,
    digest: Sha256,
}

/// The digests and counts of a file that was read to its end.
pub(super) struct FileDigests {
    /// The digest of its text.
    pub(super) digest: String,
    /// The digest of all but the last record; empty when there are fewer than two.
    pub(super) almost: String,
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// The bad records.
    pub(super) bad: Positions,
    /// The digest of the good records.
    pub(super) good: String,
    /// The end of each chunk.
    pub(super) ends: Vec<u64>,
    found: BTreeMap<u64, String>,
    rests: Vec<(u64, String)>,
}

impl Prefixes {
    /// Starts without a digest; takes those that tell whether a file is one of `known`.
    pub(super) fn new(known: &[KnownFile]) -> Self {
        let mended = known.iter().rev();
        let mended = mended.filter(|one| !one.skipped.is_empty() && one.skipped.are_known());
        let rest = |one: &KnownFile| Rest {
            number: one.number,
            records: one.records,
            skipped: one.skipped.clone(),
            digest: Sha256::new(),
        };
        Prefixes {
            whole: [Sha256::new(), Sha256::new()],
            before: None,
            wanted: known.iter().flat_map(KnownFile::wanted).collect(),
            found: BTreeMap::new(),
            records: 0,
            bytes: 0,
            bad: Positions::default(),
            good: Sha256::new(),
            rests: mended.take(KNOWN_MENDED_MAX).map(rest).collect(),
            ends: Vec::new(),
        }
    }

    /// The number of the next record.
    pub(super) fn next(&self) -> u64 {
        self.records
    }

    /// Adds the header, which comes first.
    pub(super) fn header(&mut self, raw: &[u8]) {
        self.good.update(raw);
        self.rests.iter_mut().for_each(|rest| rest.digest.update(raw));
    }

    /// Adds a record. `chunk` is the digest of its chunk including it, `before` without it.
    pub(super) fn record(
        &mut self,
        raw: &[u8],
        is_good: bool,
        chunk: &Sha256,
        before: Option<Sha256>,
    ) {
        let number = self.records;
        self.records += 1;
        self.bytes += raw.len() as u64 + 1;
        self.before = before;
        if is_good {
            line(&mut self.good, raw);
        } else {
            self.bad.push(number);
        }
        for rest in &mut self.rests {
            if number < rest.records && !rest.skipped.contains(number) {
                line(&mut rest.digest, raw);
            }
        }
        if self.records.is_power_of_two() || self.wanted.contains(&self.records) {
            let digest = joined(&self.whole[0], Some(chunk));
            self.found.insert(self.records, digest);
        }
    }

    /// Ends a chunk.
    pub(super) fn chunk(&mut self, digest: &ChunkDigest) {
        self.whole[1] = self.whole[0].clone();
        self.whole[0].update(digest);
        self.ends.push(self.records);
    }

    /// The digests at the end of the file.
    pub(super) fn finish(self) -> FileDigests {
        let hex = |digest: Sha256| HEXLOWER.encode(&digest.finalize());
        let almost = match self.records {
            0 | 1 => String::new(),
            _ => joined(&self.whole[1], self.before.as_ref()),
        };
        let rests = self.rests.into_iter().filter(|rest| rest.records <= self.records);
        FileDigests {
            digest: joined(&self.whole[0], None),
            almost,
            records: self.records,
            bytes: self.bytes,
            bad: self.bad,
            good: hex(self.good),
            ends: self.ends,
            found: self.found,
            rests: rests.map(|rest| (rest.number, hex(rest.digest))).collect(),
        }
    }
}

impl FileDigests {
    /// The digest up to `records` records, if it was taken.
    pub(super) fn digest_at(&self, records: u64) -> Option<&String> {
        self.found.get(&records)
    }

    /// The digest of the records that were appended of the known file with this number, if it was
    /// taken.
    pub(super) fn rest_of(&self, number: u64) -> Option<&String> {
        self.rests.iter().find(|(of, _)| *of == number).map(|(_, digest)| digest)
    }
}

fn line(digest: &mut Sha256, raw: &[u8]) {
    digest.update(raw);
    digest.update(b"\n");
}

/// Combines the digest of complete chunks with that of the beginning of one.
fn joined(whole: &Sha256, chunk: Option<&Sha256>) -> String {
    let mut whole = whole.clone();
    if let Some(chunk) = chunk {
        whole.update(chunk.clone().finalize());
    }
    HEXLOWER.encode(&whole.finalize())
}
