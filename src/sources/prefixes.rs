//! Digests of what a file begins with, taken while it is read: what it is known by later.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

use super::file::ChunkDigest;
use super::known::Known;
use super::positions::Positions;
use diptych_base::limits::KNOWN_MENDED_MAX;

/// The digests that are being taken.
pub(super) struct Prefixes {
    /// Over the digests of the chunks that are complete, and the same before the last of them.
    whole: [Sha256; 2],
    /// Of the chunk being read, before its last record, unless that is its first.
    before: Option<Sha256>,
    wanted: BTreeSet<u64>,
    found: BTreeMap<u64, String>,
    records: u64,
    bytes: u64,
    bad: Positions,
    good: Sha256,
    rests: Vec<Rest>,
    /// Where each chunk ends.
    ends: Vec<u64>,
}

/// All records of a known file but those that were skipped.
struct Rest {
    number: u64,
    records: u64,
    skipped: Positions,
    digest: Sha256,
}

/// What is known of a file that was read to its end.
pub(super) struct Seen {
    /// The digest of its text.
    pub(super) digest: String,
    /// That of all but the last record; empty when there are fewer than two.
    pub(super) almost: String,
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// The bad ones.
    pub(super) bad: Positions,
    /// The digest of the others.
    pub(super) good: String,
    /// Where each chunk ends.
    pub(super) ends: Vec<u64>,
    found: BTreeMap<u64, String>,
    rests: Vec<(u64, String)>,
}

impl Prefixes {
    /// None taken yet; those that tell whether a file is one of `known` will be.
    pub(super) fn new(known: &[Known]) -> Self {
        let mended = known.iter().rev();
        let mended = mended.filter(|one| !one.skipped.is_empty() && one.skipped.are_known());
        let rest = |one: &Known| Rest {
            number: one.number,
            records: one.records,
            skipped: one.skipped.clone(),
            digest: Sha256::new(),
        };
        Prefixes {
            whole: [Sha256::new(), Sha256::new()],
            before: None,
            wanted: known.iter().flat_map(Known::wanted).collect(),
            found: BTreeMap::new(),
            records: 0,
            bytes: 0,
            bad: Positions::default(),
            good: Sha256::new(),
            rests: mended.take(KNOWN_MENDED_MAX).map(rest).collect(),
            ends: Vec::new(),
        }
    }

    /// The number of the record that comes next.
    pub(super) fn next(&self) -> u64 {
        self.records
    }

    /// Takes the header in, which comes first.
    pub(super) fn header(&mut self, raw: &[u8]) {
        self.good.update(raw);
        self.rests.iter_mut().for_each(|rest| rest.digest.update(raw));
    }

    /// Takes a record in. `chunk` is the digest of its chunk up to it, `before` without it.
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

    /// What is known at the end of the file.
    pub(super) fn finish(self) -> Seen {
        let hex = |digest: Sha256| HEXLOWER.encode(&digest.finalize());
        let almost = match self.records {
            0 | 1 => String::new(),
            _ => joined(&self.whole[1], self.before.as_ref()),
        };
        let rests = self.rests.into_iter().filter(|rest| rest.records <= self.records);
        Seen {
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

impl Seen {
    /// The digest up to so many records, if it was taken.
    pub(super) fn digest_at(&self, records: u64) -> Option<&String> {
        self.found.get(&records)
    }

    /// The digest of the records that the known file with this number had appended, if it was
    /// taken.
    pub(super) fn rest_of(&self, number: u64) -> Option<&String> {
        self.rests.iter().find(|(of, _)| *of == number).map(|(_, digest)| digest)
    }
}

fn line(digest: &mut Sha256, raw: &[u8]) {
    digest.update(raw);
    digest.update(b"\n");
}

/// The digest of complete chunks and the beginning of one.
fn joined(whole: &Sha256, chunk: Option<&Sha256>) -> String {
    let mut whole = whole.clone();
    if let Some(chunk) = chunk {
        whole.update(chunk.clone().finalize());
    }
    HEXLOWER.encode(&whole.finalize())
}
