//! The writer: the one process that appends, with its queue and threads.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Sender, bounded};

use super::append_request::{Ack, Append, Pending, Reply, check_text, stopped};
use super::backlog::{Backlog, Ledger};
use super::commit::{LogHead, Request};
use super::find_events_to_retract::FoundEvents;
use super::follower::{Follower, Line};
use super::layout::Dir;
use super::producer_table::{ProducerTable, Room};
use super::recovery::{Purpose, Recovered, recover};
use super::request_fingerprint::{Fingerprint, fingerprint};
use super::retraction::RetractedEvents;
use super::sealer::Sealer;
use super::writer_branches;
use super::writer_files::OpenFiles;
use super::writer_threads;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Clock, Disk, Random, RealRandom};
use diptych_base::limits;
use diptych_base::lock_mutex::lock;
use diptych_base::time::{Branches, Epoch};

/// The options of a writer. The defaults suit a server.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// How long an append waits for further appends before the sync starts, at most 10 ms. With
    /// zero, the default, an epoch has the appends that arrived during the previous sync.
    pub linger: Duration,
    /// Bytes of the appends that wait for the disk; further callers of
    /// [`append`](Writer::append) wait for room.
    pub queue_bytes: usize,
    /// Bytes of frames after which a segment is sealed.
    pub rotate_bytes: u64,
    /// How many producers are known by their ids, at most [`limits::PRODUCERS_MAX`]. Of those
    /// silent longest beyond it a digest is left: they go on exactly once, and of their repeats the
    /// last is answered.
    pub named_producers: usize,
    /// Whether to seal on a thread of its own; `false` seals between two epochs, which makes the
    /// order of disk calls repeatable.
    pub background: bool,
    /// The source of the salt of frame files.
    pub random: Arc<dyn Random>,
}

impl Default for WriterOptions {
    fn default() -> Self {
        WriterOptions {
            linger: Duration::ZERO,
            queue_bytes: limits::QUEUE_BYTES_MAX,
            rotate_bytes: limits::FRAME_FILE_BYTES,
            named_producers: limits::PRODUCERS_MAX,
            background: true,
            random: Arc::new(RealRandom),
        }
    }
}

/// Appends to a log, and holds its lock. All methods may be called from many threads.
///
/// Dropping it does the same as [`close`](Writer::close), without reporting errors.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<WriterShared>,
    /// The identity of the log.
    identity: u64,
    branches: Branches,
    /// The threads, which hold the lock.
    threads: Vec<JoinHandle<()>>,
}

/// The state that the writer and its threads share.
#[derive(Debug)]
pub(super) struct WriterShared {
    pub(super) queue: Mutex<CommitQueue>,
    /// Signals that something was put into the queue.
    pub(super) work: Condvar,
    /// Signals that something was taken out of the queue.
    pub(super) room: Condvar,
    pub(super) live: Mutex<DurableEnd>,
    pub(super) state: Arc<Mutex<ProducerTable>>,
    pub(super) linger: Duration,
    queue_bytes: usize,
    /// When the commit of the current group (with its acknowledgements) began.
    pub(super) committing: Mutex<Option<Instant>>,
}

/// The requests that wait for the commit thread.
#[derive(Debug, Default)]
pub(super) struct CommitQueue {
    pub(super) requests: VecDeque<Request>,
    pub bytes: usize,
    /// The callers that asked for a segment to be sealed.
    pub(super) seals: Vec<Sender<Result<Epoch>>>,
    pub(super) closing: bool,
    /// The reason why nothing is accepted any more.
    pub(super) failed: Option<Error>,
}

/// The durable frontier and its followers.
#[derive(Debug)]
pub(super) struct DurableEnd {
    pub(super) upper: Epoch,
    pub(super) followers: Vec<Arc<Line>>,
    pub(super) ledger: Ledger,
    /// No more epochs become durable.
    pub(super) closed: bool,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({} bytes)", self.size)
    }
}

impl WriterShared {
    pub(super) fn queue(&self) -> MutexGuard<'_, CommitQueue> {
        lock(&self.queue)
    }

    pub(super) fn live(&self) -> MutexGuard<'_, DurableEnd> {
        lock(&self.live)
    }

    pub(super) fn committing(&self) -> MutexGuard<'_, Option<Instant>> {
        lock(&self.committing)
    }

    fn state(&self) -> MutexGuard<'_, ProducerTable> {
        lock(&self.state)
    }

    /// Refuses all waiting and future requests. The first reason stays.
    pub(super) fn fail(&self, error: &Error) {
        let mut queue = self.queue();
        let failed = queue.failed.get_or_insert_with(|| error.clone());
        let reason = failed.clone();
        let refused: Vec<Request> = queue.requests.drain(..).collect();
        for seal in queue.seals.drain(..) {
            let _ = seal.send(Err(reason.clone()));
        }
        queue.bytes = 0;
        drop(queue);
        for request in refused {
            request.reply.send(Err(reason.clone()));
        }
        self.room.notify_all();
        self.work.notify_all();
        self.live().close();
    }
}

