//! Group commit: all waiting requests become one epoch, one write, one sync.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;

use super::append_request::{Ack, Append, Reply};
use super::checksummed_file::{FORMAT, FORMAT_FINGERPRINTS};
use super::durable_mark::Mark;
use super::event_position::{Position, Retracted};
use super::frame::{Header, encode_frame};
use super::frame_file::{FILE_HEAD, FrameFile};
use super::layout::Dir;
use super::producer_table::{GatheredRequests, ProducerTable, RequestVerdict, Room};
use super::request_fingerprint::Fingerprint;
use super::retraction::{Corrections, RetractedEvents};
use super::row_chunk::{Chunk, Epochs, SealedEpoch};
use super::schemas::Schemas;
use super::writer_files::OpenFiles;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Clock, Random};
use diptych_base::limits;
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;

/// An append request and the receiver of its answer, which may be gone.
pub(super) struct Request {
    pub(super) append: Append,
    /// The retracted events.
    pub(super) taken: Vec<RetractedEvents>,
    pub(super) size: usize,
    /// The fingerprint, for a request with a producer.
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) reply: Reply,
}

/// The outcome of a group.
pub(super) enum GroupOutcome {
    /// Nothing was due; no epoch was spent.
    Nothing,
    /// This epoch is durable, and these requests are to be acknowledged.
    Sealed(Arc<SealedEpoch>, Vec<(Reply, Ack)>),
    /// The group was refused (the disk is full, say); the log goes on.
    Refused,
    /// The log must not be written any more.
    Poisoned(Error),
}

/// The end of the log, where epochs are added.
pub(super) struct LogHead {
    pub(super) dir: Dir,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) schemas: Schemas,
    /// The producer table, shared with threads that ask for the next sequence.
    pub(super) state: Arc<Mutex<ProducerTable>>,
    /// How many producers may be known by name.
    pub(super) room: Room,
    /// The number of producers silenced in the newest file.
    pub(super) silenced: usize,
    pub(super) file: FrameFile,
    pub(super) end: u64,
    /// The next epoch.
    pub(super) upper: Epoch,
    /// The open files, shared with the thread that checks their names.
    pub(super) open: Arc<Mutex<OpenFiles>>,
    /// All events retracted so far.
    pub(super) retracted: Retracted,
    /// The format of the next frame file.
    pub(super) version: u32,
}

/// The requests of a group that make up its epoch.
#[derive(Default)]
struct Gathering {
    sequences: GatheredRequests,
    header: Header,
    batches: BTreeMap<u32, Vec<RecordBatch>>,
    taken: Vec<RetractedEvents>,
    /// The same retractions by event.
    retracted: Retracted,
}

impl LogHead {
    /// Commits the due requests of a group as one epoch. Answers all requests but those of a sealed
    /// epoch, which the caller acknowledges.
    pub(super) fn commit(&mut self, group: Vec<Request>) -> GroupOutcome {
        let schemas_before = self.schemas.len();
        let mut gathering = Gathering::default();
        gathering.header.clock_us = self.clock.now_us();
        let mut waiting = Vec::new();
        let table = Arc::clone(&self.state);
        let mut table = lock(&table);
        table.forget_recalled();
        for request in group {
            // A file of an earlier format has no place for fingerprints, and the table holds only
            // what files say.
            let fingerprint =
                request.fingerprint.filter(|_| self.file.version >= FORMAT_FINGERPRINTS);
            let Request { append, taken, reply, .. } = request;
            match self.gather(&mut table, &append, fingerprint, taken, &mut gathering) {
                Ok(RequestVerdict::Due) => waiting.push((reply, false)),
                Ok(RequestVerdict::Repeat(None)) => waiting.push((reply, true)),
                Ok(RequestVerdict::Repeat(Some(epoch))) => {
                    reply.send(Ok(Ack { epoch, repeated: true }));
                }
                Err(error) => {
                    reply.send(Err(error));
                }
            }
        }
        if waiting.is_empty() {
            self.schemas.truncate(schemas_before);
            return GroupOutcome::Nothing;
        }
        let epoch = self.upper;
        let Gathering { mut header, batches, taken: all, retracted, .. } = gathering;
        header.trimmed = table.make_room(&header.producers, self.room);
        header.schemas = self.schemas.stored(schemas_before);
        let written = self.merge(batches).and_then(|batches| {
            let FrameFile { version, salt, .. } = self.file;
            let frame = encode_frame(epoch, version, salt, &mut header, &batches, &all)?;
            // A write after the end of a file that was cut would leave a hole in it.
            self.open().check()?;
            self.file.file.write_at(self.end, &frame)?;
            Ok((batches, frame.len() as u64))
        });
        let (batches, len) = match written {
            Ok(written) => written,
            Err(error) => return self.refuse(error, waiting, schemas_before),
        };
        if let Err(error) = self.make_durable(epoch, len) {
            return poison(error, waiting);
        }
        if let Err(error) = table.apply(epoch, &header) {
            unreachable!("epoch {epoch} was decided with this table: {error}");
        }
        self.silenced += header.trimmed.len();
        self.retracted.extend(retracted);
        let ack = |(reply, repeated)| (reply, Ack { epoch, repeated });
        let acks = waiting.into_iter().map(ack).collect();
        let chunks = batches.into_iter().map(|(id, rows)| self.chunk(epoch, id, rows)).collect();
        let retractions = match (Corrections { epoch, all }).decode(&self.schemas) {
            Ok(retractions) => retractions,
            Err(error) => unreachable!("epoch {epoch} takes back what was read here: {error}"),
        };
        let sealed = SealedEpoch { epoch, clock_us: header.clock_us, chunks, retractions };
        GroupOutcome::Sealed(Arc::new(sealed), acks)
    }

