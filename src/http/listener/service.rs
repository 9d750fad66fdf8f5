//! The hyper service of a connection: checks before the router, and on the answer behind it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::future::RouteFuture;
use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tower::Service;

use super::activity::ConnectionActivity;
use super::bounded_request_body::{BodyRefusal, Bounded, Fate};
use crate::App;
use diptych_base::error::Kind;
use diptych_base::limits::{BODY_WINDOW, BODY_WINDOW_BYTES, HEAD_BYTES_FREE};
use diptych_site::budget::{Claim, REQUESTS};
use diptych_site::client_bounds::Bounds;
use diptych_site::connection_places::HeldPlace;
use diptych_site::problem::Problem;

/// The service of one connection.
#[derive(Clone)]
pub(super) struct ConnectionService {
    app: App,
    pulse: Arc<ConnectionActivity>,
    bounds: Bounds,
}

impl ConnectionService {
    pub(super) fn new(
        app: App,
        pulse: Arc<ConnectionActivity>,
        bounds: Bounds,
    ) -> ConnectionService {
        ConnectionService { app, pulse, bounds }
    }
}

impl hyper::service::Service<Request<Incoming>> for ConnectionService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = AnswerFuture;

    fn call(&self, request: Request<Incoming>) -> AnswerFuture {
        self.pulse.begin();
        let told = tracing::enabled!(tracing::Level::DEBUG).then(|| Told::of(&request));
        // This check comes before anything that answers, whatever the path and the method.
        if let Some(refusal) = self.app.refusal(&request) {
            return self.answer(State::Ready(Some(refusal)), None, told);
        }
        let twice = self.pulse.framed_twice.swap(false, Relaxed).then(framed_twice);
        if let Some(refusal) = twice.or_else(|| coding(request.headers())) {
            let mut answer = self.answer(State::Ready(None), None, told);
            answer.state = State::Ready(Some(answer.cut_off(refusal.into_response())));
            return answer;
        }
        if self.pulse.seat.for_probes && !PROBES.contains(&request.uri().path()) {
            return self.answer(State::Full, None, told);
        }
        let mut fate = None;
        let mut claim = None;
        let request = if request.body().is_end_stream() {
            if let Some(response) = self.app.shortcut(&request) {
                return self.answer(State::Ready(Some(response)), None, told);
            }
            request.map(|_| Body::empty())
        } else {
            // A body that announces too great a length is refused before a byte of it is read.
            if request.body().size_hint().lower() > self.bounds.body {
                return self.answer(State::Refused(BodyRefusal::TooLong), None, told);
            }
            let fate: &Fate = fate.insert(Fate::default());
            let limit = self.bounds.body;
            let mut request =
                request.map(|body| Body::new(Bounded::new(body, limit, fate.clone())));
            request.extensions_mut().insert(fate.clone());
            request
        };
        let head = head_bytes(&request);
        if head > HEAD_BYTES_FREE {
            let long: &mut Claim = claim.insert(REQUESTS.claim());
            if let Err(full) = long.grow_to(head) {
                let response = Problem::from(full).into_response();
                return self.answer(State::Ready(Some(response)), None, told);
            }
        }
        // Cloning costs one reference count; a call needs a router of its own.
        let future = self.app.router.clone().call(request);
        let mut answer = self.answer(State::Routed(future), fate, told);
        answer.claim = claim;
        answer
    }
}

/// The problem of a body that is framed twice: see [`super::detect_smuggling`].
fn framed_twice() -> Problem {
    let detail = "a Content-Length and a Transfer-Encoding both say where the body ends (send one \
                  of them)";
    Problem::new(StatusCode::BAD_REQUEST, "input", detail.to_owned())
}

/// The problem of a body whose transfer codings are not just `chunked`, once. (Without `chunked` at
/// the end the length is unknown: the server has refused that.)
fn coding(headers: &HeaderMap) -> Option<Problem> {
    let values = headers.get_all(header::TRANSFER_ENCODING).iter();
    let codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut chunked = 0;
    for coding in codings.map(<[u8]>::trim_ascii) {
        if coding.eq_ignore_ascii_case(b"chunked") {
            chunked += 1;
            continue;
        }
        let detail = format!(
            "the transfer coding {} is not understood (send chunks alone; a body may be compressed \
             with Content-Encoding)",
            String::from_utf8_lossy(&coding[..coding.len().min(CODING_SHOWN)])
        );
        return Some(Problem::new(StatusCode::NOT_IMPLEMENTED, "input", detail));
    }
    let twice = "the body is in chunks twice (send it in chunks once)";
    (chunked > 1).then(|| Problem::new(StatusCode::BAD_REQUEST, "input", twice.to_owned()))
}

