//! The status: how far each dataflow is, and how much memory it takes.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::json_answer::json_of;
use super::openapi::Routes;
use super::request_parameters::NoQuery;
use diptych_base::error::Result;
use diptych_base::time::Epoch;
use diptych_dataflow::StateSize;
use diptych_serving::IndexStatus;
use diptych_site::problem::Problem;
use diptych_site::site::{Flow, Site};
use diptych_site::{Concern, problem};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(status))
}

/// The state of the process.
#[derive(Serialize, ToSchema)]
struct Status {
    /// Since when the servers run.
    uptime_seconds: f64,
    /// The master dataset.
    log: LogStatus,
    /// The served dataflows.
    dataflows: Vec<FlowStatus>,
    /// The states that need an operator, the longest-lasting first; any of them makes `/readyz` a
    /// 503.
    concerns: Vec<Concern>,
}

/// The log.
#[derive(Serialize, ToSchema)]
struct LogStatus {
    /// The first epoch it holds.
    lower: Epoch,
    /// The first epoch that is not durable yet.
    upper: Epoch,
    /// Does this process append to it? Not any more when a sync has failed: see `concerns`.
    appends: bool,
    /// Lines of standard input (`--stdin`) that were no records and were skipped.
    stdin_lines_skipped: u64,
    /// The streams in it.
    streams: Vec<StreamStatus>,
}

/// A stream in the log.
#[derive(Serialize, ToSchema)]
struct StreamStatus {
    /// Its name.
    stream: String,
    /// Events in it.
    rows: u64,
}

/// A dataflow.
#[derive(Serialize, ToSchema)]
struct FlowStatus {
    /// Its name.
    dataflow: String,
    /// Its version.
    version: String,
    /// The last complete epoch; null when there is none yet.
    #[schema(required)]
    epoch: Option<Epoch>,
    /// The earliest epoch that the index answers at.
    since: Epoch,
    /// The first epoch that is not complete.
    upper: Epoch,
    /// Where the batch layer's part ends.
    boundary: Epoch,
    /// Is it still catching up with what was in the log when the process was started? Answers may
    /// be read from the files of a batch view until then.
    stale: bool,
    /// Epochs in the log that readers do not see yet.
    lag: u64,
    /// For how long the first of them has been durable, since this process appends; null when
    /// another one does.
    #[schema(required)]
    lag_seconds: Option<f64>,
    /// Bytes of the events in them; null as above.
    #[schema(required)]
    lag_bytes: Option<u64>,
    /// The last epoch that an independent batch run has proved; null when there is none.
    #[schema(required)]
    verified: Option<Epoch>,
    /// The epoch at which the last verification found that the served rows differ from a
    /// recomputation from the events; null when it found none.
    #[schema(required)]
    differs_at: Option<Epoch>,
    /// Why it stopped; null while it runs.
    #[schema(required)]
    failure: Option<String>,
    /// Events, since this process began to serve it, that were older than what it keeps when they
    /// came: they changed nothing.
    late_events: u64,
    /// Why readers stay at this epoch until it has been recomputed: a retraction that an
    /// accumulation cannot undo; null while it goes on.
    #[schema(required)]
    rebuilding: Option<String>,
    /// Snapshots that readers hold.
    leases: usize,
    /// The streams it reads.
    streams: Vec<String>,
    /// Its accumulations.
    state: StateStatus,
    /// Its views.
    views: Vec<ViewStatus>,
}

/// The accumulations of a dataflow, as far as they are no arrangements.
#[derive(Serialize, ToSchema)]
struct StateStatus {
    /// Entries in memory.
    resident: u64,
    /// Bytes of these, estimated.
    resident_bytes: u64,
    /// Entries in the files of a batch view; some are in memory, too, with a later result.
    stored: u64,
}

/// A view.
#[derive(Serialize, ToSchema)]
struct ViewStatus {
    /// Its name.
    view: String,
    /// Its rows, each as often as it is there.
    rows: isize,
    /// Rows in the files of a batch view, on which those in memory stand.
    stored_rows: u64,
    /// Updates in memory: the rows, and what history adds to them.
    updates: usize,
    /// Its keys; one counts once in each batch that holds it.
    keys: usize,
    /// Immutable batches that hold it.
    batches: usize,
    /// Memory of the batches.
    bytes: usize,
    /// Of these, what is kept for readers of earlier epochs.
    past_bytes: usize,
    /// Memory of the latest changes, kept for subscribers.
    recent_bytes: usize,
}

/// Returns how far every dataflow is, and how much memory it takes.
#[utoipa::path(get, path = "/v1/status", tag = "status",
    responses(
        (status = 200, description = "The status", body = Status),
        (status = 400, description = "A parameter is wrong", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 500, description = "The work ended early", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
    ))]
async fn status(State(site): State<Arc<Site>>, _: NoQuery) -> Result<Response, Problem> {
    let asked = Arc::clone(&site);
    // A log that cannot be read is among the concerns.
    let log = site.read_log(move |log| Ok((log.lower(), asked.log_end(), log.streams())));
    let (lower, upper, streams) = log.await?;
    let streams = streams.into_iter();
    let streams =
        streams.map(|info| StreamStatus { stream: info.name.to_string(), rows: info.rows });
    let log = LogStatus {
        lower,
        upper,
        appends: site.appends(),
        stdin_lines_skipped: site.load.skipped_lines.load(Relaxed),
        streams: streams.collect(),
    };
    let dataflows = site.flows.iter().map(|flow| flow_status(&site, flow, upper)).collect();
    let uptime_seconds = site.started.elapsed().as_secs_f64();
    let concerns = site.concerns().to_vec();
    Ok(json_of(&Status { uptime_seconds, log, dataflows, concerns }))
}

fn flow_status(site: &Site, flow: &Flow, end: Epoch) -> FlowStatus {
    let index = flow.serving.index();
    let IndexStatus { version, since, upper, boundary, leases, views } = index.status();
    let views = views.into_iter().map(|view| ViewStatus {
        view: view.name,
        rows: view.rows,
        stored_rows: view.stored_rows,
        updates: view.updates,
        keys: view.keys,
        batches: view.batches,
        bytes: view.memory_bytes,
        past_bytes: view.past_bytes,
        recent_bytes: view.recent_bytes,
    });
    let StateSize { resident, resident_bytes, stored } = site.control.state_size(&flow.name);
    let backlog = site.writer.as_ref().map(|writer| writer.backlog(upper));
    FlowStatus {
        dataflow: flow.name.clone(),
        version,
        epoch: upper.checked_sub(1),
        since,
        upper,
        boundary,
        stale: index.is_stale(),
        lag: end.saturating_sub(upper),
        lag_seconds: backlog.map(|backlog| backlog.age.as_secs_f64()),
        lag_bytes: backlog.map(|backlog| backlog.bytes),
        verified: flow.serving.verified().snapshot().and_then(|snapshot| snapshot.epoch()),
        differs_at: flow.serving.verified().status().differs_at,
        failure: site.control.failure(&flow.name).map(|error| error.to_string()),
        late_events: site.control.late_events(&flow.name),
        rebuilding: site.control.rebuilding(&flow.name),
        leases,
        streams: flow.streams().to_vec(),
        state: StateStatus { resident, resident_bytes, stored },
        views: views.collect(),
    }
}
