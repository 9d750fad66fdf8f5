//! The HTTP listener: accepts connections and serves requests, in bounds.
//!
//! Clients are bounded from their first byte: a connection costs a task and less than a kilobyte
//! until its first request is there, a small body included. Then hyper gets it, at some 20 KiB,
//! with a watch that costs nothing per request: counters that the connection updates (`Pulse`) and
//! a timer that checks them every second.
//!
//! | a client that | gets |
//! |---|---|
//! | sends no whole head in time | the connection closed |
//! | is silent between requests | the connection closed |
//! | takes no bytes of an answer | the connection closed |
//! | announces or sends a body above the limit | 413 |
//! | sends a body more slowly than [`BODY_RATE_MIN`](limits::BODY_RATE_MIN), or stops | 408 |
//! | sends more than there is room for beside what others have sent | 503 and `Retry-After` |
//! | is idle when another connection comes and all places are taken | the connection closed |
//! | opens one connection too many | answers to probes; 503 and `Retry-After` otherwise |
//!
//! When told to stop, the listener accepts the connections that already wait, sends `connection:
//! close` to keep-alive clients with their next answer, and closes connections that have been
//! silent for a moment: a client that goes on sending requests is answered, never reset.

mod activity;
mod bounded_request_body;
mod chunked_body_end;
mod connection;
mod detect_smuggling;
mod first_request;
mod service;

pub(super) use bounded_request_body::{BodyRefusal, Fate};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use crate::point_read_fast_path::App;
use diptych_base::limits::{self, IDLE_GIVES_WAY, PROBE_PLACES};
use diptych_site::client_bounds::Bounds;
use diptych_site::connection_places::{ConnectionPlace, ConnectionPlaces, HeldPlace};

/// The pause before accepting again after descriptors have run out.
const NO_DESCRIPTORS: Duration = Duration::from_millis(100);

/// The answer on one connection too many.
const TOO_MANY: &str = "{\"type\":\"about:blank#busy\",\"title\":\"Service Unavailable\",\
    \"status\":503,\"detail\":\"as many connections are open as are allowed (come back later)\"}";

/// The state that all connections of a listener share.
struct Shared {
    app: App,
    bounds: Bounds,
    tls: Option<TlsAcceptor>,
    stopping: watch::Receiver<bool>,
    places: Arc<ConnectionPlaces>,
    /// Closed when the last connection is.
    alive: mpsc::WeakSender<()>,
    refused: AtomicU64,
}

/// Serves `app` on the connections of `listener` until told to stop; then finishes requests under
/// way. The caller bounds the time for that.
pub async fn serve(
    listener: TcpListener,
    app: App,
    tls: Option<Arc<ServerConfig>>,
    bounds: Bounds,
    stopping: watch::Receiver<bool>,
) {
    let places = ConnectionPlaces::new(bounds.connections, PROBE_PLACES, IDLE_GIVES_WAY);
    let (alive, mut all_gone) = mpsc::channel(1);
    let tls = tls.map(TlsAcceptor::from);
    let refused = AtomicU64::new(0);
    let stop = stopped(stopping.clone());
    let shared =
        Arc::new(Shared { app, bounds, tls, stopping, places, alive: alive.downgrade(), refused });
    tokio::pin!(stop);
    let report = tokio::spawn(report(Arc::clone(&shared)));
    loop {
        tokio::select! {
            accepted = listener.accept() => admit(&shared, accepted).await,
            () = &mut stop => break,
        }
    }
    // Connections that the kernel has accepted would be reset with the listener.
    while let Some(accepted) = listener.accept().now_or_never() {
        admit(&shared, accepted).await;
    }
    drop(listener);
    drop(alive);
    // Nothing is ever sent: this waits until the last sender is dropped.
    let _ = all_gone.recv().await;
    report.abort();
}

/// Waits until the server is told to stop, or the sender is dropped.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn admit(shared: &Arc<Shared>, accepted: std::io::Result<(TcpStream, std::net::SocketAddr)>) {
    let (stream, peer) = match accepted {
        Ok(accepted) => accepted,
        Err(error) if gone_again(&error) => return,
        Err(error) => {
            tracing::warn!("a connection cannot be accepted: {error}");
            return tokio::time::sleep(NO_DESCRIPTORS).await;
        }
    };
    match shared.places.take(peer.ip()) {
        Some(place) => start(shared, stream, place),
        None => refuse(shared, &stream),
    }
}

/// Whether the client hung up before it was accepted.
fn gone_again(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

fn start(shared: &Arc<Shared>, stream: TcpStream, place: ConnectionPlace) {
    // Answers are written whole: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let alive = shared.alive.upgrade();
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let ended = tokio::select! {
            biased;
            ended = converse(stream, &shared, &place.seat) => ended,
            () = place.seat.gives_way() => Err("idle when another one came".to_owned()),
        };
        if let Err(reason) = ended {
            tracing::debug!("a connection ended: {reason}");
        }
        drop((place, alive));
    });
}

async fn converse(
    stream: TcpStream,
    shared: &Arc<Shared>,
    seat: &Arc<HeldPlace>,
) -> Result<(), String> {
    let Some(acceptor) = &shared.tls else {
        return connection::serve(stream, shared, seat).await;
    };
    match tokio::time::timeout(limits::HEAD_TIME, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => connection::serve(Box::new(stream), shared, seat).await,
        Ok(Err(error)) => Err(format!("TLS handshake: {error}")),
        Err(_) => Err("TLS handshake: timed out".to_owned()),
    }
}

fn too_many() -> String {
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
         retry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{TOO_MANY}",
        TOO_MANY.len()
    )
}

/// Tells a client to come back later, without waiting.
fn refuse(shared: &Shared, stream: &TcpStream) {
    shared.refused.fetch_add(1, Ordering::Relaxed);
    if shared.tls.is_none() {
        // A new socket has room for it; if not, the client sees a closed connection. What it has
        // sent is taken first, because closing over unread bytes would reset the answer.
        let _ = stream.try_read(&mut [0; 4096]);
        let _ = stream.try_write(too_many().as_bytes());
    }
}

/// Logs one line for all refusals of a period: a flood must not flood the log.
async fn report(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(limits::REFUSALS_LOGGED_EVERY).await;
        let refused = shared.refused.swap(0, Ordering::Relaxed);
        if refused > 0 {
            let most = shared.bounds.connections;
            let seconds = limits::REFUSALS_LOGGED_EVERY.as_secs();
            tracing::warn!(
                "{refused} connections refused in the last {seconds} s: {most} are open, or \
                 half as many from one address, which is the limit (raise --max-connections)"
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
