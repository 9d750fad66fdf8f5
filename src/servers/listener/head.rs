//! The bytes of a connection up to the end of its first request's head.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::limits::HEAD_BYTES_MAX;

/// What the first bytes of an HTTP/2 connection without TLS are.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n";
/// Read at once: most heads are shorter.
const PIECE: usize = 512;

/// How a connection begins.
pub(super) struct Head {
    /// What was read so far, for the one who serves it.
    pub(super) bytes: BytesMut,
    /// HTTP/2 follows.
    pub(super) http2: bool,
}

/// Reads until the head is whole, or so long that the server may refuse it. None when the client
/// leaves before.
///
/// # Errors
/// What the connection reports.
pub(super) async fn read(io: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Head>> {
    let mut bytes = BytesMut::new();
    let mut searched = 0;
    loop {
        // On the stack while nothing has come: an idle connection holds no buffer.
        let mut piece = [0; PIECE];
        let read = io.read(&mut piece).await?;
        if read == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece[..read]);
        let end = memchr::memmem::find(&bytes[searched..], b"\r\n\r\n");
        if end.is_some() || bytes.len() > HEAD_BYTES_MAX {
            let http2 = bytes.starts_with(HTTP2);
            return Ok(Some(Head { bytes, http2 }));
        }
        searched = bytes.len().saturating_sub(3);
    }
}
