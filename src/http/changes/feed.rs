//! The task of one subscriber, which reads one chunk ahead of the socket.
//!
//! The task ends with its reader: when the socket is closed, when the reader takes nothing for too
//! long, and when the servers stop. Between two sends it holds nothing of the index except the
//! batches of an epoch that is being delivered in parts, or the lease of a snapshot.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::sse_encoder::SseBuffer;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{
    EVENT_CHANGES, FEED_BYTES, FEED_PAUSE, FEED_PIECE_BYTES, FEED_UPDATES, HEARTBEAT_INTERVAL,
    PROGRESS_INTERVAL, RETRY_AFTER, SUBSCRIBER_STALL,
};
use diptych_base::time::Epoch;
use diptych_row::RowSchema;
use diptych_serving::{Change, Changes, ChangesPage, Index, Token};
use diptych_site::admission::Subscription;
use diptych_site::blocking::blocking_in_turn;
use diptych_site::problem::Problem;
use diptych_site::recomputation_queue::{PendingReplay, Span};
use diptych_site::site::{Flow, Site};

/// The source from which a subscription goes on.
pub(super) enum Next {
    /// A snapshot, for this reason.
    Snapshot(String),
    /// The changes in memory.
    Live(Changes),
    /// A replay of the log, which gives the epochs from this one on.
    Replay(PendingReplay, Epoch),
}

/// The reason why a subscription ended.
pub(super) enum FeedEnd {
    /// The reader is gone, or the servers stop.
    Gone,
    /// The subscription cannot go on.
    Failed(Error),
}

impl From<Error> for FeedEnd {
    fn from(error: Error) -> FeedEnd {
        FeedEnd::Failed(error)
    }
}

/// One subscription to one view.
pub(super) struct ChangesFeed {
    pub(super) site: Arc<Site>,
    /// The number of the dataflow among those served.
    pub(super) flow: usize,
    pub(super) view: String,
    pub(super) events: SseBuffer,
    socket: mpsc::Sender<Bytes>,
    frontier: watch::Receiver<Epoch>,
    stopping: watch::Receiver<bool>,
    place: Subscription,
    /// The epoch of the last id that was sent.
    told: Epoch,
    /// The time of the last send.
    spoke: Instant,
    /// Whether a large epoch is being delivered.
    begun: bool,
    /// The approximate length of a row as text.
    row_bytes: usize,
}

impl ChangesFeed {
    /// A subscription, with the receiver of its socket.
    pub(super) fn new(
        site: Arc<Site>,
        flow: usize,
        view: String,
        place: Subscription,
    ) -> (ChangesFeed, mpsc::Receiver<Bytes>) {
        let (socket, reader) = mpsc::channel(1);
        let frontier = site.flows[flow].frontier.clone();
        let stopping = site.load.stopping();
        let events = SseBuffer::default();
        let spoke = Instant::now();
        let told = 0;
        let begun = false;
        let row_bytes = FEED_BYTES / EVENT_CHANGES;
        let feed = ChangesFeed {
            site,
            flow,
            view,
            events,
            socket,
            frontier,
            stopping,
            place,
            told,
            spoke,
            begun,
            row_bytes,
        };
        (feed, reader)
    }

    /// Delivers until one side leaves.
    pub(super) async fn run(mut self, mut next: Next) {
        self.events.retry(RETRY_AFTER.as_millis());
        let end = loop {
            let outcome = match next {
                Next::Snapshot(reason) => self.snapshot(&reason).await,
                Next::Live(changes) => self.live(changes).await,
                Next::Replay(pending, from) => self.replay(pending, from).await,
            };
            match outcome {
                Ok(other) => next = other,
                Err(end) => break end,
            }
        };
        if let FeedEnd::Failed(error) = end {
            self.events.event("problem", None, Problem::from(error).body());
            // The task ends, whether this succeeds or not.
            let _ = self.flush().await;
        }
    }

    pub(super) fn flow(&self) -> &Flow {
        &self.site.flows[self.flow]
    }

