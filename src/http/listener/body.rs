//! A request's body that cannot be too long, nor come too slowly.

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

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    TooLong = 1,
    TooSlow = 2,
    /// All requests together hold as much as they may.
    NoRoom = 3,
}

/// What became of a body, for the one who answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate(Arc<AtomicU8>);

impl Fate {
    pub(super) fn refused(&self) -> Option<Refused> {
        match self.0.load(Relaxed) {
            1 => Some(Refused::TooLong),
            2 => Some(Refused::TooSlow),
            3 => Some(Refused::NoRoom),
            _ => None,
        }
    }

    /// Whoever reads the body goes no further.
    pub(crate) fn refuse(&self, why: Refused) {
        self.0.store(why as u8, Relaxed);
    }
}

/// A body within bounds.
pub(super) struct Bounded {
    body: Incoming,
    left: u64,
    /// Bytes since `mark`.
    read: u64,
    /// When the window began that the body is in.
    mark: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    fate: Fate,
}

impl Bounded {
    pub(super) fn new(body: Incoming, limit: u64, fate: Fate) -> Bounded {
        Bounded { body, left: limit, read: 0, mark: Instant::now(), timer: None, fate }
    }

    /// When the bytes of a window must have come at the latest.
    fn deadline(&self) -> Instant {
        self.mark + BODY_WINDOW
    }

    /// Counts bytes that have come. Who sent much may be as slow for as long as anybody: a window
    /// that is full is followed by one that is empty.
    fn count(&mut self, bytes: u64) {
        self.left -= bytes;
        self.read += bytes;
        if self.read >= BODY_WINDOW_BYTES {
            (self.read, self.mark) = (0, Instant::now());
        }
    }

    fn fail<T>(&self, why: Refused, failure: Failure) -> Poll<Option<Result<T, Failure>>> {
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
            return this.fail(Refused::TooSlow, "the body comes too slowly".into());
        };
        match frame {
            Some(Ok(frame)) => {
                let len = frame.data_ref().map_or(0, |data| data.len() as u64);
                if len > this.left {
                    return this.fail(Refused::TooLong, too_long());
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

/// The error that extractors of a body know as "too long".
fn too_long() -> Failure {
    use http_body_util::{BodyExt, Full, Limited};
    let over = Limited::new(Full::new(Bytes::from_static(b"x")), 0);
    let failure = futures::FutureExt::now_or_never(over.collect()).and_then(Result::err);
    failure.filter(|error| error.is::<LengthLimitError>()).unwrap_or_else(|| "too long".into())
}
