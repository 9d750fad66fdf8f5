//! Activity counters of a connection, updated by the connection and checked by a timer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::detect_smuggling::Framing;
use super::first_request::FirstRequest;
use diptych_base::limits::{HEAD_TIME, IDLE_TIME, LINGER_BYTES, LINGER_TIME, WRITE_TIME};
use diptych_site::budget::Claim;
use diptych_site::connection_places::HeldPlace;

/// The activity counters of one connection. They are relaxed atomics: a check that misses the last
/// update does no harm.
pub(super) struct ConnectionActivity {
    /// The connection's seat among the places of the port.
    pub(super) seat: Arc<HeldPlace>,
    /// Reads and writes that moved bytes.
    moved: AtomicU64,
    /// Requests being answered.
    pub(super) under_way: AtomicU32,
    /// Whether bytes have come that are not a complete head yet.
    head: AtomicBool,
    /// Whether the current head states twice where its body ends.
    pub(super) framed_twice: AtomicBool,
    /// Whether the client takes no bytes.
    stuck: AtomicBool,
    /// Whether a body was refused: its bytes may still be on their way.
    pub(super) refused: AtomicBool,
    /// Whether the server stops: then no answer keeps the connection open.
    pub(super) closing: AtomicBool,
}

impl ConnectionActivity {
    pub(super) fn new(seat: Arc<HeldPlace>) -> ConnectionActivity {
        ConnectionActivity {
            seat,
            moved: AtomicU64::new(0),
            under_way: AtomicU32::new(0),
            head: AtomicBool::new(false),
            framed_twice: AtomicBool::new(false),
            stuck: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        }
    }

    /// Notes that the head of a request is complete.
    pub(super) fn begin(&self) {
        self.head.store(false, Relaxed);
        self.under_way.fetch_add(1, Relaxed);
        self.seat.begin();
    }

    /// Notes that a request is answered, up to the bytes of its body.
    pub(super) fn end(&self) {
        self.under_way.fetch_sub(1, Relaxed);
        self.seat.end();
    }
}

/// The state of a connection at the last check.
pub(super) struct Watch {
    pulse: Arc<ConnectionActivity>,
    http2: bool,
    moved: u64,
    quiet_since: Instant,
    head_since: Option<Instant>,
}

impl Watch {
    pub(super) fn new(pulse: Arc<ConnectionActivity>, http2: bool) -> Watch {
        Watch { pulse, http2, moved: 0, quiet_since: Instant::now(), head_since: None }
    }

    /// Whether the connection has done nothing at all since the last check.
    pub(super) fn is_quiet(&mut self) -> bool {
        let moved = self.pulse.moved.load(Relaxed);
        let quiet = moved == self.moved && self.pulse.under_way.load(Relaxed) == 0;
        self.moved = moved;
        quiet
    }

    /// The reason why the connection should end now, if it should.
    pub(super) fn look(&mut self) -> Option<&'static str> {
        let now = Instant::now();
        let moved = self.pulse.moved.load(Relaxed);
        if moved != self.moved {
            self.moved = moved;
            self.quiet_since = now;
            self.pulse.seat.touch();
        }
        let quiet = now - self.quiet_since;
        if self.pulse.stuck.load(Relaxed) {
            return (quiet >= WRITE_TIME).then_some("the client takes no bytes");
        }
        if self.pulse.under_way.load(Relaxed) > 0 {
            self.head_since = None;
            return None;
        }
        // Frames of HTTP/2 need not be parts of requests.
        if self.pulse.head.load(Relaxed) && !self.http2 {
            let since = *self.head_since.get_or_insert(now);
            return (now - since >= HEAD_TIME).then_some("no whole head in time");
        }
        self.head_since = None;
        (quiet >= IDLE_TIME).then_some("idle")
    }
}

/// A connection that counts its activity, and first gives back the bytes read before.
pub(super) struct CountedConnection<I> {
    io: I,
    before: BytesMut,
    /// The claim on the budget of requests for the bytes of `before`.
    claim: Option<Claim>,
    pulse: Arc<ConnectionActivity>,
    /// The scan of the current head; none for HTTP/2, whose heads are frames.
    framing: Option<Framing>,
    lingering: Option<(Instant, usize)>,
}

impl<I> CountedConnection<I> {
    /// A connection of which `start` was already read.
    pub(super) fn new(
        io: I,
        start: FirstRequest,
        pulse: Arc<ConnectionActivity>,
    ) -> CountedConnection<I> {
        let framing = (!start.is_http2()).then(Framing::default);
        let FirstRequest { bytes: before, claim, .. } = start;
        CountedConnection { io, before, claim: Some(claim), pulse, framing, lingering: None }
    }

    fn wrote<T>(&self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &outcome {
            Poll::Ready(_) => {
                self.pulse.moved.fetch_add(1, Relaxed);
                self.pulse.stuck.store(false, Relaxed);
            }
            Poll::Pending => self.pulse.stuck.store(true, Relaxed),
        }
        outcome
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for CountedConnection<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let had = buffer.filled().len();
        if self.before.is_empty() {
            ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        } else {
            let len = self.before.len().min(buffer.remaining());
            buffer.put_slice(&self.before[..len]);
            self.before.advance(len);
            if self.before.is_empty() {
                (self.before, self.claim) = (BytesMut::new(), None);
            }
        }
        if buffer.filled().len() > had {
            self.pulse.moved.fetch_add(1, Relaxed);
            if self.pulse.under_way.load(Relaxed) == 0 {
                // Bytes behind a head are its body, or are checked by the server alone.
                let new = &buffer.filled()[had..];
                let twice = self.framing.as_mut().and_then(|framing| framing.take(new));
                if let Some(twice) = twice {
                    self.pulse.framed_twice.store(twice, Relaxed);
                }
                self.pulse.head.store(true, Relaxed);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> CountedConnection<I> {
    /// Takes and drops the bytes that a refused client still sends, for a moment: closing over
    /// unread bytes would reset the connection, and the client would lose the answer.
    fn linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (since, mut taken) = self.lingering.unwrap_or((Instant::now(), 0));
        let mut piece = [0; 16 << 10];
        loop {
            if taken > LINGER_BYTES || since.elapsed() > LINGER_TIME {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.io).poll_read(context, &mut buffer) {
                Poll::Pending => {
                    // The timer of the connection polls again.
                    self.lingering = Some((since, taken));
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    taken += buffer.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for CountedConnection<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(context, bytes);
        self.wrote(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.io).poll_shutdown(context))?;
        }
        if self.pulse.refused.load(Relaxed) {
            ready!(self.linger(context));
        }
        Poll::Ready(Ok(()))
    }
}