    /// Decides on a request and, if it is due, adds it to the group.
    fn gather(
        &mut self,
        table: &mut ProducerTable,
        append: &Append,
        fingerprint: Option<Fingerprint>,
        taken: Vec<RetractedEvents>,
        gathering: &mut Gathering,
    ) -> Result<RequestVerdict> {
        let Gathering { sequences, header, batches, .. } = gathering;
        // All checks that can refuse the request come before the table is touched. A schema number
        // reserved for a request that is then refused just gets defined without being used.
        let numbered = append.batches.iter().filter(|(_, rows)| rows.num_rows() > 0);
        let numbered = numbered.map(|(stream, rows)| {
            Ok((self.schemas.number(stream, rows.schema_ref())?, rows.clone()))
        });
        let numbered = numbered.collect::<Result<Vec<_>>>()?;
        table.check_offsets(&append.offsets)?;
        self.check_taken(&taken, &gathering.retracted)?;
        if let Some(producer) = &append.producer {
            let verdict = table.decide(sequences, producer, fingerprint)?;
            if verdict != RequestVerdict::Due {
                return Ok(verdict);
            }
            let mut mark = table.mark(producer, fingerprint);
            // Later marks of a producer in one frame must not go back.
            let before = header.producers.iter().rev().find(|other| other.id == mark.id);
            mark.kept_from = mark.kept_from.max(before.map_or(0, |other| other.kept_from));
            header.producers.push(mark);
        }
        for (id, rows) in numbered {
            batches.entry(id).or_default().push(rows);
        }
        header.offsets.extend(append.offsets.iter().cloned());
        for one in &taken {
            let added = gathering.retracted.add(self.upper, one.schema, &one.positions);
            added.map_err(|e| Error::new(Kind::Conflict, e))?;
        }
        gathering.taken.extend(taken);
        Ok(RequestVerdict::Due)
    }

    /// Refuses a retraction of events that do not exist or are already retracted; `group` holds the
    /// retractions of other requests in the group.
    fn check_taken(&self, all: &[RetractedEvents], group: &Retracted) -> Result<()> {
        if self.file.version == FORMAT && !all.is_empty() {
            // There was no room for a file of the format that retractions need.
            return Err(Error::new(Kind::Full, "no frame file for retractions could be made")
                .remedy("free space on the log's disk, then try again"));
        }
        for taken in all {
            let stream = self.schemas.get(taken.schema).map_or("?", |known| &known.stream);
            for position in &taken.positions {
                let Position { epoch, place } = *position;
                let by = self.retracted.by(taken.schema, *position);
                let by = by.or_else(|| group.by(taken.schema, *position));
                if let Some(by) = by {
                    let message = format!(
                        "event {place} of stream {stream} in epoch {epoch} was retracted by epoch \
                         {by} already"
                    );
                    return Err(Error::new(Kind::Conflict, message)
                        .remedy("nothing was retracted: look for the events again"));
                }
                if epoch >= self.upper {
                    let message = format!("epoch {epoch} of stream {stream} is not sealed yet");
                    return Err(Error::new(Kind::Input, message)
                        .remedy("an event is retracted by a later epoch"));
                }
            }
        }
        Ok(())
    }

