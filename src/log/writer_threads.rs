//! The writer's threads: one commits, one seals, one watches the open files.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use super::append_request::{Ack, Append, Reply, stopped};
use super::checksummed_file::{FORMAT_FINGERPRINTS, FORMAT_RETRACTIONS};
use super::commit::{GroupOutcome, LogHead, Request, poisoned};
use super::frame_file::FrameFile;
use super::row_chunk::SealedEpoch;
use super::sealer::Sealer;
use super::writer::WriterShared;
use super::writer_files::OpenFiles;
use diptych_base::error::{Error, Result};
use diptych_base::limits;
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;

/// A complete frame file, if there is one, and the callers that wait for its sealing.
struct Job {
    frames: Option<FrameFile>,
    replies: Vec<Sender<Result<Epoch>>>,
}

/// The way that rotated frame files are sealed.
enum Sealing {
    Background(Sender<Job>),
    Inline(Box<Sealer>),
}

/// Cleans up at the end of a thread: drops its followers, and fails the queue after a panic.
struct Exit(Arc<WriterShared>);

impl Drop for Exit {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(&stopped());
        }
        self.0.live().close();
    }
}

pub(super) fn start(
    shared: &Arc<WriterShared>,
    head: LogHead,
    mut sealer: Sealer,
    rotate_bytes: u64,
    background: bool,
) -> Result<Vec<JoinHandle<()>>> {
    let mut threads = Vec::new();
    // The watching thread ends when the commit thread ends.
    let (commits, committing) = bounded(0);
    let sealing = if background {
        let watched = Arc::clone(shared);
        let open = Arc::clone(&head.open);
        threads.push(spawn("log-watch", move || watch_loop(&watched, &open, &committing))?);
        let (jobs, inbox) = unbounded();
        // Files that recovery found complete are sealed first.
        let _ = jobs.send(Job { frames: None, replies: Vec::new() });
        let shared = Arc::clone(shared);
        threads.push(spawn("log-seal", move || seal_loop(&shared, sealer, &inbox))?);
        Sealing::Background(jobs)
    } else {
        match sealer.run() {
            Err(error) if !waits(&error) => return Err(error),
            _ => Sealing::Inline(Box::new(sealer)),
        }
    };
    let shared = Arc::clone(shared);
    let commit = move || {
        let exit = Exit(Arc::clone(&shared));
        if let Err(error) = commit_loop(&shared, head, sealing, rotate_bytes) {
            shared.fail(&error);
        }
        drop((exit, commits));
    };
    // The commit thread is joined first: the sealer ends after it.
    threads.insert(0, spawn("log-commit", commit)?);
    Ok(threads)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(body);
    thread.map_err(|e| Error::io(format!("start the thread {name}"), e))
}

fn commit_loop(
    shared: &WriterShared,
    mut head: LogHead,
    mut sealing: Sealing,
    rotate_bytes: u64,
) -> Result<()> {
    loop {
        let (group, replies, closing) = next_group(shared);
        let idle = group.is_empty() && replies.is_empty();
        *shared.committing() = (!idle).then(Instant::now);
        if group.iter().any(|request| !request.taken.is_empty()) {
            expect_corrections(shared, &mut head, &mut sealing)?;
        }
        if group.iter().any(|request| request.fingerprint.is_some()) {
            expect_fingerprints(shared, &mut head, &mut sealing)?;
        }
        if !group.is_empty() {
            match head.commit(group) {
                GroupOutcome::Sealed(sealed, acks) => publish(shared, &sealed, acks),
                GroupOutcome::Nothing | GroupOutcome::Refused => {}
                GroupOutcome::Poisoned(error) => return Err(error),
            }
        }
        let full = head.frame_bytes() >= rotate_bytes || head.silenced_many();
        if !replies.is_empty() || full {
            let frames = match head.frame_bytes() {
                0 => Ok(None),
                _ => head.rotate(),
            };
            let frames = match frames {
                Ok(frames) => frames,
                Err(error) => {
                    let error = poisoned(&error);
                    answer(replies, || Err(error.clone()));
                    return Err(error);
                }
            };
            sealing.take(shared, Job { frames, replies });
        } else if head.waits_for_seal() {
            // A full disk may have room again.
            sealing.take(shared, Job { frames: None, replies: Vec::new() });
        }
        *shared.committing() = None;
        if shared.queue().failed.is_some() {
            return Ok(());
        }
        if closing && idle {
            return head.sync_mark().map_err(|error| poisoned(&error));
        }
    }
}

/// Makes the first retractions begin a frame file, because they need a format that knows them. (On
/// a full disk there is none, and they are refused.)
fn expect_corrections(
    shared: &WriterShared,
    head: &mut LogHead,
    sealing: &mut Sealing,
) -> Result<()> {
    if head.file.version >= FORMAT_RETRACTIONS {
        return Ok(());
    }
    head.version = FORMAT_FINGERPRINTS;
    if head.frame_bytes() == 0 {
        // A frame file is named by its first epoch, so the current one first gets an empty epoch.
        let append = Append::default();
        let reply = Reply::new(drop);
        let tick = Request { append, taken: Vec::new(), size: 0, fingerprint: None, reply };
        match head.commit(vec![tick]) {
            GroupOutcome::Sealed(sealed, acks) => publish(shared, &sealed, acks),
            GroupOutcome::Nothing | GroupOutcome::Refused => return Ok(()),
            GroupOutcome::Poisoned(error) => return Err(error),
        }
    }
    let frames = head.rotate().map_err(|error| poisoned(&error))?;
    if frames.is_some() {
        sealing.take(shared, Job { frames, replies: Vec::new() });
    }
    Ok(())
}

