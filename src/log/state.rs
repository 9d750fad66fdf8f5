//! What the log remembers of those who append: producers' sequences, and source offsets.
//!
//! The table is a function of the frames: every frame records which sequence it carries and from
//! which one on repeats are still answered. A build with another window replays to the same table.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::append::Producer;
use super::envelope::{Envelope, FORMAT, FORMAT_STATE, decode, encode};
use super::fingerprint::Fingerprint;
use super::frame::Header;
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::time::Epoch;

/// An append request of a producer, recorded in the frame that carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProducerMark {
    pub(super) id: String,
    pub(super) sequence: u64,
    /// The first sequence that is remembered from now on: the eviction, recorded.
    pub(super) kept_from: u64,
    /// Of the request. Frame files of earlier formats have none; in others it is behind the header.
    #[serde(skip)]
    pub(super) fingerprint: Option<Fingerprint>,
}

/// A silent producer that lost its window to newer ones, but for its last append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trimmed {
    pub(super) id: String,
    pub(super) kept_from: u64,
}

/// What is remembered of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Remembered {
    epoch: Epoch,
    /// None when its frame was written by a release that took none: then every repeat of its
    /// number is taken for the same request.
    fingerprint: Option<Fingerprint>,
}

/// A producer's last appends; never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Window {
    /// The sequence that is due.
    next: u64,
    /// The sequences `next - len .. next`.
    appends: VecDeque<Remembered>,
}

impl Window {
    fn kept_from(&self) -> u64 {
        self.next - self.appends.len() as u64
    }

    /// Forgets what is before `kept_from`; returns how many that were.
    fn keep_from(&mut self, kept_from: u64) -> usize {
        let gone = kept_from.saturating_sub(self.kept_from()) as usize;
        let gone = gone.min(self.appends.len().saturating_sub(1));
        self.appends.drain(..gone);
        gone
    }
}

/// What an append request is to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is due.
    Due,
    /// It was appended with this epoch; `None` when that is the epoch being gathered now.
    Repeat(Option<Epoch>),
}

/// Producers and offsets as of some frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    producers: HashMap<String, Window>,
    /// Appends in all windows.
    remembered: usize,
    pub(super) offsets: BTreeMap<String, String>,
}

/// The table on disk, sorted so that equal tables are equal bytes.
#[derive(Serialize, Deserialize)]
struct Stored {
    producers: Vec<(String, u64, Vec<Epoch>)>,
    offsets: Vec<(String, String)>,
}

/// What a state file of format 2 has behind the table: the fingerprints of all its appends in the
/// same order, 0 where there is none.
type StoredFingerprints = Vec<u64>;

/// The fingerprints of the requests gathered so far for the next epoch, by producer, in order.
pub(super) type Gathered = HashMap<String, Vec<Option<Fingerprint>>>;

