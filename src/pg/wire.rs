//! The byte buffers of a connection: unread input, and output to be sent.
//!
//! Buffers grow with the bytes that came, never with an announced length, and a client that does
//! not take its answers in time is disconnected.

use std::io;

use bytes::{Buf, BytesMut};
use pgwire::tokio::server::MaybeTls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::error::Failure;
use super::frontend;
use diptych_base::limits::{PG_MESSAGE_BYTES_MAX, PG_OUTPUT_BYTES, PG_WRITE_TIMEOUT};
use diptych_site::budget::{Claim, REQUESTS};

/// The bytes that one read asks for.
const READ_BYTES: usize = 8 << 10;
/// The longest message in bytes that is thrown away; one beyond it ends the connection.
const BODY_BYTES_MAX: usize = 1 << 30;
/// The longest message in bytes before authentication.
const MESSAGE_BYTES_MAX_EARLY: usize = 8 << 10;

/// A connection.
pub(super) struct Wire {
    stream: MaybeTls,
    input: BytesMut,
    /// The bytes that the next flush sends.
    pub(super) out: BytesMut,
    message_bytes_max: usize,
    /// The bytes of a message that was too long which are still to come, to be thrown away.
    unwanted: usize,
    /// The claim on the budget of requests for `input`, when it has a long message.
    claim: Option<Claim>,
}

/// The type of a message, and the place of its body in the input.
#[derive(Clone, Copy)]
pub(super) struct MessageFrame {
    pub(super) tag: u8,
    length: usize,
    /// Whether the message is longer than what is taken: it has no body then.
    pub(super) is_too_long: bool,
}

impl MessageFrame {
    /// The error for a message that is too long.
    pub(super) fn too_long(self) -> Failure {
        let body = self.length;
        let message =
            format!("a message of {body} bytes; at most {PG_MESSAGE_BYTES_MAX} are taken here");
        Failure::new("54000", message).hint("send large values one by one, or split the statement")
    }
}

impl Wire {
    /// The wire of a client that is not authenticated yet.
    pub(super) fn new(stream: MaybeTls, input: BytesMut) -> Wire {
        let out = BytesMut::with_capacity(READ_BYTES);
        let message_bytes_max = MESSAGE_BYTES_MAX_EARLY;
        Wire { stream, input, out, message_bytes_max, unwanted: 0, claim: None }
    }

    /// Whether the connection is encrypted.
    pub(super) fn is_tls(&self) -> bool {
        !matches!(self.stream, MaybeTls::Plain(_))
    }

    /// Allows messages of full length from now on.
    pub(super) fn trust(&mut self) {
        self.message_bytes_max = PG_MESSAGE_BYTES_MAX;
    }

    /// The next message, when all of it has come.
    ///
    /// # Errors
    /// When the bytes are not a message, or it is too long. No message can follow.
    pub(super) fn next(&self) -> Result<Option<MessageFrame>, Failure> {
        let Some((tag, rest)) = self.input.split_first() else { return Ok(None) };
        if !frontend::is_known(*tag) {
            return Err(Failure::fatal("08P01", format!("no message has the type {tag:#04x}")));
        }
        let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
        let length = i32::from_be_bytes(*length);
        let body = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
        let body =
            body.ok_or_else(|| Failure::fatal("08P01", format!("a message of {length} bytes")))?;
        let is_too_long = body > self.message_bytes_max;
        if is_too_long && (self.message_bytes_max < PG_MESSAGE_BYTES_MAX || body > BODY_BYTES_MAX) {
            let most = self.message_bytes_max;
            let message = format!("a message of {body} bytes; at most {most} are taken here");
            return Err(Failure::fatal("54000", message));
        }
        let has_come = is_too_long || rest.len() >= body;
        Ok(has_come.then_some(MessageFrame { tag: *tag, length: body, is_too_long }))
    }

    /// Whether a part of a message has come.
    pub(super) fn has_begun(&self) -> bool {
        !self.input.is_empty()
    }

    /// The body of the next message.
    pub(super) fn body(&self, frame: MessageFrame) -> &[u8] {
        if frame.is_too_long { &[] } else { &self.input[5..5 + frame.length] }
    }

    /// Removes a message from the input.
    pub(super) fn pass(&mut self, frame: MessageFrame) {
        self.unwanted = 5 + frame.length;
        self.throw_away();
        if self.input.is_empty() && frame.length > READ_BYTES {
            // A long message is rare, so its memory is given back.
            (self.input, self.claim) = (BytesMut::new(), None);
        }
    }

    /// Removes what has come of the bytes that nobody wants any more.
    fn throw_away(&mut self) {
        let come = self.unwanted.min(self.input.len());
        self.input.advance(come);
        self.unwanted -= come;
    }

    /// Waits for more bytes; false when the client has closed. No bytes are lost when the future is
    /// dropped.
    pub(super) async fn fill(&mut self) -> io::Result<bool> {
        let more = self.room();
        if self.input.len() > READ_BYTES {
            let claim = self.claim.get_or_insert_with(|| REQUESTS.claim());
            let room = self.input.len() + more;
            claim.grow_to(room).map_err(|full| io::Error::new(io::ErrorKind::OutOfMemory, full))?;
        }
        self.input.reserve(more);
        let has_more = self.stream.read_buf(&mut self.input).await? > 0;
        self.throw_away();
        Ok(has_more)
    }

    /// The bytes for which the next read makes room: the buffer doubles, up to the end of the
    /// message that has begun.
    fn room(&self) -> usize {
        let come = self.input.len();
        let missing = match self.input.get(1..5).and_then(|length| length.first_chunk()) {
            Some(length) => (u32::from_be_bytes(*length) as usize + 1).saturating_sub(come),
            None => 0,
        };
        missing.min(come).max(READ_BYTES)
    }

    /// Sends the output. No bytes are lost when the future is dropped.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let Wire { stream, out, .. } = self;
        let send = async {
            stream.write_all_buf(out).await?;
            stream.flush().await
        };
        match timeout(PG_WRITE_TIMEOUT, send).await {
            Ok(sent) => sent?,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
        if self.out.capacity() > 2 * PG_OUTPUT_BYTES {
            self.out = BytesMut::with_capacity(READ_BYTES);
        }
        Ok(())
    }

    /// Whether there is enough output that it should be sent.
    pub(super) fn is_full(&self) -> bool {
        self.out.len() >= PG_OUTPUT_BYTES
    }

    /// Sends the error, if there is one, and closes.
    pub(super) async fn close(mut self, failure: Option<&Failure>) {
        if let Some(failure) = failure {
            failure.write(&mut self.out);
        }
        // The client may be gone; then the error is lost.
        let _ = self.flush().await;
        let _ = timeout(PG_WRITE_TIMEOUT, self.stream.shutdown()).await;
    }
}
