//! The files that a log remembers, and how a new file relates to them: the same, a grown one, a
//! corrected one, or one with the same beginning. So nothing is counted twice in silence.
//!
//! The memory is one source offset for each of the last [`KNOWN_FILES`] files of a stream, written
//! in the frame of the file's first events. A file with another beginning (such as the next window
//! of a rotating log) counts as another file, and so does a forgotten one.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::path::Path;

use super::file_prefix_digests::FileDigests;
use super::record_number_set::Positions;
use super::sink::AppendTo;
use diptych_base::error::Result;
use diptych_base::limits::{KNOWN_FILES, KNOWN_NAME_BYTES, LABEL_BYTES_MAX};

/// The remembered description of a file whose events were appended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KnownFile {
    /// The file's number within the stream.
    pub(super) number: u64,
    /// The full path.
    pub(super) name: String,
    /// The digest of its text, up to its last record.
    pub(super) digest: String,
    /// The number of its records, good and bad.
    pub(super) records: u64,
    /// Bytes of its records.
    pub(super) bytes: u64,
    /// The first digits of the digests up to 1, 2, 4, 8 ... of its records, end to end.
    pub(super) prefixes: String,
    /// The digest up to the last record but one.
    pub(super) almost: String,
    /// The bad records, which were not appended.
    pub(super) skipped: Positions,
    /// The digest of the other records, if there are any.
    pub(super) good: String,
    /// Records that were in the stream before, as those of another file.
    pub(super) left_out: LeftOut,
    /// The suffix of its producer's name.
    pub(super) part: String,
    /// The number of its append requests.
    pub(super) appends: u64,
}

/// Records that are not appended because they were appended before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeftOut {
    /// All records before this one,
    pub(super) before: u64,
    /// except these.
    pub(super) but: Positions,
}

impl LeftOut {
    /// Whether a record is appended.
    pub(super) fn has_not(&self, record: u64) -> bool {
        record >= self.before || self.but.contains(record)
    }

    /// Whether one of the records from `first` up to `end` (exclusive) is appended.
    pub(super) fn has_not_all(&self, first: u64, end: u64) -> bool {
        end > self.before || self.but.any_between(first, end)
    }

    /// A name for the appended part.
    pub(super) fn part(&self) -> String {
        let LeftOut { before, but } = self;
        format!("/rest/{before}-{}", short(but.to_string().as_bytes()))
    }
}

/// The relation of a file to those ingested before.
#[derive(Debug)]
pub(super) enum FileHistory {
    /// No known file has its content or beginning.
    New,
    /// It has the content of a known file.
    Same(KnownFile),
    /// It extends a known file, or corrects records of one that had been skipped.
    More(KnownFile, LeftOut),
    /// It begins with so many records of a known file.
    Alike(KnownFile, u64),
}

/// Digits of a digest that suffice for files that are also known by name and size.
const SHORT: usize = 12;

fn short(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))[..SHORT].to_owned()
}

/// The source name under which the file with this number is remembered.
fn source(stream: &str, number: u64) -> String {
    format!("file/{stream}/{}", number % KNOWN_FILES)
}

impl KnownFile {
    /// The remembered files of a stream.
    ///
    /// # Errors
    /// When the log cannot say.
    pub(super) fn all(sink: &impl AppendTo, stream: &str) -> Result<Vec<KnownFile>> {
        let mut all = Vec::new();
        for slot in 0..KNOWN_FILES {
            let Some(text) = sink.offset(&source(stream, slot))? else { continue };
            // An offset of another format is ignored.
            all.extend(serde_json::from_str::<KnownFile>(&text));
        }
        all.sort_by_key(|known: &KnownFile| known.number);
        Ok(all)
    }

    /// The description of a file that was read to its end.
    pub(super) fn of(number: u64, name: String, seen: &FileDigests) -> KnownFile {
        let powers = (0..64).map(|power| 1_u64 << power).take_while(|n| *n <= seen.records);
        let digits = |records| seen.digest_at(records).map(|digest| digest[..SHORT].to_owned());
        KnownFile {
            number,
            name,
            digest: seen.digest.clone(),
            records: seen.records,
            bytes: seen.bytes,
            prefixes: powers.filter_map(digits).collect(),
            almost: seen.almost[..SHORT.min(seen.almost.len())].to_owned(),
            skipped: seen.bad.clone(),
            good: if seen.bad.is_empty() { String::new() } else { seen.good.clone() },
            ..KnownFile::default()
        }
    }

    /// The description as an offset of its source, within the size bound; the skipped records are
    /// dropped if they do not fit.
    pub(super) fn offset(&self, stream: &str) -> Result<(String, String)> {
        let text = |known: &KnownFile| {
            serde_json::to_string(known).map_err(|error| {
                let message = format!("a file that is ingested has no description: {error}");
                diptych_base::error::Error::new(diptych_base::error::Kind::Input, message)
            })
        };
        let mut whole = text(self)?;
        if whole.len() > LABEL_BYTES_MAX {
            whole = text(&KnownFile { skipped: Positions::unknown(), ..self.clone() })?;
        }
        Ok((source(stream, self.number), whole))
    }