impl State {
    /// Decides about a request, given the table and what is gathered for the next epoch.
    ///
    /// # Errors
    /// A gap, another request than the first of this number, a sequence that is no longer
    /// remembered, or too many producers.
    pub(super) fn decide(
        &self,
        gathered: &mut Gathered,
        producer: &Producer,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Verdict> {
        let Producer { id, sequence } = producer;
        let window = self.producers.get(id);
        let sealed_next = window.map_or(0, |window| window.next);
        let next = sealed_next + gathered.get(id).map_or(0, |all| all.len() as u64);
        if *sequence > next {
            let message = format!("producer {id:?} sent sequence {sequence}, {next} is due");
            return Err(Error::new(Kind::Conflict, message)
                .remedy("send the missing requests first, in order"));
        }
        if *sequence < sealed_next {
            let Some(window) = window.filter(|window| *sequence >= window.kept_from()) else {
                let kept = window.map_or(0, Window::kept_from);
                let message = format!(
                    "producer {id:?} repeats sequence {sequence}, only {kept} and later are \
                     remembered"
                );
                return Err(Error::new(Kind::Conflict, message)
                    .remedy("it was appended long ago: do not send it again"));
            };
            let first = window.appends[(*sequence - window.kept_from()) as usize];
            check_same(producer, first.fingerprint, fingerprint)?;
            return Ok(Verdict::Repeat(Some(first.epoch)));
        }
        if *sequence < next {
            let all = gathered.get(id).map_or(&[][..], Vec::as_slice);
            let first = all.get((*sequence - sealed_next) as usize).copied().flatten();
            check_same(producer, first, fingerprint)?;
            return Ok(Verdict::Repeat(None));
        }
        let new = gathered.keys().filter(|id| !self.producers.contains_key(*id)).count();
        if window.is_none() && self.producers.len() + new >= limits::PRODUCERS_MAX {
            let message = format!("the log remembers {} producers", limits::PRODUCERS_MAX);
            return Err(Error::new(Kind::Conflict, message)
                .remedy("use the producers that exist, or append without one"));
        }
        gathered.entry(id.clone()).or_default().push(fingerprint);
        Ok(Verdict::Due)
    }

    /// The mark to record for a request that is due.
    pub(super) fn mark(
        &self,
        producer: &Producer,
        fingerprint: Option<Fingerprint>,
    ) -> ProducerMark {
        let window = limits::PRODUCER_WINDOW as u64;
        let kept = self.producers.get(&producer.id).map_or(0, Window::kept_from);
        let kept_from = kept.max((producer.sequence + 1).saturating_sub(window));
        let Producer { id, sequence } = producer.clone();
        ProducerMark { id, sequence, kept_from, fingerprint }
    }

    /// Whether these offsets fit the table.
    pub(super) fn check_offsets(&self, offsets: &[(String, String)]) -> Result<()> {
        let new = offsets.iter().filter(|(source, _)| !self.offsets.contains_key(source)).count();
        if self.offsets.len() + new <= limits::SOURCES_MAX {
            return Ok(());
        }
        let message = format!("the log keeps the offsets of {} sources", limits::SOURCES_MAX);
        Err(Error::new(Kind::Conflict, message).remedy("use the source names that exist"))
    }

    /// Whom to trim before `more` epochs are added: nobody, unless the table is full; then the
    /// longest silent, until a quarter of the room is free.
    pub(super) fn make_room(&self, more: usize, max: usize) -> Vec<Trimmed> {
        if self.remembered + more <= max {
            return Vec::new();
        }
        let mut silent: Vec<_> = self.producers.iter().collect();
        silent.sort_by_key(|(id, window)| {
            (window.appends.back().map(|last| last.epoch), id.as_str())
        });
        let mut left = self.remembered;
        let mut trimmed = Vec::new();
        for (id, window) in silent {
            if left <= max / 4 * 3 {
                break;
            }
            if window.appends.len() > 1 {
                left -= window.appends.len() - 1;
                trimmed.push(Trimmed { id: id.clone(), kept_from: window.next - 1 });
            }
        }
        trimmed
    }

    /// Applies what the frame of `epoch` recorded.
    ///
    /// # Errors
    /// What contradicts the table; the frame is damaged then, or one before it is missing.
    pub(super) fn apply(&mut self, epoch: Epoch, header: &Header) -> Result<(), String> {
        for one in &header.trimmed {
            let Some(window) = self.producers.get_mut(&one.id) else {
                return Err(format!("producer {:?} is trimmed but unknown", one.id));
            };
            self.remembered -= window.keep_from(one.kept_from);
        }
        for mark in &header.producers {
            let window = self.producers.entry(mark.id.clone()).or_default();
            if window.next != mark.sequence {
                let (due, id) = (window.next, &mark.id);
                return Err(format!("sequence {} of {id:?} where {due} is due", mark.sequence));
            }
            window.next += 1;
            let fingerprint = mark.fingerprint;
            window.appends.push_back(Remembered { epoch, fingerprint });
            self.remembered += 1;
            self.remembered -= window.keep_from(mark.kept_from);
        }
        self.offsets.extend(header.offsets.iter().cloned());
        Ok(())
    }

    /// The bytes of a state file, of the least format that can say it.
    pub(super) fn wrap(&self) -> Result<Vec<u8>> {
        let mut sorted: Vec<_> = self.producers.iter().collect();
        sorted.sort_by_key(|(id, _)| *id);
        let store = |(id, window): &(&String, &Window)| {
            let epochs = window.appends.iter().map(|append| append.epoch).collect();
            ((*id).clone(), window.next, epochs)
        };
        let producers = sorted.iter().map(store).collect();
        let offsets = self.offsets.clone().into_iter().collect();
        let stored = Stored { producers, offsets };
        let appends = sorted.iter().flat_map(|(_, window)| &window.appends);
        let fingerprints: StoredFingerprints =
            appends.map(|append| append.fingerprint.map_or(0, Fingerprint::get)).collect();
        if fingerprints.iter().all(|fingerprint| *fingerprint == 0) {
            return Envelope::State.wrap(&stored);
        }
        Ok(Envelope::State.seal_as(FORMAT_STATE, &encode(&(stored, fingerprints))?))
    }

    /// The table in a state file.
    pub(super) fn unwrap(path: &Path, bytes: &[u8]) -> Result<Self> {
        let damaged = |what: String| super::layout::damaged(path, 24, what);
        let (version, body) = Envelope::State.open(path, bytes)?;
        let decoded = match version {
            FORMAT => decode(body).map(|stored: Stored| (stored, None)),
            _ => decode::<(Stored, StoredFingerprints)>(body).map(|(s, all)| (s, Some(all))),
        };
        let (stored, fingerprints) = decoded.map_err(|e| damaged(e.to_string()))?;
        let remembered = stored.producers.iter().map(|(_, _, epochs)| epochs.len()).sum();
        if let Some(all) = fingerprints.as_ref().filter(|all| all.len() != remembered) {
            return Err(damaged(format!("{} fingerprints of {remembered} appends", all.len())));
        }
        let mut fingerprints = fingerprints.into_iter().flatten();
        let mut producers = HashMap::new();
        for (id, next, epochs) in stored.producers {
            if epochs.is_empty() || next < epochs.len() as u64 {
                let what = format!("producer {id:?} has {} epochs before {next}", epochs.len());
                return Err(damaged(what));
            }
            let appends = epochs.into_iter().map(|epoch| {
                let fingerprint = fingerprints.next().and_then(Fingerprint::new);
                Remembered { epoch, fingerprint }
            });
            let appends = appends.collect();
            producers.insert(id, Window { next, appends });
        }
        Ok(State { producers, remembered, offsets: stored.offsets.into_iter().collect() })
    }

    /// The sequence that is due from this producer.
    pub(super) fn next_sequence(&self, producer: &str) -> u64 {
        self.producers.get(producer).map_or(0, |window| window.next)
    }
}

/// Refuses a request under a number that another one has had. What was never known passes.
fn check_same(
    producer: &Producer,
    first: Option<Fingerprint>,
    now: Option<Fingerprint>,
) -> Result<()> {
    match (first, now) {
        (Some(first), Some(now)) if first != now => {
            let Producer { id, sequence } = producer;
            let message = format!(
                "sequence {sequence} of producer {id:?} was another request, with other events or \
                 of other streams: this one was not appended"
            );
            Err(Error::new(Kind::Conflict, message).remedy(
                "number the requests of a producer with one counter over all streams, or take one \
                 producer id per stream",
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
