//! The metrics at `/metrics`, for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::exposition::Exposition;
use super::openapi::Routes;
use super::request_parameters::NoQuery;
use diptych_base::error::Result;
use diptych_base::io::{Clock, RealClock, cpu_time, resident_bytes};
use diptych_base::time::Epoch;
use diptych_dataflow::StateSize;
use diptych_serving::{IndexStatus, VerifiedStatus, ViewStatus};
use diptych_site::problem::Problem;
use diptych_site::site::Site;
use diptych_site::{ConcernKind, problem};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Frontiers, lag, sizes, requests, in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", responses(
    (status = 200, description = "Samples", body = String, content_type = "text/plain"),
    (status = 400, description = "It takes no parameters", body = problem::ProblemDocument,
     content_type = "application/problem+json")))]
async fn metrics(State(site): State<Arc<Site>>, _: NoQuery) -> Result<impl IntoResponse, Problem> {
    let exposing = Arc::clone(&site);
    let text = site.read_log(move |_| Ok(exposed(&exposing))).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}

fn exposed(site: &Site) -> String {
    let mut text = Exposition::default();
    let version = env!("CARGO_PKG_VERSION");
    text.gauge("diptych_build_info", "Always 1; its label is the version of the library.")
        .sample(&[("version", version)], 1);
    let end = site.log_end();
    concerns(&mut text, site);
    let flows: Vec<Looked> = site.flows.iter().map(|flow| Looked::at(site, flow, end)).collect();
    frontiers(&mut text, &flows, end);
    verifications(&mut text, &flows);
    late_events(&mut text, &flows);
    state(&mut text, &flows);
    views(&mut text, &flows);
    log(&mut text, site);
    clients(&mut text, site);
    process(&mut text);
    text.finish()
}

/// Writes the concerns, and the room left on the disk.
fn concerns(text: &mut Exposition, site: &Site) {
    let now = site.concerns();
    let help = "States that somebody must look at, by kind: /v1/status says what and why.";
    let mut family = text.gauge("diptych_concerns", help);
    for kind in ConcernKind::ALL {
        let count = now.iter().filter(|concern| concern.kind == kind).count();
        family.sample(&[("kind", kind.name())], count);
    }
    if let Ok(Some(space)) = site.control.space() {
        text.gauge("diptych_disk_available_bytes", "Room on the data directory's disk.")
            .sample(&[], space.available);
        text.gauge("diptych_disk_bytes", "Size of the data directory's disk.")
            .sample(&[], space.total);
    }
}

/// The state of a dataflow at the moment of the scrape.
struct Looked {
    name: String,
    status: IndexStatus,
    verified: Option<Epoch>,
    verifications: VerifiedStatus,
    runs: bool,
    stale: bool,
    late_events: u64,
    state: StateSize,
    lag_seconds: f64,
    lag_epochs: Epoch,
    lag_bytes: Option<u64>,
    rebuilding: bool,
}

impl Looked {
    fn at(site: &Site, flow: &diptych_site::Flow, end: Epoch) -> Looked {
        let index = flow.serving.index();
        let status = index.status();
        let stale = index.is_stale();
        let lag_epochs = end.saturating_sub(status.upper);
        // The time for which the first epoch that is not visible has been durable.
        let waits = (lag_epochs > 0).then(|| site.reader.clock(status.upper).ok()).flatten();
        let lag_us = waits.map_or(0, |since| RealClock.now_us().saturating_sub(since).max(0));
        let backlog = site.writer.as_ref().map(|writer| writer.backlog(status.upper));
        Looked {
            rebuilding: site.control.rebuilding(&flow.name).is_some(),
            name: flow.name.clone(),
            verified: flow.serving.verified().snapshot().map(|snapshot| snapshot.upper()),
            verifications: flow.serving.verified().status(),
            late_events: site.control.late_events(&flow.name),
            state: site.control.state_size(&flow.name),
            runs: site.control.failure(&flow.name).is_none(),
            lag_seconds: lag_us as f64 / 1e6,
            stale,
            lag_epochs,
            lag_bytes: backlog.map(|backlog| backlog.bytes),
            status,
        }
    }
}

