//! Accepts connections and serves HTTP on them, in bounds.
//!
//! What a client can hold is bounded before it has proved anything: a connection costs a task and
//! less than a kilobyte until its first request is there, a small body included. Then hyper gets
//! it, at some 20 KiB, with a watch that costs nothing per request: counters that the connection
//! moves (`Pulse`) and a timer that looks at them every second.
//!
//! | who | gets |
//! |---|---|
//! | sends no whole head in time | the connection closed |
//! | is silent between requests | the connection closed |
//! | takes no bytes of an answer | the connection closed |
//! | announces or sends a body above the limit | 413 |
//! | sends a body more slowly than [`BODY_RATE_MIN`](crate::limits::BODY_RATE_MIN), or stops | 408 |
//! | sends more than there is room for beside what others have sent | 503 and `Retry-After` |
//! | is one connection too many | 503 and `Retry-After` |
//!
//! When told to stop it accepts what already waits, tells keep-alive clients `connection: close`
//! with their next answer, and closes what has been silent for a moment: a client that goes on
//! asking is answered, never reset.

mod body;
mod chunks;
mod connection;
mod front;
mod head;
mod pulse;

pub(super) use body::{Fate, Refused};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::http::App;
use crate::limits;

/// How long a connection that cannot be accepted for want of descriptors is left alone.
const NO_DESCRIPTORS: Duration = Duration::from_millis(100);

/// What is said to one connection too many.
const TOO_MANY: &str = "{\"type\":\"about:blank#full\",\"title\":\"Service Unavailable\",\
    \"status\":503,\"detail\":\"as many connections are open as are allowed (come back later)\"}";

/// What a listener allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Connections at once.
    pub(super) connections: usize,
    /// Bytes of a request's body.
    pub(super) body: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { connections: limits::CONNECTIONS_MAX, body: limits::BODY_BYTES_MAX }
    }
}

/// What all connections of a listener share.
struct Shared {
    app: App,
    bounds: Bounds,
    tls: Option<TlsAcceptor>,
    stopping: watch::Receiver<bool>,
    room: Arc<Semaphore>,
    refused: AtomicU64,
}

/// Serves `app` on the connections of `listener` until told to stop; then finishes what is under
/// way. Whoever calls it bounds the time for that.
pub(super) async fn serve(
    listener: TcpListener,
    app: App,
    tls: Option<Arc<ServerConfig>>,
    bounds: Bounds,
    stopping: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(bounds.connections));
    let tls = tls.map(TlsAcceptor::from);
    let refused = AtomicU64::new(0);
    let stop = stopped(stopping.clone());
    let shared = Arc::new(Shared { app, bounds, tls, stopping, room, refused });
    tokio::pin!(stop);
    let report = tokio::spawn(report(Arc::clone(&shared)));
    loop {
        tokio::select! {
            accepted = listener.accept() => admit(&shared, accepted).await,
            () = &mut stop => break,
        }
    }
    // What the kernel has accepted already would be reset with the listener.
    while let Some(accepted) = listener.accept().now_or_never() {
        admit(&shared, accepted).await;
    }
    drop(listener);
    let all = u32::try_from(bounds.connections).unwrap_or(u32::MAX);
    // Never closed: all permits are back when the last connection is.
    let _ = shared.room.acquire_many(all).await;
    report.abort();
}

/// Ends when the server is told to stop, or nobody is left to tell it.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn admit(shared: &Arc<Shared>, accepted: std::io::Result<(TcpStream, std::net::SocketAddr)>) {
    let stream = match accepted {
        Ok((stream, _)) => stream,
        Err(error) if gone_again(&error) => return,
        Err(error) => {
            tracing::warn!("a connection cannot be accepted: {error}");
            return tokio::time::sleep(NO_DESCRIPTORS).await;
        }
    };
    match Arc::clone(&shared.room).try_acquire_owned() {
        Ok(permit) => start(shared, stream, permit),
        Err(_) => refuse(shared, &stream),
    }
}

/// The client hung up before it was accepted.
fn gone_again(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

fn start(shared: &Arc<Shared>, stream: TcpStream, permit: OwnedSemaphorePermit) {
    // Answers are whole: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let ended = match &shared.tls {
            None => connection::serve(stream, &shared).await,
            Some(acceptor) => {
                let shaking = acceptor.accept(stream);
                match tokio::time::timeout(limits::HEAD_TIME, shaking).await {
                    Ok(Ok(stream)) => connection::serve(Box::new(stream), &shared).await,
                    Ok(Err(error)) => Err(format!("TLS handshake: {error}")),
                    Err(_) => Err("TLS handshake: timed out".to_owned()),
                }
            }
        };
        if let Err(reason) = ended {
            tracing::debug!("a connection ended: {reason}");
        }
        drop(permit);
    });
}

fn too_many() -> String {
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
         retry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{TOO_MANY}",
        TOO_MANY.len()
    )
}

/// Tells a client to come back later, if that costs nothing.
fn refuse(shared: &Shared, stream: &TcpStream) {
    shared.refused.fetch_add(1, Ordering::Relaxed);
    if shared.tls.is_none() {
        // A new socket has room for it; if not, the client sees a closed connection. What it has
        // sent is taken first, because closing over unread bytes would reset what is answered.
        let _ = stream.try_read(&mut [0; 4096]);
        let _ = stream.try_write(too_many().as_bytes());
    }
}

/// One line for all refusals of a while: a flood must not flood the log.
async fn report(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(limits::REFUSALS_LOGGED_EVERY).await;
        let refused = shared.refused.swap(0, Ordering::Relaxed);
        if refused > 0 {
            let (most, seconds) =
                (shared.bounds.connections, limits::REFUSALS_LOGGED_EVERY.as_secs());
            tracing::warn!(
                "{refused} connections refused in the last {seconds} s: {most} are open, which is \
                 the limit (raise --max-connections)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_one_too_many_is_whole() {
        let text = too_many();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.ends_with(&format!("content-length: {}", body.len())));
        serde_json::from_str::<serde_json::Value>(body).expect("JSON");
    }
}
