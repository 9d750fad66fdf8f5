//! The producer table: the sequences and epochs of producers' appends, and source offsets.
//!
//! The table is a function of the frames: every frame records which sequence it carries and from
//! which one on repeats are still answered. A build with another window replays to the same table.
//! The table is bounded in bytes: frames also name the producers silent longest, of which less is
//! kept from then on (`producer_table/eviction.rs`, `silent_producers/`).

mod eviction;
mod producer_list;
mod spill_silent_producers;
mod table_codec;

use std::collections::{BTreeMap, HashMap, VecDeque};

pub(super) use eviction::Room;
pub use producer_list::{ProducerInfo, Producers};

use super::append_request::Producer;
use super::frame::Header;
use super::producer_mark::{ProducerMark, Remembered};
use super::request_fingerprint::Fingerprint;
use super::silent_producers::Silent;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits;
use diptych_base::time::Epoch;

/// A producer's last appends; never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Window {
    /// The next sequence that is due.
    next: u64,
    /// The sequences `next - len .. next`.
    appends: VecDeque<Remembered>,
}

impl Window {
    fn kept_from(&self) -> u64 {
        self.next - self.appends.len() as u64
    }

    fn get(&self, sequence: u64) -> Option<Remembered> {
        let place = sequence.checked_sub(self.kept_from())?;
        self.appends.get(usize::try_from(place).ok()?).copied()
    }

    /// Forgets the appends before `kept_from`; returns their number.
    fn keep_from(&mut self, kept_from: u64) -> usize {
        let gone = kept_from.saturating_sub(self.kept_from()) as usize;
        let gone = gone.min(self.appends.len().saturating_sub(1));
        self.appends.drain(..gone);
        gone
    }
}

/// The table's decision on an append request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestVerdict {
    /// The request is due.
    Due,
    /// The request was appended with this epoch; `None` when that is the epoch being gathered now.
    Repeat(Option<Epoch>),
}

/// Producers and offsets as of some frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ProducerTable {
    producers: HashMap<String, Window>,
    /// Bytes of the producers' names.
    name_bytes: usize,
    silent: Silent,
    /// Appends in all windows.
    remembered: usize,
    pub(super) offsets: BTreeMap<String, String>,
    /// Bytes of the offsets and the names of their sources.
    offset_bytes: usize,
}

/// The fingerprints of the requests gathered so far for the next epoch, by producer, in order.
pub(super) type GatheredRequests = HashMap<String, Vec<Option<Fingerprint>>>;

impl ProducerTable {
    /// Decides on a request, given the table and the requests gathered for the next epoch. The
    /// record of its producer in files is in memory from then on, until the next frame is applied
    /// or [`ProducerTable::forget_recalled`].
    ///
    /// # Errors
    /// A gap, another request than the first of this number, a sequence that is no longer
    /// remembered, or too many producers; damage of a file of silent producers.
    pub(super) fn decide(
        &mut self,
        gathered: &mut GatheredRequests,
        producer: &Producer,
        fingerprint: Option<Fingerprint>,
    ) -> Result<RequestVerdict> {
        let Producer { id, sequence } = producer;
        self.recall(id)?;
        let window = self.producers.get(id);
        let left = if window.is_none() { self.silent.get(id) } else { None };
        let left_next = left.map_or(0, |left| left.next);
        let sealed_next = window.map_or(left_next, |window| window.next);
        let next = sealed_next + gathered.get(id).map_or(0, |all| all.len() as u64);
        if *sequence > next {
            let message = format!("producer {id:?} sent sequence {sequence}, {next} is due");
            return Err(Error::new(Kind::Conflict, message)
                .remedy("send the missing requests first, in order"));
        }
        if *sequence < sealed_next {
            let first = match (window, left) {
                (Some(window), _) => window.get(*sequence),
                (None, left) => left.filter(|left| *sequence + 1 == left.next).map(|l| l.last),
            };
            let Some(first) = first else {
                let kept = window.map_or(left_next.saturating_sub(1), Window::kept_from);
                let message = format!(
                    "producer {id:?} repeats sequence {sequence}, only {kept} and later are \
                     remembered"
                );
                return Err(Error::new(Kind::Conflict, message)
                    .remedy("it was appended long ago: do not send it again"));
            };
            check_same(producer, first.fingerprint, fingerprint)?;
            return Ok(RequestVerdict::Repeat(Some(first.epoch)));
        }
        if *sequence < next {
            let all = gathered.get(id).map_or(&[][..], Vec::as_slice);
            let first = all.get((*sequence - sealed_next) as usize).copied().flatten();
            check_same(producer, first, fingerprint)?;
            return Ok(RequestVerdict::Repeat(None));
        }
        if window.is_none() && !gathered.contains_key(id) {
            self.admit(left.is_none(), gathered.len())?;
        }
        gathered.entry(id.clone()).or_default().push(fingerprint);
        Ok(RequestVerdict::Due)
    }