fn frontiers(text: &mut Exposition, flows: &[Looked], end: Epoch) {
    type Figure = fn(&Looked) -> Option<f64>;
    text.gauge("diptych_log_upper_epoch", "First epoch that is not durable.").sample(&[], end);
    let families: [(&'static str, &str, Figure); 11] = [
        ("diptych_dataflow_up", "Whether the dataflow runs.", |flow| {
            Some(f64::from(u8::from(flow.runs)))
        }),
        ("diptych_dataflow_rebuilding", "Whether a retraction has it recomputed.", |flow| {
            Some(f64::from(u8::from(flow.rebuilding)))
        }),
        ("diptych_since_epoch", "First epoch that memory answers at.", |flow| {
            Some(flow.status.since as f64)
        }),
        ("diptych_upper_epoch", "First epoch that is not complete.", |flow| {
            Some(flow.status.upper as f64)
        }),
        ("diptych_boundary_epoch", "Where the batch layer's part ends.", |flow| {
            Some(flow.status.boundary as f64)
        }),
        ("diptych_verified_epoch", "First epoch that is not verified.", |flow| {
            flow.verified.map(|epoch| epoch as f64)
        }),
        ("diptych_lag_epochs", "Durable epochs that are not visible.", |flow| {
            Some(flow.lag_epochs as f64)
        }),
        ("diptych_lag_bytes", "Events in the epochs that are not visible.", |flow| {
            flow.lag_bytes.map(|bytes| bytes as f64)
        }),
        ("diptych_lag_seconds", "Age of the first durable epoch that is not visible.", |flow| {
            Some(flow.lag_seconds)
        }),
        ("diptych_stale", "Whether it is still catching up since the start.", |flow| {
            Some(f64::from(u8::from(flow.stale)))
        }),
        ("diptych_leases", "Snapshots that are held.", |flow| Some(flow.status.leases as f64)),
    ];
    for (name, help, figure) in families {
        let mut family = text.gauge(name, help);
        for flow in flows {
            if let Some(value) = figure(flow) {
                family.sample(&[("dataflow", &flow.name)], value);
            }
        }
    }
}

fn verifications(text: &mut Exposition, flows: &[Looked]) {
    let help = "Recomputations that were compared with what is served.";
    let mut family = text.counter("diptych_verifications_total", help);
    for flow in flows {
        family.sample(&[("dataflow", &flow.name)], flow.verifications.total);
    }
    let help = "Of these, those that differed.";
    let mut family = text.counter("diptych_verifications_differed_total", help);
    for flow in flows {
        family.sample(&[("dataflow", &flow.name)], flow.verifications.differed);
    }
    let help = "How long the last verification took.";
    let mut family = text.gauge("diptych_verification_seconds", help);
    for flow in flows.iter().filter(|flow| flow.verifications.total > 0) {
        let seconds = flow.verifications.took.as_secs_f64();
        family.sample(&[("dataflow", &flow.name)], seconds);
    }
}

fn late_events(text: &mut Exposition, flows: &[Looked]) {
    let help = "Events that were older than what is kept when they came.";
    let mut family = text.counter("diptych_late_events_total", help);
    for flow in flows {
        family.sample(&[("dataflow", &flow.name)], flow.late_events);
    }
}

fn state(text: &mut Exposition, flows: &[Looked]) {
    let help = "Entries of accumulations, in memory and in the files of a batch view.";
    let mut family = text.gauge("diptych_state_entries", help);
    for flow in flows {
        family.sample(&[("dataflow", &flow.name), ("place", "memory")], flow.state.resident);
        family.sample(&[("dataflow", &flow.name), ("place", "files")], flow.state.stored);
    }
    let help = "Estimated bytes of the entries of accumulations in memory.";
    let mut family = text.gauge("diptych_state_resident_bytes", help);
    for flow in flows {
        family.sample(&[("dataflow", &flow.name)], flow.state.resident_bytes);
    }
}

fn views(text: &mut Exposition, flows: &[Looked]) {
    type Figure = fn(&ViewStatus) -> f64;
    let families: [(&'static str, &str, Figure); 8] = [
        ("diptych_view_rows", "Rows of the view.", |view| view.rows as f64),
        ("diptych_view_stored_rows", "Rows in the files that memory stands on.", |view| {
            view.stored_rows as f64
        }),
        ("diptych_view_updates", "Rows, and what history adds.", |view| view.updates as f64),
        ("diptych_view_keys", "Keys of the view; one counts once per batch.", |view| {
            view.keys as f64
        }),
        ("diptych_view_batches", "Batches the view is in.", |view| view.batches as f64),
        ("diptych_view_memory_bytes", "Heap memory of the view.", |view| view.memory_bytes as f64),
        ("diptych_view_past_bytes", "Of it, kept for readers of earlier epochs.", |view| {
            view.past_bytes as f64
        }),
        (
            "diptych_view_recent_bytes",
            "Heap memory of the latest changes, shared in part with the view.",
            |view| view.recent_bytes as f64,
        ),
    ];
    for (name, help, figure) in families {
        let mut family = text.gauge(name, help);
        for flow in flows {
            for view in &flow.status.views {
                let labels = [("dataflow", &*flow.name), ("view", &*view.name)];
                family.sample(&labels, figure(view));
            }
        }
    }
}

fn log(text: &mut Exposition, site: &Site) {
    let mut events = text.counter("diptych_log_events_total", "Events in the log.");
    for stream in site.reader.streams() {
        events.sample(&[("stream", &stream.name)], stream.rows);
    }
    let help = "Lines of standard input that were no records and were skipped.";
    text.counter("diptych_stdin_lines_skipped_total", help)
        .sample(&[], site.load.skipped_lines.load(std::sync::atomic::Ordering::Relaxed));
    text.gauge("diptych_log_bytes", "Events on disk.").sample(&[], site.reader.bytes());
}

fn clients(text: &mut Exposition, site: &Site) {
    use std::sync::atomic::Ordering::Relaxed;
    let load = &site.load;
    if let Some(requests) = load.requests.get() {
        let mut total = text.counter("diptych_http_requests_total", "Answers over HTTP.");
        for route in requests.routes() {
            for (status, count) in route.statuses() {
                total.sample(&[("path", route.path()), ("status", &status.to_string())], count);
            }
        }
        let help = "Time from a request to the head of its answer.";
        let mut times = text.histogram("diptych_http_request_duration_seconds", help);
        for route in requests.routes() {
            let (bounded, count, sum) = route.latencies();
            if count > 0 {
                times.distribution(&[("path", route.path())], &bounded, count, sum);
            }
        }
    }
    let subscriptions = &load.subscriptions;
    text.gauge("diptych_subscriptions", "Subscriptions to changes.")
        .sample(&[], subscriptions.count());
    text.counter("diptych_subscription_changes_total", "Changes delivered to subscriptions.")
        .sample(&[], subscriptions.changes.load(Relaxed));
    text.counter("diptych_subscriptions_stalled_total", "Subscriptions cut: they took nothing.")
        .sample(&[], subscriptions.stalled.load(Relaxed));
    let replays = load.replays.counts();
    text.gauge("diptych_replays", "Recomputations for clients.")
        .sample(&[("state", "running")], replays.running)
        .sample(&[("state", "waiting")], replays.waiting)
        .sample(&[("state", "held")], replays.held);
}

fn process(text: &mut Exposition) {
    if let Some(bytes) = resident_bytes() {
        text.gauge("process_resident_memory_bytes", "Resident memory.").sample(&[], bytes);
    }
    text.counter("process_cpu_seconds_total", "Processor time of all threads.")
        .sample(&[], cpu_time().as_secs_f64());
}
