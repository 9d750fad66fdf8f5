//! A request's body that cannot be too long, nor come too slowly.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::LengthLimitError;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits::{BODY_RATE_MIN, BODY_START_TIME};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    TooLong = 1,
    TooSlow = 2,
}

/// What became of a body, for the one who answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate(Arc<AtomicU8>);

impl Fate {
    pub(super) fn refused(&self) -> Option<Refused> {
        match self.0.load(Relaxed) {
            1 => Some(Refused::TooLong),
            2 => Some(Refused::TooSlow),
            _ => None,
        }
    }
}

/// A body within bounds.
pub(super) struct Bounded {
    body: Incoming,
    left: u64,
    read: u64,
    started: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    fate: Fate,
}

impl Bounded {
    pub(super) fn new(body: Incoming, limit: u64, fate: Fate) -> Bounded {
        Bounded { body, left: limit, read: 0, started: Instant::now(), timer: None, fate }
    }

    /// When as many bytes must have come at the latest.
    fn deadline(&self) -> Instant {
        self.started + BODY_START_TIME + Duration::from_secs(self.read / BODY_RATE_MIN)
    }

    fn fail<T>(&self, why: Refused, failure: Failure) -> Poll<Option<Result<T, Failure>>> {
        self.fate.0.store(why as u8, Relaxed);
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
                this.left -= len;
                this.read += len;
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