    /// The numbers of records up to which digests of a newer file are needed.
    pub(super) fn wanted(&self) -> [u64; 2] {
        [self.records, self.records.saturating_sub(1)]
    }

    /// Whether the file that was read equals this one.
    fn is(&self, seen: &FileDigests) -> bool {
        self.records == seen.records && self.digest == seen.digest
    }

    /// Whether the file that was read begins with this one.
    fn begins(&self, seen: &FileDigests) -> bool {
        self.records > 0
            && self.records < seen.records
            && seen.digest_at(self.records) == Some(&self.digest)
    }

    /// Whether the file that was read is this one with skipped records corrected.
    fn is_mended_in(&self, seen: &FileDigests) -> bool {
        self.has_good() && seen.rest_of(self.number) == Some(&self.good)
    }

    /// Whether the file that was read is this one without the skipped records.
    fn is_cleared_in(&self, seen: &FileDigests) -> bool {
        self.has_good() && seen.bad.is_empty() && seen.good == self.good
    }

    /// Whether some records were skipped, but not all.
    fn has_good(&self) -> bool {
        !self.good.is_empty() && self.records > self.skipped.len()
    }

    /// The new records of the file that was read: skipped ones that are good now, and those after
    /// the end.
    fn rest(&self, seen: &FileDigests) -> LeftOut {
        LeftOut { before: self.records, but: self.skipped.without(&seen.bad) }
    }

    /// The number of this file's first records that the read file begins with, as far as the
    /// digests tell.
    fn common(&self, seen: &FileDigests) -> u64 {
        let mut common = 0;
        for (power, digits) in self.prefixes.as_bytes().chunks(SHORT).enumerate() {
            let records = 1_u64 << power;
            let same = |digest: &String| digest.as_bytes().starts_with(digits);
            if seen.digest_at(records).is_some_and(same) {
                common = records;
            }
        }
        let almost = self.records.saturating_sub(1);
        let same = |digest: &String| !self.almost.is_empty() && digest.starts_with(&self.almost);
        if seen.digest_at(almost).is_some_and(same) { almost } else { common }
    }
}

/// The name under which a file is remembered: its path, the same whether compressed or not.
pub(super) fn name(path: &Path) -> String {
    if path.as_os_str() == "-" {
        return "-".into();
    }
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = path.to_string_lossy();
    let ending = [".gz", ".zst"].into_iter().find_map(|ending| name.strip_suffix(ending));
    let mut name: VecDeque<char> = ending.unwrap_or(&name).chars().collect();
    let mut bytes: usize = name.iter().map(|c| c.escape_default().len()).sum();
    // The end of a path distinguishes files better than its beginning.
    while bytes > KNOWN_NAME_BYTES {
        bytes -= name.pop_front().map_or(bytes, |c| c.escape_default().len());
    }
    name.into_iter().collect()
}

/// The suffix of the producer's name for a file that is appended although its content is known.
pub(super) fn copy(name: &str, label: &str) -> String {
    format!("/again/{}", short(format!("{name}\0{label}").as_bytes()))
}

/// The relation of a file called `name` to the known files.
pub(super) fn past(known: &[KnownFile], name: &str, seen: &FileDigests) -> FileHistory {
    let newest = |is: &dyn Fn(&KnownFile) -> bool| {
        let same_name = known.iter().rev().find(|known| is(known) && known.name == name);
        same_name.or_else(|| known.iter().rev().find(|known| is(known))).cloned()
    };
    if let Some(same) = newest(&|known| known.is(seen)) {
        let rest = same.rest(seen);
        // Under another schema than before, bad records may be good.
        return if rest.but.is_empty() {
            FileHistory::Same(same)
        } else {
            FileHistory::More(same, rest)
        };
    }
    let longest = known.iter().filter(|known| known.begins(seen)).max_by_key(|one| one.records);
    let more = longest.cloned().or_else(|| newest(&|known| known.is_mended_in(seen)));
    if let Some(known) = more {
        let rest = known.rest(seen);
        return FileHistory::More(known, rest);
    }
    if let Some(known) = newest(&|known| known.is_cleared_in(seen)) {
        return FileHistory::More(known, LeftOut { before: seen.records, ..LeftOut::default() });
    }
    let alike = known.iter().map(|known| (known.common(seen), known));
    let alike = alike.filter(|(common, known)| {
        *common > 0 && (known.name == name || *common > known.records / 2)
    });
    match alike.max_by_key(|(common, known)| (*common, known.number)) {
        Some((common, known)) => FileHistory::Alike(known.clone(), common),
        None => FileHistory::New,
    }
}