    /// The mark to record for a request that is due.
    pub(super) fn mark(
        &self,
        producer: &Producer,
        fingerprint: Option<Fingerprint>,
    ) -> ProducerMark {
        let window = limits::PRODUCER_WINDOW as u64;
        let known = self.producers.get(&producer.id);
        let silent = || self.silent.get(&producer.id).map_or(0, |left| left.next - 1);
        let kept = known.map_or_else(silent, Window::kept_from);
        let kept_from = kept.max((producer.sequence + 1).saturating_sub(window));
        let Producer { id, sequence } = producer.clone();
        ProducerMark { id, sequence, kept_from, fingerprint }
    }

    /// Checks that these offsets fit the table.
    pub(super) fn check_offsets(&self, offsets: &[(String, String)]) -> Result<()> {
        let new = offsets.iter().filter(|(source, _)| !self.offsets.contains_key(source)).count();
        let bytes: usize = offsets.iter().map(|(source, offset)| source.len() + offset.len()).sum();
        if self.offset_bytes + bytes > limits::OFFSETS_BYTES_MAX && new > 0 {
            let most = limits::OFFSETS_BYTES_MAX;
            let message = format!("the offsets of the log's sources have {most} bytes");
            return Err(Error::new(Kind::Conflict, message)
                .remedy("use the source names that exist, or shorter ones"));
        }
        if self.offsets.len() + new <= limits::SOURCES_MAX {
            return Ok(());
        }
        let message = format!("the log keeps the offsets of {} sources", limits::SOURCES_MAX);
        Err(Error::new(Kind::Conflict, message).remedy("use the source names that exist"))
    }

    /// Applies the records of the frame of `epoch`.
    ///
    /// # Errors
    /// A contradiction to the table; the frame is damaged then, or one before it is missing.
    pub(super) fn apply(&mut self, epoch: Epoch, header: &Header) -> Result<(), String> {
        for one in &header.trimmed {
            self.silence(one)?;
        }
        for mark in &header.producers {
            self.wake(&mark.id);
            let Some(window) = self.producers.get_mut(&mark.id) else { continue };
            if window.next != mark.sequence {
                let due = window.next;
                let id = &mark.id;
                return Err(format!("sequence {} of {id:?} where {due} is due", mark.sequence));
            }
            window.next += 1;
            let fingerprint = mark.fingerprint;
            window.appends.push_back(Remembered { epoch, fingerprint });
            self.remembered += 1;
            self.remembered -= window.keep_from(mark.kept_from);
        }
        self.forget_recalled();
        for (source, offset) in &header.offsets {
            self.offset_bytes += source.len() + offset.len();
            if let Some(before) = self.offsets.insert(source.clone(), offset.clone()) {
                self.offset_bytes -= source.len() + before.len();
            }
        }
        Ok(())
    }

    /// Applies the records of the frame of `epoch` during a replay: its producers that are not in
    /// memory are looked up in the files.
    ///
    /// # Errors
    /// As [`ProducerTable::apply`], wrapped by `damage`; damage of a file of silent producers.
    pub(super) fn replay(
        &mut self,
        epoch: Epoch,
        header: &Header,
        damage: impl Fn(String) -> Error,
    ) -> Result<()> {
        // The first request of a producer needs no look-up: it was new.
        let later = header.producers.iter().filter(|mark| mark.sequence > 0).map(|mark| &mark.id);
        for id in later.chain(header.trimmed.iter().map(|one| &one.id)) {
            self.recall(id)?;
        }
        self.apply(epoch, header).map_err(damage)
    }

    /// The next sequence that is due from this producer.
    ///
    /// # Errors
    /// Damage of a file of silent producers; the disk's error.
    pub(super) fn next_sequence(&mut self, producer: &str) -> Result<u64> {
        self.recall(producer)?;
        let silent = || self.silent.get(producer).map_or(0, |left| left.next);
        let next = self.producers.get(producer).map_or_else(silent, |window| window.next);
        self.forget_recalled();
        Ok(next)
    }
}

/// Refuses another request under a used number. A number without a known fingerprint passes.
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
mod replay_tests;
#[cfg(test)]
#[path = "producer_table_tests.rs"]
mod tests;
