//! The record of erasures in the manifest of a log.
//!
//! The part `erased` is bincode of the erasures, and for each rewritten segment its lower epoch,
//! the number of rewrites, and for each of its Arrow files that number when the file was written;
//! then the same number for each rewritten file of retractions.

use serde::{Deserialize, Serialize};

use crate::checksummed_file::{decode, encode};
use crate::manifest::Manifest;
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// The name of the part.
pub(crate) const PART: &str = "erased";

/// The record of one erasure; the content of the events is not recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Identifies the history before, as [`Reader::identity`](crate::Reader::identity) did then.
    pub(super) former: u64,
    /// The stream of the erased events.
    pub stream: String,
    /// The number of erased events.
    pub events: u64,
    /// The epoch of the first erased event.
    pub first: Epoch,
    /// The epoch of the last erased event.
    pub last: Epoch,
    /// The end of the log at that time.
    pub upper: Epoch,
    /// The wall clock at that time, in microseconds since 1970 (UTC).
    pub clock_us: i64,
    /// The reason, in the operator's words; may be empty.
    pub reason: String,
}

/// A rewritten segment: its lower epoch, the number of rewrites, and that number for each of its
/// files.
type Rewritten = (Epoch, u32, Vec<u32>);

#[derive(Serialize, Deserialize)]
struct Stored {
    erasures: Vec<Erasure>,
    segments: Vec<Rewritten>,
    /// Rewritten files of retractions: the segment's lower epoch, the number of rewrites.
    retractions: Vec<(Epoch, u32)>,
}

impl Erasure {
    /// The identity of the history before, as [`Reader::identity`](crate::Reader::identity) gave
    /// it.
    pub fn former(&self) -> String {
        format!("{:016x}", self.former)
    }

    /// A record with a value in each field, for tests of decoders.
    pub fn sample() -> Erasure {
        let stream = "lines".to_owned();
        let reason = "asked for".to_owned();
        let events = 3;
        let first = 0;
        let last = 1;
        let upper = 2;
        Erasure { former: 5, stream, events, first, last, upper, clock_us: 1, reason }
    }

    /// The time of the erasure.
    pub fn at(&self) -> diptych_event::Timestamp {
        diptych_event::Timestamp::from_micros(self.clock_us)
    }
}

/// Encodes the part.
pub(crate) fn to_bytes(manifest: &Manifest) -> Result<Vec<u8>> {
    let rewritten = manifest.segments.iter().filter(|segment| segment.rewritten > 0);
    let segments = rewritten.map(|segment| {
        let files = segment.rows.iter().map(|entry| entry.rewritten).collect();
        (segment.lower, segment.rewritten, files)
    });
    let segments = segments.collect();
    let retractions = manifest.retractions.iter().filter(|entry| entry.rewritten > 0);
    let retractions = retractions.map(|entry| (entry.lower, entry.rewritten)).collect();
    encode(&Stored { erasures: manifest.erasures.clone(), segments, retractions })
}

/// Decodes the part into the manifest; on failure, says what is wrong.
pub(crate) fn from_bytes(bytes: &[u8], manifest: &mut Manifest) -> Result<(), String> {
    let stored: Stored = decode(bytes).map_err(|error| error.to_string())?;
    for (lower, times, files) in stored.segments {
        let segment = manifest.segments.iter_mut().find(|segment| segment.lower == lower);
        let Some(segment) = segment.filter(|segment| segment.rows.len() == files.len()) else {
            return Err(format!("the segment at {lower} was rewritten and is not there"));
        };
        segment.rewritten = times;
        for (entry, times) in segment.rows.iter_mut().zip(files) {
            entry.rewritten = times;
        }
    }
    for (lower, times) in stored.retractions {
        let entry = manifest.retractions.iter_mut().find(|entry| entry.lower == lower);
        let Some(entry) = entry else {
            return Err(format!("retractions at {lower} were rewritten: there are none"));
        };
        entry.rewritten = times;
    }
    manifest.erasures.extend(stored.erasures);
    Ok(())
}
