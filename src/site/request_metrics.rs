//! Metrics of requests: the number of answers by status, and their latency.
//!
//! Every request passes through here, so it costs two clock reads and three relaxed additions: the
//! route is found among a dozen names by its length, and nothing is hashed or allocated.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::extract::MatchedPath;
use axum::http::{Request, Response};
use tower::{Layer, Service};

/// Upper bounds of the latency buckets, in microseconds.
const BOUNDS: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 10_000_000,
];
const STATUS_MIN: usize = 100;
const STATUSES: usize = 500;

/// The counters of all paths.
pub struct Requests(Vec<Route>);

/// The counters of one path.
pub struct Route {
    path: String,
    statuses: Box<[AtomicU64]>,
    /// Counts by latency bucket; the last bucket has no bound.
    classes: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Route {
    fn new(path: &str) -> Route {
        Route {
            path: path.to_owned(),
            statuses: (0..STATUSES).map(|_| AtomicU64::new(0)).collect(),
            classes: std::array::from_fn(|_| AtomicU64::new(0)),
            nanos: AtomicU64::new(0),
        }
    }

    fn count(&self, status: u16, took: Duration) {
        let status = usize::from(status).wrapping_sub(STATUS_MIN);
        if let Some(count) = self.statuses.get(status) {
            count.fetch_add(1, Relaxed);
        }
        let micros = took.as_micros() as u64;
        self.classes[BOUNDS.partition_point(|bound| *bound < micros)].fetch_add(1, Relaxed);
        self.nanos.fetch_add(took.as_nanos() as u64, Relaxed);
    }

    /// The path as the `OpenAPI` description has it; `other` for any path that is not in it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The statuses that were answered, with their counts.
    pub fn statuses(&self) -> impl Iterator<Item = (usize, u64)> {
        let counts = self.statuses.iter().map(|count| count.load(Relaxed)).enumerate();
        counts.filter(|(_, count)| *count > 0).map(|(place, count)| (place + STATUS_MIN, count))
    }

    /// For each bound, the number of answers that took at most so many microseconds; the number of
    /// all answers; and the seconds that they took together.
    pub fn latencies(&self) -> (Vec<(u64, u64)>, u64, f64) {
        let mut total = 0;
        let mut sums = self.classes.iter().map(|class| {
            total += class.load(Relaxed);
            total
        });
        let bounded = BOUNDS.iter().copied().zip(sums.by_ref()).collect();
        sums.next();
        (bounded, total, self.nanos.load(Relaxed) as f64 / 1e9)
    }
}

impl Requests {
    /// Counters for these paths.
    pub fn new<'p>(paths: impl Iterator<Item = &'p String>) -> Requests {
        let other = std::iter::once(Route::new("other"));
        Requests(other.chain(paths.map(|path| Route::new(path))).collect())
    }

    /// The counters by path.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }

    /// Counts an answer that did not pass through the layer.
    pub fn count(&self, place: usize, status: u16, took: Duration) {
        self.0[place].count(status, took);
    }

    /// The number of a path, for [`Requests::count`].
    pub fn place(&self, path: &str) -> usize {
        self.0.iter().position(|route| route.path == path).unwrap_or(0)
    }
}

/// The layer that puts the counters around a service.
#[derive(Clone)]
pub struct Counting(pub Arc<Requests>);

impl<S> Layer<S> for Counting {
    type Service = MeasuredService<S>;

    fn layer(&self, inner: S) -> MeasuredService<S> {
        MeasuredService { inner, requests: Arc::clone(&self.0) }
    }
}

/// A service whose answers are counted.
#[derive(Clone)]
pub struct MeasuredService<S> {
    inner: S,
    requests: Arc<Requests>,
}

impl<S, B, R> Service<Request<B>> for MeasuredService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Unpin,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = MeasuredFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> MeasuredFuture<S::Future> {
        let path = request.extensions().get::<MatchedPath>();
        let place = path.map_or(0, |path| self.requests.place(path.as_str()));
        let requests = Arc::clone(&self.requests);
        let begun = Instant::now();
        MeasuredFuture { inner: self.inner.call(request), requests, place, begun }
    }
}

/// The future of an answer; it is timed up to the head, and the body goes on uncounted.
pub struct MeasuredFuture<F> {
    inner: F,
    requests: Arc<Requests>,
    place: usize,
    begun: Instant,
}

impl<F, R, E> Future for MeasuredFuture<F>
where
    F: Future<Output = Result<Response<R>, E>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let answer = ready!(Pin::new(&mut self.inner).poll(context));
        if let Ok(response) = &answer {
            let route = &self.requests.0[self.place];
            route.count(response.status().as_u16(), self.begun.elapsed());
        }
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_path_status_and_class() {
        let paths = ["/a".to_owned(), "/b/{c}".to_owned()];
        let requests = Requests::new(paths.iter());
        let b = &requests.0[requests.place("/b/{c}")];
        b.count(200, Duration::from_micros(50));
        b.count(200, Duration::from_micros(51));
        b.count(404, Duration::from_secs(11));
        assert_eq!(b.path(), "/b/{c}");
        assert_eq!(b.statuses().collect::<Vec<_>>(), [(200, 2), (404, 1)]);
        let (bounded, total, seconds) = b.latencies();
        assert_eq!((bounded[0], bounded[1], bounded[15]), ((50, 1), (100, 2), (10_000_000, 2)));
        assert_eq!(total, 3);
        assert!((seconds - 11.000_101).abs() < 1e-9);
        assert_eq!(requests.place("/b/{d}"), 0);
    }
}
