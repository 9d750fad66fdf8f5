//! Answers 503 while one process has stopped answering and the next has not begun.
//!
//! A takeover takes milliseconds, and the clients that connect meanwhile wait unnoticed in the
//! kernel's queue. When it takes longer (a slow request holds the old process up, the last epochs
//! are many) waiting would look like a hang: then the process that holds the sockets answers every
//! request with 503 and `Retry-After`, appends included, until the takeover is over.

use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{RecvTimeoutError, Sender, bounded};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::runtime::Listeners;
use diptych_base::error::{Error, Result};
use diptych_base::limits::TAKEOVER_UNNOTICED;
use diptych_http as http;
use diptych_http::listener;
use diptych_site::access_policy::{PortAccess, ServerAccess};
use diptych_site::server_options::ServersOptions;

/// A responder on the given sockets, which begins only if the takeover lasts, and ends when
/// dropped.
pub struct TakeoverResponder {
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TakeoverResponder {
    /// Begins to answer when [`TAKEOVER_UNNOTICED`] has passed. The Postgres port stays silent: its
    /// protocol has no such answer, and its clients wait for as long as they choose.
    ///
    /// # Errors
    /// When certificates cannot be read; errors of the system.
    pub fn guard(listeners: &Listeners, options: &ServersOptions) -> Result<TakeoverResponder> {
        TakeoverResponder::guard_after(TAKEOVER_UNNOTICED, listeners, options)
    }

    fn guard_after(
        unnoticed: Duration,
        listeners: &Listeners,
        options: &ServersOptions,
    ) -> Result<TakeoverResponder> {
        let failed = |error| Error::io("guarding the listening sockets", error);
        let socket = listeners.http.as_ref().map(std::net::TcpListener::try_clone).transpose();
        let Some(socket) = socket.map_err(failed)? else {
            return Ok(TakeoverResponder { over: None, thread: None });
        };
        socket.set_nonblocking(true).map_err(failed)?;
        let entry = ServerAccess::open(options)?.http;
        let (over, ended) = bounded::<()>(0);
        let guard = move || {
            if let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(unnoticed) {
                tracing::warn!("the takeover takes its time: clients are told to come back");
                let stop = watch::Sender::new(false);
                match answering(socket, entry, &stop) {
                    Ok((runtime, task)) => {
                        // This ends with the sender.
                        let _ = ended.recv();
                        stop.send_replace(true);
                        // A timer belongs to a runtime.
                        let wait = async { tokio::time::timeout(unnoticed, task).await };
                        let _ = runtime.block_on(wait);
                        runtime.shutdown_background();
                    }
                    Err(error) => tracing::warn!("clients wait: {error}"),
                }
            }
        };
        let thread = std::thread::Builder::new().name("doorstep".into()).spawn(guard);
        Ok(TakeoverResponder { over: Some(over), thread: Some(thread.map_err(failed)?) })
    }
}

type Task = tokio::task::JoinHandle<()>;

fn answering(
    socket: std::net::TcpListener,
    entry: PortAccess,
    stop: &watch::Sender<bool>,
) -> Result<(Runtime, Task)> {
    let failed = |error| Error::io("answering while another process takes over", error);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("doorstep")
        .enable_all()
        .build()
        .map_err(failed)?;
    let inside = runtime.enter();
    let listener = TcpListener::from_std(socket).map_err(failed)?;
    drop(inside);
    let app = http::closed(entry.own);
    let serve = listener::serve(listener, app, entry.tls, entry.bounds, stop.subscribe());
    let task = runtime.spawn(serve);
    Ok((runtime, task))
}

impl Drop for TakeoverResponder {
    fn drop(&mut self) {
        self.over = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported when it happened.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn ask(listeners: &Listeners, request: &str) -> String {
        let address = listeners.http.as_ref().expect("a socket").local_addr().expect("an address");
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    #[test]
    fn whoever_asks_while_it_lasts_is_told_to_come_back() {
        let http = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
        let listeners = Listeners { http: Some(http), pg: None };
        let options = ServersOptions::default();
        let door = TakeoverResponder::guard_after(Duration::from_millis(20), &listeners, &options);
        let door = door.expect("guarded");
        let requests = [
            "GET /v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            "POST /v1/streams/lines HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/x-ndjson\r\ncontent-length: 14\r\n\r\n{\"text\": \"a\"}\n",
        ];
        for request in requests {
            let answer = ask(&listeners, request);
            assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
            assert!(answer.contains("retry-after: "), "{answer}");
            assert!(answer.contains("\"type\":\"about:blank#busy\""), "{answer}");
        }
        drop(door);
        // The socket is left to the next process, with the connections that wait in it.
        let http = listeners.http.expect("a socket");
        let address = http.local_addr().expect("an address");
        let mut client = TcpStream::connect(address).expect("queued");
        client.write_all(b"hello").expect("sent");
        http.set_nonblocking(false).expect("an option");
        let mut heard = [0; 5];
        http.accept().expect("a client").0.read_exact(&mut heard).expect("bytes");
        assert_eq!(&heard, b"hello");
    }

    #[test]
    fn what_is_over_soon_is_not_noticed() {
        let http = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
        let listeners = Listeners { http: Some(http), pg: None };
        let options = ServersOptions::default();
        let door = TakeoverResponder::guard_after(Duration::from_mins(1), &listeners, &options);
        let begun = std::time::Instant::now();
        drop(door.expect("guarded"));
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
