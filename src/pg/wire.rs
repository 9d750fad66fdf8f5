//! A connection as bytes: what has come and is not read yet, what is to be sent.
//!
//! Buffers grow with what really came, never with what a length announces, and a client that does
//! not take its answers in time is left.

use std::io;

use bytes::{Buf, BytesMut};
use pgwire::tokio::server::MaybeTls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::error::Failure;
use super::frontend;
use diptych_base::limits::{PG_MESSAGE_BYTES_MAX, PG_OUTPUT_BYTES, PG_WRITE_TIMEOUT};
use diptych_site::budget::{Claim, REQUESTS};

/// Bytes that are asked for at once.
const READ_BYTES: usize = 8 << 10;
/// Bytes of a message before anybody has proved who he is.
const MESSAGE_BYTES_MAX_EARLY: usize = 8 << 10;

/// A connection.
pub(super) struct Wire {
    stream: MaybeTls,
    input: BytesMut,
    /// What is sent with the next flush.
    pub(super) out: BytesMut,
    message_bytes_max: usize,
    /// The place of `input` among the bytes of all requests, when a long message is in it.
    claim: Option<Claim>,
}

/// A message's type, and its body's place in the input.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) tag: u8,
    length: usize,
}

impl Wire {
    /// A connection on which nobody has proved who he is.
    pub(super) fn new(stream: MaybeTls, input: BytesMut) -> Wire {
        let out = BytesMut::with_capacity(READ_BYTES);
        Wire { stream, input, out, message_bytes_max: MESSAGE_BYTES_MAX_EARLY, claim: None }
    }

    /// From now on messages may have their full length.
    pub(super) fn trust(&mut self) {
        self.message_bytes_max = PG_MESSAGE_BYTES_MAX;
    }

    /// The next message, when it is there whole.
    ///
    /// # Errors
    /// When what is there is no message, or one that is too long. Nothing can follow.
    pub(super) fn next(&self) -> Result<Option<Frame>, Failure> {
        let Some((tag, rest)) = self.input.split_first() else { return Ok(None) };
        if !frontend::is_known(*tag) {
            return Err(Failure::fatal("08P01", format!("no message has the type {tag:#04x}")));
        }
        let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
        let length = i32::from_be_bytes(*length);
        let body = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
        let body =
            body.ok_or_else(|| Failure::fatal("08P01", format!("a message of {length} bytes")))?;
        if body > self.message_bytes_max {
            let most = self.message_bytes_max;
            let message = format!("a message of {body} bytes; at most {most} are taken here");
            return Err(Failure::fatal("54000", message));
        }
        Ok((rest.len() >= body).then_some(Frame { tag: *tag, length: body }))
    }

    /// Is a part of a message there?
    pub(super) fn has_begun(&self) -> bool {
        !self.input.is_empty()
    }

    /// The body of the next message.
    pub(super) fn body(&self, frame: Frame) -> &[u8] {
        &self.input[5..5 + frame.length]
    }

    /// Goes behind the next message.
    pub(super) fn pass(&mut self, frame: Frame) {
        self.input.advance(5 + frame.length);
        if self.input.is_empty() && frame.length > READ_BYTES {
            // A long message is rare, and its memory is not kept.
            (self.input, self.claim) = (BytesMut::new(), None);
        }
    }

    /// Waits for more bytes; false when the client has closed. Nothing is lost when it is dropped
    /// while it waits.
    pub(super) async fn fill(&mut self) -> io::Result<bool> {
        if self.input.len() > READ_BYTES {
            // The buffer doubles when it is full.
            let room = 2 * (self.input.len() + READ_BYTES);
            let claim = self.claim.get_or_insert_with(|| REQUESTS.claim());
            claim.grow_to(room).map_err(|full| io::Error::new(io::ErrorKind::OutOfMemory, full))?;
        }
        self.input.reserve(READ_BYTES);
        Ok(self.stream.read_buf(&mut self.input).await? > 0)
    }

    /// Sends what is to be sent. Nothing is lost when it is dropped while it waits.
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

    /// Is there enough to be sent that it should be?
    pub(super) fn is_full(&self) -> bool {
        self.out.len() >= PG_OUTPUT_BYTES
    }

    /// Says why, and closes.
    pub(super) async fn close(mut self, failure: Option<&Failure>) {
        if let Some(failure) = failure {
            failure.write(&mut self.out);
        }
        // The client may be gone; then there is nobody to tell.
        let _ = self.flush().await;
        let _ = timeout(PG_WRITE_TIMEOUT, self.stream.shutdown()).await;
    }
}
