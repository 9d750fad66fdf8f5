//! One connection, from its first byte to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::activity::{ConnectionActivity, CountedConnection, Watch};
use super::first_request::FirstRequest;
use super::service::ConnectionService;
use super::{Shared, stopped};
use diptych_base::error::Error;
use diptych_base::limits::{
    BODY_START_TIME, HEAD_BYTES_MAX, HEAD_TIME, HTTP1_BUFFER_BYTES, HTTP2_CONNECTION_BYTES,
    HTTP2_STREAM_BYTES, HTTP2_STREAMS_MAX, IDLE_TIME, LINGER_BYTES, LINGER_TIME, RETRY_AFTER,
    STOP_QUIET, WRITE_TIME,
};
use diptych_site::connection_places::HeldPlace;

/// How often a connection is checked.
const LOOK: Duration = Duration::from_secs(1);
/// The most bytes of answers that wait for the client of an HTTP/2 stream.
const HTTP2_SEND_BYTES: usize = 256 << 10;

/// The end of a connection; an error when the server ended it.
pub(super) type Ended = Result<(), String>;

/// A connection of either version of HTTP, with the methods needed to stop it.
trait Serving: Future<Output = hyper::Result<()>> {
    fn wind_down(self: Pin<&mut Self>);
}

impl<I, S> Serving for http1::Connection<I, S>
where
    http1::Connection<I, S>: Future<Output = hyper::Result<()>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = axum::body::Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn wind_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I> Serving for http2::Connection<I, ConnectionService, TokioExecutor>
where
    http2::Connection<I, ConnectionService, TokioExecutor>: Future<Output = hyper::Result<()>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    fn wind_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Serves requests until the client, a bound or the server's stop ends the connection.
pub(super) async fn serve<I>(mut io: I, shared: &Arc<Shared>, seat: &Arc<HeldPlace>) -> Ended
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(start) = start(&mut io, shared).await? else { return Ok(()) };
    let http2 = start.is_http2();
    seat.touch();
    let pulse = Arc::new(ConnectionActivity::new(Arc::clone(seat)));
    let front = ConnectionService::new(shared.app.clone(), Arc::clone(&pulse), shared.bounds);
    let io = TokioIo::new(CountedConnection::new(io, start, Arc::clone(&pulse)));
    if http2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(HTTP2_STREAMS_MAX)
            .max_header_list_size(HEAD_BYTES_MAX as u32)
            .max_send_buf_size(HTTP2_SEND_BYTES)
            .initial_stream_window_size(HTTP2_STREAM_BYTES)
            .initial_connection_window_size(HTTP2_CONNECTION_BYTES)
            .keep_alive_interval(IDLE_TIME / 2)
            .keep_alive_timeout(WRITE_TIME)
            .serve_connection(io, front);
        watch(connection, pulse, true, shared).await
    } else {
        // Not `pipeline_flush`: with it hyper keeps all that a body has, however slow its reader.
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(HEAD_BYTES_MAX)
            .max_buf_size(HTTP1_BUFFER_BYTES)
            .serve_connection(io, front);
        watch(connection, pulse, false, shared).await
    }
}

/// Reads the first request, up to the part that is waited for. When the server stops, it is read
/// only if it is already on its way.
async fn start<I>(io: &mut I, shared: &Shared) -> Result<Option<FirstRequest>, String>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let mut start = FirstRequest::new(shared.bounds.body);
    let stop = stopped(shared.stopping.clone());
    let there = {
        let reading = timeout(HEAD_TIME, start.head(io));
        tokio::pin!(reading, stop);
        tokio::select! {
            read = &mut reading => read,
            () = &mut stop => match timeout(STOP_QUIET, reading).await {
                Ok(read) => read,
                Err(_) => return Ok(None),
            }
        }
    };
    match there {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => return Ok(None),
        Ok(Err(error)) => return Err(refuse(io, &error).await),
        Err(_) => return Err("no whole head in time".to_owned()),
    }
    match timeout(BODY_START_TIME, start.body(io)).await {
        Ok(Ok(())) => Ok(Some(start)),
        Ok(Err(error)) => Err(refuse(io, &error).await),
        Err(_) => {
            let detail = format!("the body did not come within {} s", BODY_START_TIME.as_secs());
            let text = plain_answer("408 Request Timeout", "input", &detail);
            // A client that does not read this gets no further attempt.
            let _ = timeout(STOP_QUIET, io.write_all(text.as_bytes())).await;
            linger(io).await;
            Err("no body in time".to_owned())
        }
    }
}

/// Tells a client whose first request found no room to come back. An error of the connection itself
/// cannot be reported to the client.
async fn refuse(io: &mut (impl AsyncRead + AsyncWrite + Unpin), error: &Error) -> String {
    if error.is_busy() {
        let name = error.kind().name();
        let text = plain_answer("503 Service Unavailable", name, &error.to_string());
        let _ = timeout(STOP_QUIET, io.write_all(text.as_bytes())).await;
        linger(io).await;
    }
    error.to_string()
}

/// Reads and drops the rest of a refused request, in bounds, so that the client sees the answer:
/// unread bytes at the end of a connection would reset it.
async fn linger(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let rest = async {
        io.shutdown().await?;
        let mut rest = io.take(LINGER_BYTES as u64);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    // A client that sends for longer is cut off.
    let _ = timeout(LINGER_TIME, rest).await;
}

/// The text of a refusal before any request is served; `detail` must need no escapes.
fn plain_answer(status: &str, kind: &str, detail: &str) -> String {
    let (code, title) = status.split_once(' ').unwrap_or_default();
    let retry = match code {
        "503" => format!("retry-after: {}\r\n", RETRY_AFTER.as_secs()),
        _ => String::new(),
    };
    let body = format!(
        "{{\"type\":\"about:blank#{kind}\",\"title\":\"{title}\",\"status\":{code},\
         \"detail\":\"{detail}\"}}"
    );
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\n{retry}\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn watch<C: Serving>(
    connection: C,
    pulse: Arc<ConnectionActivity>,
    http2: bool,
    shared: &Arc<Shared>,
) -> Ended {
    let mut watch = Watch::new(Arc::clone(&pulse), http2);
    let stop = stopped(shared.stopping.clone());
    let ticks = tokio::time::sleep(LOOK);
    tokio::pin!(connection, ticks, stop);
    loop {
        tokio::select! {
            biased;
            ended = &mut connection => return ended.map_err(|error| error.to_string()),
            () = &mut ticks => {
                if let Some(reason) = watch.look() {
                    return Err(reason.to_owned());
                }
                ticks.as_mut().reset(tokio::time::Instant::now() + LOOK);
            }
            () = &mut stop => break,
        }
    }
    // From here on every answer closes the connection; a silent connection is closed.
    pulse.closing.store(true, Relaxed);
    if http2 {
        connection.as_mut().wind_down();
    }
    watch.is_quiet();
    loop {
        match timeout(STOP_QUIET, &mut connection).await {
            Ok(ended) => return ended.map_err(|error| error.to_string()),
            Err(_) if watch.is_quiet() => connection.as_mut().wind_down(),
            Err(_) => {}
        }
    }
}
