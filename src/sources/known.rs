//! What a log remembers of the files that were ingested, and what a file is to them: the same, one
//! that has grown, one that was mended, or one that begins alike. So nothing is counted twice in
//! silence.
//!
//! The memory is one source offset for each of the last [`KNOWN_FILES`] files of a stream, written
//! in the frame of the file's first events. A file that begins differently from one before (the
//! window of a log that moves on, say) is another file to it, and so is one that was forgotten.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::path::Path;

use super::positions::Positions;
use super::prefixes::Seen;
use super::sink::AppendTo;
use diptych_base::error::Result;
use diptych_base::limits::{KNOWN_FILES, KNOWN_NAME_BYTES, LABEL_BYTES_MAX};

/// A file of which events were appended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Counts the files of the stream.
    pub(super) number: u64,
    /// Its path, in full.
    pub(super) name: String,
    /// The digest of its text, up to its last record.
    pub(super) digest: String,
    /// Its records, good and bad.
    pub(super) records: u64,
    /// Bytes of its records.
    pub(super) bytes: u64,
    /// The first digits of the digests up to 1, 2, 4, 8 ... of its records, end to end.
    pub(super) prefixes: String,
    /// The same up to the last record but one.
    pub(super) almost: String,
    /// Its records that were bad and not appended.
    pub(super) skipped: Positions,
    /// The digest of the others, if there are such.
    pub(super) good: String,
    /// The records of it that were in the stream before, as those of another file.
    pub(super) left_out: LeftOut,
    /// What its producer's name ends in.
    pub(super) part: String,
    /// Append requests it was cut into.
    pub(super) appends: u64,
}

/// Records that are not appended because they were before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeftOut {
    /// All before this one,
    pub(super) before: u64,
    /// but these.
    pub(super) but: Positions,
}

impl LeftOut {
    /// Whether a record is appended.
    pub(super) fn has_not(&self, record: u64) -> bool {
        record >= self.before || self.but.contains(record)
    }

    /// Whether one of the records from `first` on and before `end` is appended.
    pub(super) fn has_not_all(&self, first: u64, end: u64) -> bool {
        end > self.before || self.but.any_between(first, end)
    }

    /// A name for what is appended.
    pub(super) fn part(&self) -> String {
        let LeftOut { before, but } = self;
        format!("/rest/{before}-{}", short(but.to_string().as_bytes()))
    }
}

/// What a file is to those that were ingested before.
#[derive(Debug)]
pub(super) enum Past {
    /// None that is known.
    New,
    /// The same as one of them.
    Same(Known),
    /// It begins with one of them, or is one with records mended that had been skipped.
    More(Known, LeftOut),
    /// It begins with so many records of one of them.
    Alike(Known, u64),
}

/// Digits of a digest that tell files apart that are known by name and size, too.
const SHORT: usize = 12;

fn short(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))[..SHORT].to_owned()
}

/// The source under which the file with this number is remembered.
fn source(stream: &str, number: u64) -> String {
    format!("file/{stream}/{}", number % KNOWN_FILES)
}

impl Known {
    /// The files that are remembered of a stream.
    ///
    /// # Errors
    /// When the log cannot say.
    pub(super) fn all(sink: &impl AppendTo, stream: &str) -> Result<Vec<Known>> {
        let mut all = Vec::new();
        for slot in 0..KNOWN_FILES {
            let Some(text) = sink.offset(&source(stream, slot))? else { continue };
            // What another release wrote is not known.
            all.extend(serde_json::from_str::<Known>(&text));
        }
        all.sort_by_key(|known: &Known| known.number);
        Ok(all)
    }

    /// What is to be remembered of a file that was read to its end.
    pub(super) fn of(number: u64, name: String, seen: &Seen) -> Known {
        let powers = (0..64).map(|power| 1_u64 << power).take_while(|n| *n <= seen.records);
        let digits = |records| seen.digest_at(records).map(|digest| digest[..SHORT].to_owned());
        Known {
            number,
            name,
            digest: seen.digest.clone(),
            records: seen.records,
            bytes: seen.bytes,
            prefixes: powers.filter_map(digits).collect(),
            almost: seen.almost[..SHORT.min(seen.almost.len())].to_owned(),
            skipped: seen.bad.clone(),
            good: if seen.bad.is_empty() { String::new() } else { seen.good.clone() },
            ..Known::default()
        }
    }