/// Makes fingerprints begin a frame file of a format that knows them. A file of an earlier release
/// is closed, unless it is empty: then the first requests have no fingerprint. (The same on a full
/// disk.)
fn expect_fingerprints(
    shared: &WriterShared,
    head: &mut LogHead,
    sealing: &mut Sealing,
) -> Result<()> {
    if head.file.version >= FORMAT_FINGERPRINTS || head.frame_bytes() == 0 {
        return Ok(());
    }
    head.version = FORMAT_FINGERPRINTS;
    let frames = head.rotate().map_err(|error| poisoned(&error))?;
    if frames.is_some() {
        sealing.take(shared, Job { frames, replies: Vec::new() });
    }
    Ok(())
}

/// Waits for requests and takes as many as fit one epoch. `closing` is true when no more come.
fn next_group(shared: &WriterShared) -> (Vec<Request>, Vec<Sender<Result<Epoch>>>, bool) {
    let mut queue = shared.queue();
    while queue.requests.is_empty() && queue.seals.is_empty() && !queue.closing {
        queue = shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    if !shared.linger.is_zero() && !queue.closing && !queue.requests.is_empty() {
        drop(queue);
        std::thread::sleep(shared.linger);
        queue = shared.queue();
    }
    let mut group = Vec::new();
    let mut bytes = 0;
    while let Some(request) = queue.requests.front() {
        if !group.is_empty() && bytes + request.size > limits::EPOCH_BYTES_MAX {
            break;
        }
        bytes += request.size;
        group.extend(queue.requests.pop_front());
    }
    queue.bytes = queue.bytes.saturating_sub(bytes);
    // A seal covers all earlier appends, so it waits until the queue is empty.
    let replies =
        if queue.requests.is_empty() { std::mem::take(&mut queue.seals) } else { Vec::new() };
    let closing = queue.closing && queue.requests.is_empty();
    drop(queue);
    shared.room.notify_all();
    (group, replies, closing)
}

/// Publishes a durable epoch: to followers and to the callers of its requests.
fn publish(shared: &WriterShared, sealed: &Arc<SealedEpoch>, acks: Vec<(Reply, Ack)>) {
    let bytes = sealed.bytes();
    let mut live = shared.live();
    live.ledger.note(sealed.epoch, bytes);
    live.upper = sealed.epoch + 1;
    drop(live);
    for (reply, ack) in acks {
        reply.send(Ok(ack));
    }
    shared.live().followers.retain(|follower| follower.offer(sealed, bytes));
}

impl Sealing {
    fn take(&mut self, shared: &WriterShared, job: Job) {
        match self {
            Sealing::Inline(sealer) => work(shared, sealer, job),
            Sealing::Background(jobs) => {
                // Sending fails only after the sealer has failed the queue, which refuses the
                // replies.
                let _ = jobs.send(job);
            }
        }
    }
}

fn seal_loop(shared: &Arc<WriterShared>, mut sealer: Sealer, inbox: &Receiver<Job>) {
    let _exit = Exit(Arc::clone(shared));
    for job in inbox {
        work(shared, &mut sealer, job);
        if shared.queue().failed.is_some() {
            break;
        }
    }
}

/// Whether sealing may be tried again after this error without loss.
fn waits(error: &Error) -> bool {
    error.is_full() || error.is_passing()
}

/// Checks until the commit thread ends that the open files are still the ones in the directory. One
/// check is no proof: a directory may be moved and put back.
fn watch_loop(shared: &WriterShared, open: &Mutex<OpenFiles>, committing: &Receiver<()>) {
    let mut lost_before = false;
    while committing.recv_timeout(limits::OPEN_FILES_LOOK) == Err(RecvTimeoutError::Timeout) {
        let mut open = lock(open);
        let lost = open.seem_lost();
        if lost
            && lost_before
            && let Err(error) = open.check()
        {
            drop(open);
            return shared.fail(&poisoned(&error));
        }
        lost_before = lost;
    }
}

/// Seals the waiting files. On a full disk they wait for the next job.
fn work(shared: &WriterShared, sealer: &mut Sealer, job: Job) {
    sealer.waiting.extend(job.frames);
    match sealer.run() {
        Ok(upper) => answer(job.replies, || Ok(upper)),
        Err(error) if waits(&error) => answer(job.replies, || Err(error.clone())),
        Err(error) => {
            let error = poisoned(&error);
            shared.fail(&error);
            answer(job.replies, || Err(error.clone()));
        }
    }
}

fn answer(replies: Vec<Sender<Result<Epoch>>>, what: impl Fn() -> Result<Epoch>) {
    for reply in replies {
        let _ = reply.send(what());
    }
}
