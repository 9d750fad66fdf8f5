//! The common part of all requests that append: their parameters, and the append to the log.
//!
//! The answer comes after the sync. No thread waits for it: the commit thread calls back, and all
//! requests that wait at once share one sync.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use super::request_body::DecodedBody;
use super::request_parameters::{Query, wrong};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{APPEND_INLINE_BYTES, BODIES_PARSED_MAX, NEW_PRODUCERS_MAX};
use diptych_base::time::Epoch;
use diptych_log::{Ack, Append, Producer, Writer};
use diptych_site::auth::TokenDigest;
use diptych_site::blocking::{blocking, blocking_in_turn};
use diptych_site::budget::{Claim, REQUESTS};
use diptych_site::problem::Problem;
use diptych_site::site::Site;
use diptych_sources::OnUnknown;

/// Permits to parse long bodies.
static PARSING: Semaphore = Semaphore::const_new(BODIES_PARSED_MAX);

/// The credential whose new producers are counted, if credentials are required.
pub(super) type ProducerCredential = Option<Extension<TokenDigest>>;

/// The parameters of an append.
pub(super) struct AppendOptions {
    producer: Option<(String, u64)>,
    visible: bool,
    deadline: Instant,
    pub(super) on_unknown: OnUnknown,
}

impl AppendOptions {
    /// Parses the parameters of `uri`.
    ///
    /// # Errors
    /// When a parameter is wrong.
    pub(super) fn of(uri: &Uri) -> Result<AppendOptions> {
        let query = Query::of(uri, &["producer", "sequence", "wait", "timeout", "unknown"])?;
        let visible = match query.one("wait")? {
            None | Some("durable") => false,
            Some("visible") => true,
            Some(other) => return Err(wrong("wait", other, "durable or visible")),
        };
        let on_unknown = match query.one("unknown")? {
            None | Some("ignore") => OnUnknown::Ignore,
            Some("refuse") => OnUnknown::Refuse,
            Some(other) => return Err(wrong("unknown", other, "ignore or refuse")),
        };
        let deadline = Instant::now() + query.timeout()?;
        Ok(AppendOptions { producer: producer(&query)?, visible, deadline, on_unknown })
    }

    /// Appends, waits for the sync, and for visibility if the request asks for that.
    ///
    /// # Errors
    /// When the log refuses; when the readers of a dataflow are too far behind; when the credential
    /// of `pass` has introduced too many producers.
    pub(super) async fn append(
        self,
        site: &Site,
        writer: &Arc<Writer>,
        pass: ProducerCredential,
        mut append: Append,
    ) -> Result<AppendOutcome, Problem> {
        if let Some((id, sequence)) = self.producer {
            append = append.by(id, sequence);
        }
        let streams: Vec<_> = append.batches.iter().map(|(name, _)| Arc::clone(name)).collect();
        site.admit(writer, &streams)?;
        if let Some(Producer { id, sequence: 0 }) = &append.producer
            && is_new(site, writer, id).await?
            && !site.load.newcomers.admit(pass.map(|Extension(pass)| pass))
        {
            return Err(too_many_producers());
        }
        // The claim lasts until the log has answered, even if the client is gone.
        let rows = Arc::new(rows_claimed(&append)?);
        let (sender, answer) = oneshot::channel();
        let held = Arc::clone(&rows);
        let then = move |ack| {
            drop(held);
            drop(sender.send(ack));
        };
        let full = writer.offer(append, then)?;
        let ack = match full {
            None => answer.await.unwrap_or_else(|_| Err(stopped()))?,
            Some(append) => {
                let writer = Arc::clone(writer);
                blocking(move || {
                    let answer = writer.append(append)?.wait();
                    drop(rows);
                    answer
                })
                .await?
            }
        };
        let Ack { epoch, repeated } = ack;
        if !self.visible {
            return Ok(AppendOutcome { epoch, repeated, visible: None, behind: Vec::new() });
        }
        let behind = behind(site, &streams, epoch, self.deadline).await;
        Ok(AppendOutcome { epoch, repeated, visible: Some(behind.is_empty()), behind })
    }
}

/// Claims the bytes of the request's rows.
fn rows_claimed(append: &Append) -> Result<Claim> {
    let mut claim = REQUESTS.claim();
    claim.grow_to(append.batches.iter().map(|(_, rows)| rows.get_array_memory_size()).sum())?;
    Ok(claim)
}

/// The outcome of an append.
pub(super) struct AppendOutcome {
    pub(super) epoch: Epoch,
    pub(super) repeated: bool,
    pub(super) visible: Option<bool>,
    pub(super) behind: Vec<String>,
}

impl AppendOutcome {
    pub(super) fn status(&self) -> StatusCode {
        if self.behind.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED }
    }

    /// The number of `records` that this request has appended.
    pub(super) fn accepted(&self, records: usize) -> u64 {
        if self.repeated { 0 } else { records as u64 }
    }
}

/// Parses the records of a body; a long body is parsed on a blocking thread.
///
/// # Errors
/// The errors of `read`.
pub(super) async fn records<T: Send + 'static>(
    body: DecodedBody,
    read: impl FnOnce(&Bytes) -> Result<T> + Send + 'static,
) -> Result<T> {
    if body.was_encoded() || body.bytes.len() > APPEND_INLINE_BYTES {
        blocking_in_turn(PARSING.acquire(), move || read(&body.bytes)).await
    } else {
        read(&body.bytes)
    }
}

fn producer(query: &Query<'_>) -> Result<Option<(String, u64)>> {
    let sequence = query.parsed::<u64>("sequence", "the number of a request, from 0")?;
    match (query.one("producer")?, sequence) {
        (None, None) => Ok(None),
        (Some(id), Some(sequence)) => Ok(Some((id.to_owned(), sequence))),
        (given, _) => {
            let missing = if given.is_some() { "sequence" } else { "producer" };
            let message = format!("parameter {missing} is missing");
            Err(Error::new(Kind::Input, message)
                .remedy("exactly-once appends need producer and sequence, others none of them"))
        }
    }
}

/// Whether this producer has never appended. On a blocking thread: the commit thread holds the
/// table of producers until the disk has answered.
async fn is_new(site: &Site, writer: &Arc<Writer>, id: &str) -> Result<bool> {
    let writer = Arc::clone(writer);
    let id = id.to_owned();
    site.read_log(move |_| Ok(writer.next_sequence(&id)? == 0)).await
}

fn too_many_producers() -> Problem {
    let detail = format!(
        "{NEW_PRODUCERS_MAX} producers are new within an hour, which is the limit (go on with \
         those that exist, or come back later)"
    );
    Problem::new(StatusCode::TOO_MANY_REQUESTS, Kind::Busy.name(), detail)
}

fn stopped() -> Error {
    Error::new(Kind::Stopped, "the log's writer has stopped").remedy("restart the process")
}

/// Waits until readers see `epoch`, and gives the dataflows that read one of `streams` and do not
/// show it by `deadline`.
async fn behind(site: &Site, streams: &[Arc<str>], epoch: Epoch, deadline: Instant) -> Vec<String> {
    let mut behind = Vec::new();
    let reads = |name: &String| streams.iter().any(|stream| **stream == **name);
    for flow in site.flows.iter().filter(|flow| flow.streams().iter().any(reads)) {
        let mut frontier = flow.frontier.clone();
        let seen = frontier.wait_for(|upper| *upper > epoch);
        // A dataflow that has failed never shows it; it is listed when the time is up.
        if !matches!(tokio::time::timeout_at(deadline, seen).await, Ok(Ok(_))) {
            behind.push(flow.name.clone());
        }
    }
    behind
}