    /// Delivers changes from memory as they come.
    async fn live(&mut self, mut changes: Changes) -> Result<Next, FeedEnd> {
        let index = changes.index();
        let view = changes.view();
        let schema = index.views()[view].schema.clone();
        self.told = changes.token().epoch;
        loop {
            let from = changes.token().epoch;
            let (part, rest) = self.read(changes).await?;
            changes = rest;
            match part {
                Ok(Some(part)) => self.deliver(&schema, part, &mut changes).await?,
                Ok(None) if changes.is_over() => {
                    return self.cutover(&index, view, from).await;
                }
                Ok(None) => self.wait(&changes.token()).await?,
                Err(error) if error.is_missing() => return Ok(self.behind(&index, from)?),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Delivers epochs from a replay, then goes on from memory.
    async fn replay(&mut self, mut pending: PendingReplay, from: Epoch) -> Result<Next, FeedEnd> {
        self.begun = false;
        let live = self.flow().serving.index();
        let upper = live.frontier();
        let waiting = self.site.load.replays.counts().waiting;
        let epochs = upper.saturating_sub(from);
        let told = json!({ "from": from, "upper": upper, "epochs": epochs, "waiting": waiting });
        self.say("replay", None, &told).await?;
        let replayed = loop {
            let pause = sleep_until(self.spoke + HEARTBEAT_INTERVAL);
            tokio::select! {
                done = pending.wait() => match done {
                    // A retraction had everything recomputed: its epochs cannot be told apart any
                    // more.
                    Err(error) if error.is_missing() => {
                        return Ok(Next::Snapshot(error.to_string()));
                    }
                    done => break done?,
                },
                () = pause => self.comment("the replay is not finished yet").await?,
                () = left(&self.socket, &mut self.stopping) => return Err(FeedEnd::Gone),
            }
        };
        let Span::Between(_, upper) = replayed.span else {
            return Err(Error::new(Kind::Stopped, "the replay tells no epochs apart").into());
        };
        let index = &replayed.index;
        if index.generation() != live.generation() {
            return Ok(Next::Snapshot(format!("version {} is served", live.generation())));
        }
        let mut changes = match index.changes(index.view(&self.view)?, from) {
            Ok(changes) => changes,
            // So much was replayed that its epochs are not all kept apart.
            Err(error) if error.is_missing() => return Ok(Next::Snapshot(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let schema = index.views()[changes.view()].schema.clone();
        let deadline = Instant::now() + diptych_base::limits::REPLAY_READ_TIME;
        while changes.token().epoch < upper {
            if Instant::now() > deadline {
                let message = "reading what was replayed took too long";
                let remedy = "connect again with the last token";
                return Err(Error::new(Kind::TimedOut, message).remedy(remedy).into());
            }
            let (part, rest) = self.read(changes).await?;
            changes = rest;
            match part? {
                Some(part) => self.deliver(&schema, part, &mut changes).await?,
                None => break,
            }
        }
        let next = live.changes(changes.view(), upper);
        Ok(next.map_or_else(|_| self.behind(&live, upper), |next| Ok(Next::Live(next)))?)
    }

    /// Asks for a replay, for a subscriber whose next epoch is below the index's `since`.
    pub(super) fn behind(&self, index: &Index, from: Epoch) -> Result<Next> {
        let span = Span::Between(from, index.frontier());
        let flow = self.flow();
        let load = &self.site.load;
        let pending = load.replays.ask(&self.site.control, &flow.name, span, index.since())?;
        Ok(Next::Replay(pending, from))
    }

    /// The number of rows in a chunk, estimated from the length of earlier rows.
    pub(super) fn chunk_rows(&self, most: usize) -> usize {
        (FEED_BYTES / self.row_bytes.max(1)).clamp(1, most)
    }

    /// Measures the length of the rows that were just written.
    pub(super) fn measure(&mut self, rows: usize) {
        if let Some(bytes) = self.events.len().checked_div(rows) {
            self.row_bytes = bytes;
        }
    }

    /// Reads the next part: at once when it is among the latest updates, else on a blocking thread.
    async fn read(&self, mut changes: Changes) -> Result<(Result<Option<ChangesPage>>, Changes)> {
        let most = self.chunk_rows(FEED_UPDATES);
        if changes.is_at_hand() {
            let part = changes.part(most);
            return Ok((part, changes));
        }
        self.apart(move || {
            let part = changes.part(most);
            Ok((part, changes))
        })
        .await
    }

    /// Runs a slow read on a blocking thread, within the bound on such reads.
    pub(super) async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        blocking_in_turn(Arc::clone(&self.site.load.reads).acquire_owned(), work).await
    }

    /// Sends changes; each complete epoch gets an id.
    async fn deliver(
        &mut self,
        schema: &RowSchema,
        part: ChangesPage,
        source: &mut Changes,
    ) -> Result<(), FeedEnd> {
        let ChangesPage { changes, complete } = part;
        let token = &source.token();
        self.place.0.changes.fetch_add(changes.len() as u64, Relaxed);
        let index = source.index();
        let token_of = |epoch: Epoch| index.token(epoch + 1);
        for epoch in changes.chunk_by(|a, b| a.epoch == b.epoch) {
            let token = epoch.first().filter(|_| complete).map(|one: &Change| token_of(one.epoch));
            self.events.changes(schema, epoch, self.begun, token.as_ref())?;
        }
        if complete && changes.is_empty() {
            self.events.complete(token.epoch.checked_sub(1), token);
        }
        self.begun = !complete;
        self.measure(changes.len());
        if complete {
            self.told = changes.last().map_or(token.epoch, |change| change.epoch + 1);
        }
        drop(changes);
        self.hand_over(Some(source)).await
    }

    /// Waits for further epochs, and sends heartbeats or progress meanwhile.
    async fn wait(&mut self, token: &Token) -> Result<(), FeedEnd> {
        let progress = token.epoch > self.told;
        let pause = if progress { PROGRESS_INTERVAL } else { HEARTBEAT_INTERVAL };
        let due = self.spoke + pause;
        // A cutover at the same frontier signals nothing.
        let look = due.min(Instant::now() + PROGRESS_INTERVAL);
        tokio::select! {
            moved = self.frontier.wait_for(|upper| *upper > token.epoch) => {
                moved.map(drop).map_err(|_| FeedEnd::Gone)?;
            }
            () = sleep_until(look) => {}
            () = left(&self.socket, &mut self.stopping) => return Err(FeedEnd::Gone),
        }
        if Instant::now() < due {
            return Ok(());
        }
        if !progress {
            return self.comment("still here").await;
        }
        self.told = token.epoch;
        let data = json!({ "epoch": token.epoch.checked_sub(1) });
        self.say("progress", Some(token), &data).await
    }

    pub(super) async fn say(
        &mut self,
        name: &str,
        token: Option<&Token>,
        data: &impl Serialize,
    ) -> Result<(), FeedEnd> {
        self.events.event(name, token, data);
        self.flush().await
    }

    pub(super) async fn comment(&mut self, text: &str) -> Result<(), FeedEnd> {
        self.events.comment(text);
        self.flush().await
    }

    /// Sends the buffered text, once the socket has taken the earlier text.
    pub(super) async fn flush(&mut self) -> Result<(), FeedEnd> {
        self.hand_over(None).await
    }

    /// As [`ChangesFeed::flush`]; while the socket pauses, batches read ahead are released.
    async fn hand_over(&mut self, mut source: Option<&mut Changes>) -> Result<(), FeedEnd> {
        let mut bytes = self.events.take()?;
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(FEED_PIECE_BYTES));
            let mut room = timeout(FEED_PAUSE, self.socket.reserve()).await;
            if room.is_err() {
                if let Some(source) = source.take() {
                    source.relax();
                }
                room = tokio::select! {
                    room = timeout(SUBSCRIBER_STALL, self.socket.reserve()) => room,
                    _ = self.stopping.wait_for(|stop| *stop) => return Err(FeedEnd::Gone),
                };
            }
            self.spoke = Instant::now();
            match room {
                Ok(Ok(room)) => room.send(piece),
                Ok(Err(_)) => return Err(FeedEnd::Gone),
                Err(_) => {
                    self.place.0.stalled.fetch_add(1, Relaxed);
                    return Err(FeedEnd::Gone);
                }
            }
        }
        Ok(())
    }

    /// Waits a moment for the frontier to pass `epoch`; sends a heartbeat meanwhile.
    pub(super) async fn wait_beyond(&mut self, epoch: Epoch) -> Result<(), FeedEnd> {
        let token = Token { version: String::new(), epoch, branch: None };
        let told = std::mem::replace(&mut self.told, epoch);
        self.wait(&token).await?;
        self.told = told;
        Ok(())
    }
}

/// Waits until the reader has closed its end, or the servers stop.
async fn left(socket: &mpsc::Sender<Bytes>, stopping: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = socket.closed() => {}
        // This ends with the sender, too.
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}

/// A reader that stalls is cut later than a heartbeat is due.
const _: () = assert!(Duration::as_secs(&HEARTBEAT_INTERVAL) < SUBSCRIBER_STALL.as_secs());