    /// Merges the batches of each schema into one.
    fn merge(&self, batches: BTreeMap<u32, Vec<RecordBatch>>) -> Result<Vec<(u32, RecordBatch)>> {
        let merge = |(id, mut rows): (u32, Vec<RecordBatch>)| {
            let rows = match (rows.len(), self.schemas.get(id)) {
                (1, _) => rows.swap_remove(0),
                (_, Some(known)) => concat_batches(&known.schema, &rows)
                    .map_err(|e| Error::new(Kind::Input, format!("{}: {e}", known.stream)))?,
                (_, None) => unreachable!("schema {id} of {} was just found", self.schemas.len()),
            };
            Ok((id, rows))
        };
        batches.into_iter().map(merge).collect()
    }

    fn chunk(&self, epoch: Epoch, id: u32, rows: RecordBatch) -> Chunk {
        let Some(known) = self.schemas.get(id) else {
            unreachable!("schema {id} of {} was just written", self.schemas.len());
        };
        Chunk { stream: known.stream.clone(), rows, epochs: Epochs::One(epoch) }
    }

    /// Syncs the frame of `len` bytes that was just written, then advances the mark.
    fn make_durable(&mut self, epoch: Epoch, len: u64) -> Result<()> {
        self.file.file.sync_data()?;
        self.end += len;
        self.upper = epoch + 1;
        let mark = Mark { upper: self.upper, file: self.file.first, offset: self.end };
        // Readers do not see a file in another directory or under another name than ours.
        self.open().advance(mark)
    }

    fn open(&self) -> MutexGuard<'_, OpenFiles> {
        lock(&self.open)
    }

    /// Makes the mark durable.
    pub(super) fn sync_mark(&self) -> Result<()> {
        self.open().sync_mark()
    }

    /// Refuses a group whose frame could not be written: the written part is cut off again.
    fn refuse(
        &mut self,
        error: Error,
        waiting: Vec<(Reply, bool)>,
        schemas_before: usize,
    ) -> GroupOutcome {
        self.schemas.truncate(schemas_before);
        if error.is_conflict() || error.is_damaged() {
            // The files are not as this writer left them, so it does not touch them.
            return poison(error, waiting);
        }
        if let Err(worse) = self.file.file.truncate(self.end) {
            return poison(worse, waiting);
        }
        if !matches!(error.kind(), Kind::Full | Kind::Input) {
            return poison(error, waiting);
        }
        for (reply, _) in waiting {
            reply.send(Err(error.clone()));
        }
        GroupOutcome::Refused
    }

    /// Bytes of frames in the newest file.
    pub(super) fn frame_bytes(&self) -> u64 {
        self.end - FILE_HEAD
    }

    /// Whether the newest file has silenced enough producers to be sealed.
    pub(super) fn silenced_many(&self) -> bool {
        self.silenced >= limits::SILENCED_PER_SEGMENT
    }

    /// Whether producers are refused until a segment is sealed.
    pub(super) fn waits_for_seal(&self) -> bool {
        lock(&self.state).waits_for_seal()
    }

    /// Starts a new frame file and returns the complete one; `None` if there is no room for one on
    /// the disk, or among the open files, and the old file goes on.
    pub(super) fn rotate(&mut self) -> Result<Option<FrameFile>> {
        let next = match FrameFile::create(&self.dir, self.upper, self.version, self.random.next())
        {
            Ok(next) => next,
            Err(Ok(error)) if error.is_full() || error.is_passing() => return Ok(None),
            Err(Ok(error) | Err(error)) => return Err(error),
        };
        (self.end, self.silenced) = (FILE_HEAD, 0);
        let mark = Mark { upper: self.upper, file: next.first, offset: self.end };
        let complete = std::mem::replace(&mut self.file, next.clone());
        self.open().rotate(next, mark)?;
        Ok(Some(complete))
    }
}

fn poison(error: Error, waiting: Vec<(Reply, bool)>) -> GroupOutcome {
    let error = poisoned(&error);
    for (reply, _) in waiting {
        reply.send(Err(error.clone()));
    }
    GroupOutcome::Poisoned(error)
}

/// The error for all callers after a failure that leaves the disk's content unknown.
pub(super) fn poisoned(error: &Error) -> Error {
    if error.is_conflict() {
        let message = format!("the log has stopped, it is not this process's any more: {error}");
        return Error::new(Kind::Stopped, message);
    }
    if error.is_damaged() {
        let message = format!("the log has stopped, its files are not what was written: {error}");
        return Error::new(Kind::Stopped, message)
            .remedy("restart: recovery finds out what is there");
    }
    let message = format!("the log has stopped, its disk failed: {error}");
    Error::new(Kind::Stopped, message)
        .remedy("check the disk, then restart: recovery finds out what is durable")
}
