//! A request body with bounds on its length and on its slowness.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::LengthLimitError;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use diptych_base::limits::{BODY_WINDOW, BODY_WINDOW_BYTES};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The reason why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyRefusal {
    TooLong = 1,
    TooSlow = 2,
    /// The budget of requests has no room.
    NoRoom = 3,
}

/// The fate of a body, shared with the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate(Arc<AtomicU8>);

impl Fate {
    pub(super) fn refused(&self) -> Option<BodyRefusal> {
        match self.0.load(Relaxed) {
            1 => Some(BodyRefusal::TooLong),
            2 => Some(BodyRefusal::TooSlow),
            3 => Some(BodyRefusal::NoRoom),
            _ => None,
        }
    }

    /// Marks the body as refused; its reader goes no further.
    pub(crate) fn refuse(&self, why: BodyRefusal) {
        self.0.store(why as u8, Relaxed);
    }
}

/// A body within bounds.
pub(super) struct Bounded {
    body: Incoming,
    left: u64,
    /// Bytes since `mark`.
    read: u64,
    /// The begin of the current window.
    mark: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    fate: Fate,
}

impl Bounded {
    pub(super) fn new(body: Incoming, limit: u64, fate: Fate) -> Bounded {
        Bounded { body, left: limit, read: 0, mark: Instant::now(), timer: None, fate }
    }

    /// The time by which the bytes of the current window must have come.
    fn deadline(&self) -> Instant {
        self.mark + BODY_WINDOW
    }

    /// Counts bytes that have come. A client that has sent much gets no credit for later slowness:
    /// a full window is followed by an empty one.
    fn count(&mut self, bytes: u64) {
        self.left -= bytes;
        self.read += bytes;
        if self.read >= BODY_WINDOW_BYTES {
            (self.read, self.mark) = (0, Instant::now());
        }
    }

    fn fail<T>(&self, why: BodyRefusal, failure: Failure) -> Poll<Option<Result<T, Failure>>> {
        self.fate.refuse(why);
        Poll::Ready(Some(Err(failure)))
    }
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            let deadline = this.deadline();
            let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(context));
            return this.fail(BodyRefusal::TooSlow, "the body comes too slowly".into());
        };
        match frame {
            Some(Ok(frame)) => {
                let len = frame.data_ref().map_or(0, |data| data.len() as u64);
                if len > this.left {
                    return this.fail(BodyRefusal::TooLong, too_long());
                }
                this.count(len);
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The error that body extractors recognise as "too long".
fn too_long() -> Failure {
    use http_body_util::{BodyExt, Full, Limited};
    let over = Limited::new(Full::new(Bytes::from_static(b"x")), 0);
    let failure = futures::FutureExt::now_or_never(over.collect()).and_then(Result::err);
    failure.filter(|error| error.is::<LengthLimitError>()).unwrap_or_else(|| "too long".into())
}