/// Characters of a transfer coding that a refusal repeats.
const CODING_SHOWN: usize = 40;

/// The approximate bytes of a request's head: HTTP/2 allows many of them on one connection.
fn head_bytes(request: &Request<Body>) -> usize {
    let uri = request.uri();
    let path = uri.path().len() + uri.query().map_or(0, str::len);
    let fields = request.headers().iter();
    path + fields.map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>()
}

impl ConnectionService {
    fn answer(&self, state: State, fate: Option<Fate>, told: Option<Told>) -> AnswerFuture {
        let pulse = Arc::clone(&self.pulse);
        AnswerFuture { state, fate, told, pulse, limit: self.bounds.body, claim: None }
    }
}

/// The future of an answer.
pub(super) struct AnswerFuture {
    state: State,
    fate: Option<Fate>,
    told: Option<Told>,
    pulse: Arc<ConnectionActivity>,
    limit: u64,
    /// The claim for the head, if it is large.
    claim: Option<Claim>,
}

enum State {
    Routed(RouteFuture<Infallible>),
    Refused(BodyRefusal),
    /// The connection answers probes only.
    Full,
    /// Taken when the answer is given out.
    Ready(Option<Response<Body>>),
}

impl Future for AnswerFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let routed = match &mut this.state {
            State::Routed(future) => match ready!(Pin::new(future).poll(context)) {
                Ok(response) => Ok(response),
                Err(never) => match never {},
            },
            State::Refused(why) => Err(*why),
            State::Full => Ok(full()),
            State::Ready(response) => Ok(response.take().unwrap_or_default()),
        };
        // A refused body decides the answer, whatever the handler made of the error.
        let refused = this.fate.as_ref().and_then(Fate::refused);
        let mut response = match routed {
            Ok(response) => match refused {
                None => response,
                // The response already reports that there is no room.
                Some(BodyRefusal::NoRoom) => this.cut_off(response),
                Some(why) => this.refuse(why),
            },
            Err(why) => this.refuse(why),
        };
        // A connection for probes ends after one answer, to make room for the next.
        if this.pulse.closing.load(Relaxed) || this.pulse.seat.for_probes {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        if let Some(told) = &this.told {
            told.answered(response.status());
        }
        Poll::Ready(Ok(Lasting::keep(response, &this.pulse)))
    }
}

impl Drop for AnswerFuture {
    /// The client may leave before it gets the answer.
    fn drop(&mut self) {
        self.pulse.end();
    }
}

impl AnswerFuture {
    fn refuse(&self, why: BodyRefusal) -> Response<Body> {
        let problem = match why {
            BodyRefusal::TooLong => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "input",
                format!(
                    "the body has more than {} bytes (send several requests, or raise --max-body)",
                    self.limit
                ),
            ),
            BodyRefusal::TooSlow | BodyRefusal::NoRoom => Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "input",
                format!(
                    "less than {BODY_WINDOW_BYTES} bytes of the body came within {} s",
                    BODY_WINDOW.as_secs()
                ),
            ),
        };
        self.cut_off(problem.into_response())
    }

    /// Closes the connection with this answer, because the rest of the body is not read.
    fn cut_off(&self, mut response: Response<Body>) -> Response<Body> {
        self.pulse.refused.store(true, Relaxed);
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// The paths that monitors probe.
const PROBES: [&str; 4] = ["/livez", "/readyz", "/healthz", "/metrics"];

/// The answer on a connection for probes to a request that is not a probe.
fn full() -> Response<Body> {
    let detail = "as many connections are open as are allowed (come back later)".to_owned();
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, Kind::Busy.name(), detail).into_response()
}

/// The body of an answer that has no known end, such as a subscription: its connection is not idle
/// while the body goes on.
struct Lasting {
    body: Body,
    seat: Arc<HeldPlace>,
}

impl Lasting {
    fn keep(response: Response<Body>, pulse: &ConnectionActivity) -> Response<Body> {
        if response.body().size_hint().exact().is_some() {
            return response;
        }
        let seat = Arc::clone(&pulse.seat);
        seat.begin();
        response.map(|body| Body::new(Lasting { body, seat }))
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.seat.end();
    }
}

impl hyper::body::Body for Lasting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A log entry of a request: neither its headers nor the values of its query.
struct Told {
    method: axum::http::Method,
    path: String,
    begun: Instant,
}

impl Told {
    fn of(request: &Request<Incoming>) -> Told {
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        Told { method, path, begun: Instant::now() }
    }

    fn answered(&self, status: StatusCode) {
        let micros = self.begun.elapsed().as_micros();
        tracing::debug!(
            "{} {} {} after {micros} us",
            self.method,
            self.path.escape_debug(),
            status.as_u16()
        );
    }
}
