//! Notices that a client has left while its statement runs.
//!
//! Nobody reads from the connection then, and bytes that wait to be read hide the end behind them.
//! So the watch looks at what the system knows of the socket, and reads nothing.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use futures::FutureExt;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How often a running statement looks whether its client is still there.
const LOOK: Duration = Duration::from_millis(250);
/// The looks after which a client that has closed its side is taken to be gone. One that has only
/// closed that side, to say that nothing more comes, gets answers that are ready before.
const LOOKS_CLOSED: u32 = 3;

/// A second handle of a connection's socket, which is only looked at.
pub(super) struct ClientWatch(TcpStream);

impl ClientWatch {
    /// A watch on the client at the other end of `stream`.
    ///
    /// # Errors
    /// When the process has no room for one more open file.
    pub(super) fn of(stream: &TcpStream) -> io::Result<ClientWatch> {
        let second = stream.as_fd().try_clone_to_owned()?;
        TcpStream::from_std(std::net::TcpStream::from(second)).map(ClientWatch)
    }

    /// Waits until the client has closed or reset the connection, and returns within a second.
    pub(super) async fn left(&self) {
        let mut closed = 0;
        while closed < LOOKS_CLOSED {
            sleep(LOOK).await;
            match self.0.ready(Interest::READABLE | Interest::WRITABLE).now_or_never() {
                Some(Ok(ready)) if ready.is_write_closed() => return,
                Some(Ok(ready)) => closed += u32::from(ready.is_read_closed()),
                Some(Err(_)) => return,
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    async fn pair() -> io::Result<(TcpStream, ClientWatch)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let (server, _) = listener.accept().await?;
        let watch = ClientWatch::of(&server)?;
        // The connection itself stays open: only the client can end it.
        tokio::spawn(async move {
            sleep(Duration::from_mins(1)).await;
            drop(server);
        });
        Ok((client, watch))
    }

    #[tokio::test]
    async fn a_client_that_closes_is_noticed_although_its_bytes_were_not_read() {
        let (mut client, watch) = pair().await.expect("connected");
        client.write_all(b"unread").await.expect("sent");
        assert!(timeout(2 * LOOK, watch.left()).await.is_err(), "it is still there");
        drop(client);
        timeout(Duration::from_secs(1), watch.left()).await.expect("it has left");
    }

    #[tokio::test]
    async fn a_reset_is_noticed() {
        let (client, watch) = pair().await.expect("connected");
        client.set_zero_linger().expect("set");
        drop(client);
        timeout(Duration::from_secs(1), watch.left()).await.expect("it has left");
    }
}