impl DurableEnd {
    /// Closes all followers: no more epochs come.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.followers.drain(..).for_each(|line| line.close());
    }
}

impl Writer {
    /// Opens the log in `dir` for writing, and creates it if there is none. After a crash it
    /// recovers: acknowledged epochs are all there, a torn tail is cut.
    ///
    /// # Errors
    /// A conflict if another writer holds the lock; damage, with file and offset, where the log is
    /// not what was written; a newer format; the disk's error.
    pub fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        dir: impl AsRef<Path>,
        options: WriterOptions,
    ) -> Result<Writer> {
        if options.linger > Duration::from_millis(limits::LINGER_MS_MAX) {
            let message = format!("a linger of {:?} is over the limit", options.linger);
            let remedy = format!("linger at most {} ms", limits::LINGER_MS_MAX);
            return Err(Error::new(Kind::Input, message).remedy(remedy));
        }
        let dir = Dir::new(disk, dir.as_ref());
        dir.disk.create_dir(&dir.path)?;
        let dir = dir.locked()?;
        let recovered = recover(&dir, options.random.as_ref(), Purpose::Append)?;
        let Recovered { manifest, sealed_schemas, sealed_state, rotated, upper, .. } = recovered;
        let identity = manifest.identity;
        let version = recovered.open.version;
        let branches = Branches::default();
        branches.set(writer_branches::known(&manifest));
        let state = Arc::new(Mutex::new(recovered.state));
        let shared = Arc::new(WriterShared {
            queue: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
            live: Mutex::new(DurableEnd {
                upper,
                followers: Vec::new(),
                ledger: Ledger::new(),
                closed: false,
            }),
            state: Arc::clone(&state),
            linger: options.linger,
            queue_bytes: options.queue_bytes,
            committing: Mutex::default(),
        });
        let sealer = Sealer {
            live: Some(Arc::clone(&state)),
            dir: dir.clone(),
            manifest,
            schemas: sealed_schemas,
            state: sealed_state,
            waiting: rotated.into(),
        };
        let frames = recovered.open;
        let end = recovered.end;
        let open = OpenFiles::new(dir.clone(), frames.clone(), end, recovered.mark);
        let head = LogHead {
            dir,
            clock,
            random: options.random,
            schemas: recovered.schemas,
            state,
            room: Room::of(options.named_producers),
            silenced: 0,
            file: frames,
            end,
            upper,
            open: Arc::new(Mutex::new(open)),
            retracted: recovered.retracted,
            version,
        };
        let rotate = options.rotate_bytes;
        let threads = writer_threads::start(&shared, head, sealer, rotate, options.background)?;
        Ok(Writer { shared, identity, branches, threads })
    }

    /// Queues an append. Waits while the queue is full; the answer comes from
    /// [`Pending::wait`].
    ///
    /// Wrong input (a name, a column type, the size), or the writer has stopped.
    pub fn append(&self, append: Append) -> Result<Pending> {
        let size = append.check()?;
        self.queue(append, Vec::new(), size)
    }

    /// Retracts events: the answered epoch names them, carries a copy of them, and gives the
    /// reason. From it on they do not count; the content as of earlier epochs stays. `instead` is
    /// appended in the same epoch.
    ///
    /// # Errors
    /// Nothing was found; it was found in another log; an empty or too long reason; as
    /// [`append`](Writer::append). The answer is an error when an event was retracted meanwhile.
    pub fn retract(&self, found: &FoundEvents, reason: &str, instead: Append) -> Result<Pending> {
        if found.is_empty() {
            return Err(Error::new(Kind::Missing, "there is nothing to retract")
                .remedy("choose events that are there"));
        }
        if found.identity != self.identity {
            return Err(Error::new(Kind::Conflict, "the events were found in another log")
                .remedy("look for them in the log that is to be corrected"));
        }
        check_text("reason", reason)?;
        let size = instead.check()? + found.bytes() + reason.len();
        self.queue(instead, found.taken(reason)?, size)
    }

    fn queue(&self, append: Append, taken: Vec<RetractedEvents>, size: usize) -> Result<Pending> {
        let fingerprint = fingerprint_of(&append, &taken)?;
        let (sender, answer) = bounded(1);
        let mut queue = self.shared.queue();
        while self.is_full(&queue, size) {
            queue = self.shared.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        // The caller may be gone.
        let reply = Reply::new(move |ack| drop(sender.send(ack)));
        self.enqueue(queue, Request { append, taken, size, fingerprint, reply })?;
        Ok(Pending(answer))
    }

    /// Queues an append, unless the queue is full, and never waits: `then` is called with the
    /// answer, by the commit thread, which it must not block. Returns the append when the queue is
    /// full.
    ///
    /// # Errors
    /// As [`append`](Writer::append); `then` may be called with the same error, too.
    pub fn offer(
        &self,
        append: Append,
        then: impl FnOnce(Result<Ack>) + Send + 'static,
    ) -> Result<Option<Append>> {
        let size = append.check()?;
        let fingerprint = fingerprint_of(&append, &[])?;
        let queue = self.shared.queue();
        if self.is_full(&queue, size) {
            return Ok(Some(append));
        }
        let taken = Vec::new();
        let reply = Reply::new(then);
        let request = Request { append, taken, size, fingerprint, reply };
        self.enqueue(queue, request)?;
        Ok(None)
    }

    /// Whether a request of `size` bytes must wait. A request larger than the queue goes when
    /// nothing else waits.
    fn is_full(&self, queue: &CommitQueue, size: usize) -> bool {
        queue.failed.is_none() && queue.bytes > 0 && queue.bytes + size > self.shared.queue_bytes
    }

    fn enqueue(&self, mut queue: MutexGuard<'_, CommitQueue>, request: Request) -> Result<()> {
        if let Some(error) = &queue.failed {
            return Err(error.clone());
        }
        if queue.closing {
            return Err(stopped());
        }
        queue.bytes += request.size;
        queue.requests.push_back(request);
        drop(queue);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Seals an empty epoch (or one with other waiting requests), so that time goes on; returns it.
    ///
    /// # Errors
    /// As for any append.
    pub fn tick(&self) -> Result<Epoch> {
        Ok(self.append(Append::default())?.wait()?.epoch)
    }

    /// The first epoch that is not durable yet.
    pub fn upper(&self) -> Epoch {
        self.shared.live().upper
    }

    /// The reason why nothing is appended any more, until the process is started again; none while
    /// the writer goes on.
    pub fn failure(&self) -> Option<Error> {
        self.shared.queue().failed.clone()
    }

    /// How long the current appends have been in flight, when the disk does not answer; none when
    /// there are none.
    pub fn stands_for(&self) -> Option<Duration> {
        self.shared.committing().map(|since| since.elapsed())
    }

    /// The branches of the log; from its end on it is this writer's.
    pub fn branches(&self) -> &Branches {
        &self.branches
    }

    /// Makes a follower that gets each epoch right after its sync. It has to
    /// [join](Follower::join).
    ///
    /// Appends never wait for followers: one that falls too far behind is dropped and reads the
    /// log, for which there is a [`Reader`](super::Reader). A closing writer leaves waiting epochs
    /// in the queue.
    pub fn follow(&self) -> Follower {
        Follower::of(&self.shared)
    }

    /// The durable data at or above `frontier`.
    pub fn backlog(&self, frontier: Epoch) -> Backlog {
        let live = self.shared.live();
        live.ledger.behind(frontier, live.upper)
    }

    /// Seals all durable epochs into segments, for other Arrow readers to open; returns where they
    /// end. Waits until it is done.
    ///
    /// # Errors
    /// The disk is full (nothing is lost, try again later), or the writer has stopped.
    pub fn seal(&self) -> Result<Epoch> {
        let (reply, answer) = bounded(1);
        let mut queue = self.shared.queue();
        if let Some(error) = &queue.failed {
            return Err(error.clone());
        }
        queue.seals.push(reply);
        drop(queue);
        self.shared.work.notify_one();
        answer.recv().unwrap_or_else(|_| Err(stopped()))
    }

    /// The last offset of every source, as committed with the events.
    pub fn offsets(&self) -> BTreeMap<String, String> {
        self.shared.state().offsets.clone()
    }

    /// The last offset of one source.
    pub fn offset(&self, source: &str) -> Option<String> {
        self.shared.state().offsets.get(source).cloned()
    }

    /// The next sequence number that is due from this producer; 0 if it never appended.
    ///
    /// # Errors
    /// When the producer has been silent for long, and the file that may have it is damaged; the
    /// disk's error.
    pub fn next_sequence(&self, producer: &str) -> Result<u64> {
        self.shared.state().next_sequence(producer)
    }

    /// Appends the waiting requests, syncs, and releases the lock.
    ///
    /// # Errors
    /// The reason why the writer had stopped, if it had.
    pub fn close(mut self) -> Result<()> {
        self.stop();
        let failed = self.shared.queue().failed.take();
        failed.map_or(Ok(()), Err)
    }

    fn stop(&mut self) {
        self.shared.queue().closing = true;
        self.shared.work.notify_all();
        self.shared.room.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has reported it and has failed the queue.
            let _ = thread.join();
        }
    }
}

/// The fingerprint of a request with a producer; other requests need none.
fn fingerprint_of(append: &Append, taken: &[RetractedEvents]) -> Result<Option<Fingerprint>> {
    append.producer.as_ref().map(|_| fingerprint(append, taken)).transpose()
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}
