//! A tower layer that puts the gate before a group of routes.
//!
//! The layer checks a token again while an answer goes on: a subscription or a long wait ends about
//! a second after its token was taken out of the file, or has expired.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as _, Frame};
use tokio::time::{Instant, Sleep, sleep};
use tower::{Layer, Service};

use super::check_credentials::{Denied, TokenDigest};
use super::{Gate, Role};

/// How often a token is checked while an answer goes on.
const LOOK: Duration = Duration::from_millis(500);

/// A layer that lets requests with a role pass. An answer that is ready at once is neither boxed
/// nor delayed.
#[derive(Clone)]
pub struct RoleGuard {
    gate: Arc<Gate>,
    role: Role,
}

impl RoleGuard {
    /// A layer that asks `gate` for `role`.
    pub fn new(gate: Arc<Gate>, role: Role) -> RoleGuard {
        RoleGuard { gate, role }
    }
}

impl<S> Layer<S> for RoleGuard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.clone(), inner }
    }
}

/// A service behind a [`RoleGuard`].
#[derive(Clone)]
pub struct Guarded<S> {
    guard: RoleGuard,
    inner: S,
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Admitted<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match self.guard.gate.check(request.headers(), self.guard.role) {
            Ok(pass) => {
                if self.guard.role == Role::Append {
                    // The pass identifies the credential for the count of new producers.
                    request.extensions_mut().insert(pass);
                }
                let lent = Lent { guard: self.guard.clone(), pass, next: None };
                Admitted::Running(self.inner.call(request), lent)
            }
            Err(denied) => Admitted::Denied(denied),
        }
    }
}

/// A token that was let in, with the time of its next check.
pub struct Lent {
    guard: RoleGuard,
    pass: TokenDigest,
    next: Option<Pin<Box<Sleep>>>,
}

impl Lent {
    /// The reason why the token is not valid any more, when the next check is due and finds one.
    fn poll_denied(&mut self, context: &mut Context<'_>) -> Option<Denied> {
        let next = self.next.get_or_insert_with(|| Box::pin(sleep(LOOK)));
        while next.as_mut().poll(context).is_ready() {
            if let Err(denied) = self.guard.gate.admit(&self.pass, self.guard.role) {
                return Some(denied);
            }
            next.as_mut().reset(Instant::now() + LOOK);
        }
        None
    }
}

/// The future of an answer: it is computed, or refused.
pub enum Admitted<F> {
    Running(F, Lent),
    Denied(Denied),
}

impl<F: Future<Output = Result<Response, Infallible>> + Unpin> Future for Admitted<F> {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Admitted::Denied(denied) => Poll::Ready(Ok(denied.into_response())),
            Admitted::Running(future, lent) => match Pin::new(future).poll(context) {
                Poll::Ready(Ok(response)) => {
                    let Lent { guard, pass, .. } = lent;
                    let lent = Lent { guard: guard.clone(), pass: *pass, next: None };
                    Poll::Ready(Ok(lend(response, lent)))
                }
                Poll::Ready(Err(never)) => match never {},
                // A request that changes something runs to its end, so that its answer can say what
                // happened.
                Poll::Pending if lent.guard.role == Role::Read => match lent.poll_denied(context) {
                    Some(denied) => Poll::Ready(Ok(denied.into_response())),
                    None => Poll::Pending,
                },
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

/// Wraps the answer so that it ends early when its token does. A body that is complete already is
/// left as it is.
fn lend(response: Response, lent: Lent) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    let kind = response.headers().get(header::CONTENT_TYPE);
    let events = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    response.map(|inner| {
        Body::new(Stream { inner, lent, events, between: true, denied: None, over: false })
    })
}

/// The body of an answer that goes on, under a token that is checked again.
struct Stream {
    inner: Body,
    lent: Lent,
    /// Whether the body is Server-Sent Events: then the last event says why it ends.
    events: bool,
    /// Whether the last event was sent completely.
    between: bool,
    denied: Option<Denied>,
    over: bool,
}

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        let again = this.lent.poll_denied(context);
        let waited = this.denied.is_some();
        if let Some(denied) = this.denied.or(again) {
            // The rest of an event that has begun is sent, if it comes soon.
            this.denied = Some(denied);
            if !this.events || this.between || (waited && again.is_some()) {
                this.over = true;
                tracing::info!("an answer ends early: {}", denied.reason());
                let last = if this.events && this.between {
                    Ok(Frame::data(denied.event()))
                } else {
                    Err(axum::Error::new(std::io::Error::other(denied.reason())))
                };
                return Poll::Ready(Some(last));
            }
        }
        let polled = Pin::new(&mut this.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
            && !data.is_empty()
        {
            this.between = data.ends_with(b"\n\n");
        }
        polled
    }
}
