//! What the log remembers of those who append: producers' sequences, and source offsets.
//!
//! The table is a function of the frames: every frame records which sequence it carries and from
//! which one on repeats are still answered. A build with another window replays to the same table.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::append::Producer;
use super::envelope::Envelope;
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
}

/// A silent producer that lost its window to newer ones, but for its last append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trimmed {
    pub(super) id: String,
    pub(super) kept_from: u64,
}

/// The epochs of a producer's last appends; never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Window {
    /// The sequence that is due.
    next: u64,
    /// Epochs of the sequences `next - len .. next`.
    epochs: VecDeque<Epoch>,
}

impl Window {
    fn kept_from(&self) -> u64 {
        self.next - self.epochs.len() as u64
    }

    /// Forgets what is before `kept_from`; returns how many that were.
    fn keep_from(&mut self, kept_from: u64) -> usize {
        let gone = kept_from.saturating_sub(self.kept_from()) as usize;
        let gone = gone.min(self.epochs.len().saturating_sub(1));
        self.epochs.drain(..gone);
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
    /// Epochs in all windows.
    remembered: usize,
    pub(super) offsets: BTreeMap<String, String>,
}

/// The table on disk, sorted so that equal tables are equal bytes.
#[derive(Serialize, Deserialize)]
struct Stored {
    producers: Vec<(String, u64, Vec<Epoch>)>,
    offsets: Vec<(String, String)>,
}

/// The sequences due after the requests gathered so far for the next epoch.
pub(super) type Gathered = HashMap<String, u64>;

impl State {
    /// Decides about a request, given the table and what is gathered for the next epoch.
    ///
    /// # Errors
    /// A gap, a sequence that is no longer remembered, or too many producers.
    pub(super) fn decide(&self, gathered: &mut Gathered, producer: &Producer) -> Result<Verdict> {
        let Producer { id, sequence } = producer;
        let window = self.producers.get(id);
        let sealed_next = window.map_or(0, |window| window.next);
        let next = gathered.get(id).copied().unwrap_or(sealed_next);
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
            let epoch = window.epochs[(*sequence - window.kept_from()) as usize];
            return Ok(Verdict::Repeat(Some(epoch)));
        }
        if *sequence < next {
            return Ok(Verdict::Repeat(None));
        }
        let new = gathered.keys().filter(|id| !self.producers.contains_key(*id)).count();
        if window.is_none() && self.producers.len() + new >= limits::PRODUCERS_MAX {
            let message = format!("the log remembers {} producers", limits::PRODUCERS_MAX);
            return Err(Error::new(Kind::Conflict, message)
                .remedy("use the producers that exist, or append without one"));
        }
        gathered.insert(id.clone(), next + 1);
        Ok(Verdict::Due)
    }

    /// The mark to record for a request that is due.
    pub(super) fn mark(&self, producer: &Producer) -> ProducerMark {
        let window = limits::PRODUCER_WINDOW as u64;
        let kept = self.producers.get(&producer.id).map_or(0, Window::kept_from);
        let kept_from = kept.max((producer.sequence + 1).saturating_sub(window));
        ProducerMark { id: producer.id.clone(), sequence: producer.sequence, kept_from }
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
        silent.sort_by_key(|(id, window)| (window.epochs.back().copied(), id.as_str()));
        let mut left = self.remembered;
        let mut trimmed = Vec::new();
        for (id, window) in silent {
            if left <= max / 4 * 3 {
                break;
            }
            if window.epochs.len() > 1 {
                left -= window.epochs.len() - 1;
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
            window.epochs.push_back(epoch);
            self.remembered += 1;
            self.remembered -= window.keep_from(mark.kept_from);
        }
        self.offsets.extend(header.offsets.iter().cloned());
        Ok(())
    }

    /// The bytes of a state file.
    pub(super) fn wrap(&self) -> Result<Vec<u8>> {
        let store = |(id, window): (&String, &Window)| {
            (id.clone(), window.next, window.epochs.iter().copied().collect())
        };
        let mut producers: Vec<_> = self.producers.iter().map(store).collect();
        producers.sort();
        let offsets = self.offsets.clone().into_iter().collect();
        Envelope::State.wrap(&Stored { producers, offsets })
    }

    /// The table in a state file.
    pub(super) fn unwrap(path: &Path, bytes: &[u8]) -> Result<Self> {
        let stored: Stored = Envelope::State.unwrap(path, bytes)?;
        let remembered = stored.producers.iter().map(|(_, _, epochs)| epochs.len()).sum();
        let load = |(id, next, epochs): (String, u64, Vec<Epoch>)| {
            if epochs.is_empty() || next < epochs.len() as u64 {
                let what = format!("producer {id:?} has {} epochs before {next}", epochs.len());
                return Err(super::layout::damaged(path, 0, what));
            }
            Ok((id, Window { next, epochs: epochs.into() }))
        };
        let producers = stored.producers.into_iter().map(load).collect::<Result<_>>()?;
        Ok(State { producers, remembered, offsets: stored.offsets.into_iter().collect() })
    }

    /// The sequence that is due from this producer.
    pub(super) fn next_sequence(&self, producer: &str) -> u64 {
        self.producers.get(producer).map_or(0, |window| window.next)
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
