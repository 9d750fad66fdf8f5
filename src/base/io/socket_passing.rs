//! Passes listening sockets from one process to its successor, over a Unix socket.
//!
//! A passed listening socket is the same socket in both processes: connections queued in the kernel
//! go to the process that accepts next, and none is reset when one process closes its end. (Two
//! sockets bound to one address by `SO_REUSEPORT` have two queues: closing one resets what waits in
//! it.)
//!
//! The successor waits in the data directory under a random name, so the old process finds it only
//! if both work on the same directory. The connection stays open until the successor reports that
//! it serves; if it ends before, the successor has died.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::error::{Error, Kind, Result};

/// Sockets that one message passes: HTTP and Postgres.
const SOCKETS: usize = 2;
/// The byte that the successor sends when it serves.
const SERVING: u8 = b'!';
/// Interval at which the successor looks whether the old process has connected.
const LOOK: Duration = Duration::from_millis(5);

/// A successor that waits for the old process to connect.
pub struct Waiting {
    socket: UnixListener,
    path: PathBuf,
}

/// The connection between the old process and its successor.
#[derive(Debug)]
pub struct Link(UnixStream);

fn place(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("successor-{name}"))
}

impl Waiting {
    /// Waits in `directory` under `name`.
    ///
    /// # Errors
    /// The operating system's error; a path of more than 107 bytes is too long for it.
    pub fn open(directory: &Path, name: &str) -> Result<Waiting> {
        let path = place(directory, name);
        let socket = UnixListener::bind(&path).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        let socket = socket.map_err(|error| {
            Error::io(format!("waiting at {}", path.display()), error)
                .remedy("a long path may be the reason: name the data directory relative to here")
        })?;
        Ok(Waiting { socket, path })
    }

    /// The connection of the old process; none when none was made within `patience`.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn found(&self, patience: Duration) -> Result<Option<Link>> {
        let deadline = Instant::now() + patience;
        loop {
            match self.socket.accept() {
                Ok((stream, _)) => {
                    let blocking = stream.set_nonblocking(false);
                    return blocking.map(|()| Some(Link(stream))).map_err(broken);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(broken(error)),
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // A socket file that is left behind has no process that answers.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The old process is there, and says nothing.
fn silent(patience: Duration) -> Error {
    Error::new(Kind::TimedOut, format!("the old process passes no socket within {patience:?}"))
        .remedy("it goes on; try again when it has less to do")
}

fn broken(error: std::io::Error) -> Error {
    Error::io("handing over between two processes", error)
}

impl Link {
    /// Connects to the successor that waits in `directory` under `name`.
    ///
    /// # Errors
    /// When no process waits there.
    pub fn find(directory: &Path, name: &str) -> Result<Link> {
        UnixStream::connect(place(directory, name)).map(Link).map_err(|error| {
            let message = format!("no successor waits in this data directory: {error}");
            Error::new(Kind::Missing, message).remedy("run `deploy` with the data of this server")
        })
    }

    /// Passes the listening sockets.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn pass(&self, http: Option<&TcpListener>, pg: Option<&TcpListener>) -> Result<()> {
        let which = [u8::from(http.is_some()) + 2 * u8::from(pg.is_some())];
        let sockets: Vec<_> = http.into_iter().chain(pg).map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !sockets.is_empty() {
            let fits = control.push(SendAncillaryMessage::ScmRights(&sockets));
            assert!(fits, "{} sockets do not fit a message for {SOCKETS}", sockets.len());
        }
        sendmsg(&self.0, &[IoSlice::new(&which)], &mut control, SendFlags::empty())
            .map(drop)
            .map_err(|error| broken(error.into()))
    }

    /// Receives the listening sockets of the old process: HTTP, Postgres.
    ///
    /// # Errors
    /// When it passes none within `patience`, or ends.
    pub fn sockets(
        &self,
        patience: Duration,
    ) -> Result<(Option<TcpListener>, Option<TcpListener>)> {
        self.0.set_read_timeout(Some(patience)).map_err(broken)?;
        let mut which = [0];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [IoSliceMut::new(&mut which)];
        let read = recvmsg(&self.0, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC).map_err(
            |error| match error {
                Errno::AGAIN => silent(patience),
                other => broken(other.into()),
            },
        )?;
        let mut sockets = control.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(sockets) => sockets.collect::<Vec<_>>(),
            _ => Vec::new(),
        });
        let http = (which[0] & 1 > 0).then(|| sockets.next()).flatten().map(TcpListener::from);
        let pg = (which[0] & 2 > 0).then(|| sockets.next()).flatten().map(TcpListener::from);
        if read.bytes == 0 {
            return Err(Error::new(Kind::Stopped, "the old process ended before it handed over")
                .remedy("start `serve` with this binary"));
        }
        Ok((http, pg))
    }

    /// Tells the old process that this one serves.
    ///
    /// # Errors
    /// When the old process has ended; the caller may ignore that.
    pub fn serving(mut self) -> Result<()> {
        self.0.write_all(&[SERVING]).map_err(broken)
    }

    /// Waits until the successor serves or has ended; returns whether it serves.
    pub fn succeeded(mut self) -> bool {
        let mut said = [0];
        // The connection ends with the successor, however that ends.
        self.0.read_exact(&mut said).is_ok() && said[0] == SERVING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_passed_with_what_waits_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Link::find(folder.path(), "a").is_err_and(|error| error.is_missing()));
        let waiting = Waiting::open(folder.path(), "a").expect("a socket");
        assert!(waiting.found(Duration::ZERO).expect("nothing wrong").is_none());
        let old = Link::find(folder.path(), "a").expect("the successor");
        let new = waiting.found(Duration::from_secs(10)).expect("nothing wrong").expect("found");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("an address");
        let mut client = std::net::TcpStream::connect(address).expect("queued");
        client.write_all(b"hello").expect("sent");
        old.pass(None, Some(&listener)).expect("passed");
        drop(listener);
        let (http, pg) = new.sockets(Duration::from_secs(10)).expect("sockets");
        assert!(http.is_none());
        let (mut accepted, _) = pg.expect("a socket").accept().expect("what was queued");
        let mut heard = [0; 5];
        accepted.read_exact(&mut heard).expect("bytes");
        assert_eq!(&heard, b"hello");
        new.serving().expect("said");
        assert!(old.succeeded());
    }

    #[test]
    fn a_successor_that_is_gone_has_not_succeeded() {
        let folder = tempfile::tempdir().expect("a folder");
        let waiting = Waiting::open(folder.path(), "b").expect("a socket");
        let old = Link::find(folder.path(), "b").expect("the successor");
        drop(waiting.found(Duration::from_secs(10)).expect("nothing wrong"));
        assert!(!old.succeeded());
    }
}
