//! Followers get each epoch as soon as it is durable, through a bounded queue.
//!
//! The log waits for no follower. A follower whose queue is full is dropped, queue and all: it has
//! to read the log, and joins again when it has caught up. So only the newest epochs wait, and all
//! followers together have the bounds of one queue.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::row_chunk::SealedEpoch;
use super::writer::WriterShared;
use diptych_base::limits::{FOLLOWER_BYTES_MAX, FOLLOWER_EPOCHS_MAX};
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;

/// Receives epochs from the writer of the same process, until it is dropped.
#[derive(Debug)]
pub struct Follower {
    pub(crate) line: Arc<Line>,
    writer: Weak<WriterShared>,
}

/// A message to a [`Follower`].
#[derive(Debug)]
pub enum Heard {
    /// The next epoch is durable.
    Epoch(Arc<SealedEpoch>),
    /// Nothing within the given time.
    Nothing,
    /// The follower did not keep up (or has not joined yet): the missed epochs are in the log. It
    /// gets no more epochs before it [joins](Follower::join).
    Behind,
    /// The writer has closed, or has failed.
    Closed,
}

/// The queue from the writer to one follower.
#[derive(Debug, Default)]
pub(super) struct Line {
    queue: Mutex<FollowerQueue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
pub(crate) struct FollowerQueue {
    /// Waiting epochs, each with its bytes.
    epochs: VecDeque<(Arc<SealedEpoch>, usize)>,
    pub bytes: usize,
    /// Epochs below are not sent to this follower.
    from: Epoch,
    pub place: FollowerState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FollowerState {
    #[default]
    Behind,
    Joined,
    Closed,
}

impl Follower {
    /// Makes a follower of the writer of `shared`; not joined yet.
    pub(super) fn of(shared: &Arc<WriterShared>) -> Follower {
        Follower { line: Arc::default(), writer: Arc::downgrade(shared) }
    }

    /// Joins: the follower gets each epoch from the returned one on, in order, for as long as it
    /// keeps up; earlier epochs are in the log. None when the writer has closed, or has failed.
    pub fn join(&self) -> Option<Epoch> {
        let writer = self.writer.upgrade()?;
        let mut live = writer.live();
        // A failure is recorded before the followers are dropped, so none is missed.
        if writer.queue().failed.is_some() || live.closed {
            return None;
        }
        live.followers.retain(|line| !Arc::ptr_eq(line, &self.line));
        *self.line.queue() = FollowerQueue {
            from: live.upper,
            place: FollowerState::Joined,
            ..FollowerQueue::default()
        };
        live.followers.push(Arc::clone(&self.line));
        Some(live.upper)
    }

    /// Returns the next message, waiting at most for `patience`.
    pub fn next(&self, patience: Duration) -> Heard {
        let queue = self.line.queue();
        let nothing = |queue: &mut FollowerQueue| {
            queue.epochs.is_empty() && queue.place == FollowerState::Joined
        };
        let waited = self.line.changed.wait_timeout_while(queue, patience, nothing);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some((sealed, bytes)) = queue.epochs.pop_front() {
            queue.bytes -= bytes;
            return Heard::Epoch(sealed);
        }
        match queue.place {
            FollowerState::Joined => Heard::Nothing,
            FollowerState::Behind => Heard::Behind,
            FollowerState::Closed => Heard::Closed,
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        *self.line.queue() =
            FollowerQueue { place: FollowerState::Closed, ..FollowerQueue::default() };
    }
}

impl Line {
    pub(crate) fn queue(&self) -> MutexGuard<'_, FollowerQueue> {
        lock(&self.queue)
    }

    /// Queues an epoch of so many bytes, without waiting; returns false when this follower was
    /// dropped. One epoch alone may exceed the bytes of a queue.
    pub(super) fn offer(&self, sealed: &Arc<SealedEpoch>, bytes: usize) -> bool {
        let mut queue = self.queue();
        if queue.place != FollowerState::Joined || sealed.epoch < queue.from {
            return queue.place == FollowerState::Joined;
        }
        let full =
            queue.bytes + bytes > FOLLOWER_BYTES_MAX || queue.epochs.len() >= FOLLOWER_EPOCHS_MAX;
        if full && !queue.epochs.is_empty() {
            *queue = FollowerQueue::default();
        } else {
            queue.bytes += bytes;
            queue.epochs.push_back((Arc::clone(sealed), bytes));
        }
        let joined = queue.place == FollowerState::Joined;
        drop(queue);
        self.changed.notify_all();
        joined
    }

    /// Closes the queue; waiting epochs may still be taken.
    pub(super) fn close(&self) {
        let mut queue = self.queue();
        if queue.place == FollowerState::Joined {
            queue.place = FollowerState::Closed;
        }
        drop(queue);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Append, Writer, WriterOptions};
    use diptych_base::io::{RealClock, SimDisk};

    /// Bytes are bounded as epochs are, and one follower does not affect another.
    #[test]
    fn a_full_queue_is_let_go_in_bytes_and_in_epochs() {
        let disk = Arc::new(SimDisk::new());
        let clock = Arc::new(RealClock);
        let writer = Writer::open(disk, clock, "log", WriterOptions::default()).expect("a writer");
        let slow = writer.follow();
        let fast = writer.follow();
        assert!(matches!(slow.next(Duration::ZERO), Heard::Behind), "it has not joined");
        assert_eq!((slow.join(), fast.join()), (Some(0), Some(0)));
        let letters = "x".repeat(4 << 20);
        let mut upper = 0;
        let mut most = 0;
        while !matches!(slow.line.queue().place, FollowerState::Behind) {
            let column = Arc::new(arrow_array::StringArray::from(vec![letters.as_str()])) as _;
            let rows = arrow_array::RecordBatch::try_from_iter([("text", column)]).expect("rows");
            writer.append(Append::rows("s", rows)).expect("queued").wait().expect("durable");
            assert!(matches!(fast.next(Duration::from_mins(1)), Heard::Epoch(_)));
            upper += 1;
            most = most.max(slow.line.queue().bytes);
            assert!(upper < 1_000, "it keeps everything");
        }
        assert!(most <= FOLLOWER_BYTES_MAX && most > FOLLOWER_BYTES_MAX / 2, "{most} bytes");
        assert_eq!(slow.line.queue().bytes, 0, "nothing is kept for who reads the log");
        assert!(matches!(slow.next(Duration::ZERO), Heard::Behind));
        assert_eq!(slow.join(), Some(upper));
        for epoch in upper..=upper + FOLLOWER_EPOCHS_MAX as Epoch {
            assert_eq!(writer.tick().expect("durable"), epoch);
            assert!(matches!(fast.next(Duration::from_mins(1)), Heard::Epoch(_)));
        }
        assert!(matches!(slow.next(Duration::ZERO), Heard::Behind));
        writer.close().expect("closed");
        assert!(matches!(fast.next(Duration::from_mins(1)), Heard::Closed));
        assert_eq!(slow.join(), None);
    }
}