    /// The same as an offset of its source: in bounds, if without the records that were skipped.
    pub(super) fn offset(&self, stream: &str) -> Result<(String, String)> {
        let text = |known: &Known| {
            serde_json::to_string(known).map_err(|error| {
                let message = format!("a file that is ingested has no description: {error}");
                diptych_base::error::Error::new(diptych_base::error::Kind::Input, message)
            })
        };
        let mut whole = text(self)?;
        if whole.len() > LABEL_BYTES_MAX {
            whole = text(&Known { skipped: Positions::unknown(), ..self.clone() })?;
        }
        Ok((source(stream, self.number), whole))
    }

    /// The records up to which digests of a newer file are wanted.
    pub(super) fn wanted(&self) -> [u64; 2] {
        [self.records, self.records.saturating_sub(1)]
    }

    /// Whether this is the whole of what was seen.
    fn is(&self, seen: &Seen) -> bool {
        self.records == seen.records && self.digest == seen.digest
    }

    /// Whether what was seen begins with this.
    fn begins(&self, seen: &Seen) -> bool {
        self.records > 0
            && self.records < seen.records
            && seen.digest_at(self.records) == Some(&self.digest)
    }

    /// Whether what was seen is this, but for records that were skipped.
    fn is_mended_in(&self, seen: &Seen) -> bool {
        self.has_good() && seen.rest_of(self.number) == Some(&self.good)
    }

    /// Whether what was seen is this without the records that were skipped.
    fn is_cleared_in(&self, seen: &Seen) -> bool {
        self.has_good() && seen.bad.is_empty() && seen.good == self.good
    }

    /// Whether records were skipped, but not all.
    fn has_good(&self) -> bool {
        !self.good.is_empty() && self.records > self.skipped.len()
    }

    /// What of this was skipped and is good now, and what is behind it.
    fn rest(&self, seen: &Seen) -> LeftOut {
        LeftOut { before: self.records, but: self.skipped.without(&seen.bad) }
    }

    /// How many of its first records what was seen begins with, as far as can be told.
    fn common(&self, seen: &Seen) -> u64 {
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

/// What a file is called in what is remembered of it: by its path, whether it is compressed or not.
pub(super) fn name(path: &Path) -> String {
    if path.as_os_str() == "-" {
        return "-".into();
    }
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = path.to_string_lossy();
    let ending = [".gz", ".zst"].into_iter().find_map(|ending| name.strip_suffix(ending));
    let mut name: VecDeque<char> = ending.unwrap_or(&name).chars().collect();
    let mut bytes: usize = name.iter().map(|c| c.escape_default().len()).sum();
    // The end of a path tells more than its beginning.
    while bytes > KNOWN_NAME_BYTES {
        bytes -= name.pop_front().map_or(bytes, |c| c.escape_default().len());
    }
    name.into_iter().collect()
}

/// What the producer's name of a file ends in that is appended although another of its content is.
pub(super) fn copy(name: &str, label: &str) -> String {
    format!("/again/{}", short(format!("{name}\0{label}").as_bytes()))
}

/// What a file called `name` is to those that are known.
pub(super) fn past(known: &[Known], name: &str, seen: &Seen) -> Past {
    let newest = |is: &dyn Fn(&Known) -> bool| {
        let same_name = known.iter().rev().find(|known| is(known) && known.name == name);
        same_name.or_else(|| known.iter().rev().find(|known| is(known))).cloned()
    };
    if let Some(same) = newest(&|known| known.is(seen)) {
        let rest = same.rest(seen);
        // By another schema than before, what was bad may be good.
        return if rest.but.is_empty() { Past::Same(same) } else { Past::More(same, rest) };
    }
    let longest = known.iter().filter(|known| known.begins(seen)).max_by_key(|one| one.records);
    let more = longest.cloned().or_else(|| newest(&|known| known.is_mended_in(seen)));
    if let Some(known) = more {
        let rest = known.rest(seen);
        return Past::More(known, rest);
    }
    if let Some(known) = newest(&|known| known.is_cleared_in(seen)) {
        return Past::More(known, LeftOut { before: seen.records, ..LeftOut::default() });
    }
    let alike = known.iter().map(|known| (known.common(seen), known));
    let alike = alike.filter(|(common, known)| {
        *common > 0 && (known.name == name || *common > known.records / 2)
    });
    match alike.max_by_key(|(common, known)| (*common, known.number)) {
        Some((common, known)) => Past::Alike(known.clone(), common),
        None => Past::New,
    }
}
