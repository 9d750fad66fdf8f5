//! A sample of a server or a data directory: its state at one moment.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::dataflow_catalog::Dataflows;
use crate::remote::Remote;
use diptych_base::error::Result;
use diptych_base::time::Epoch;
use diptych_system::System;

/// Paths of reads, as the server counts them.
const READS: [&str; 3] =
    ["/v1/dataflows/{dataflow}/views/{view}", "/v1/dataflows/{dataflow}/snapshot", "/v1/sql"];

/// The state of everything at one moment.
pub(super) struct TopSample {
    pub(super) taken: Instant,
    /// The server or directory.
    pub(super) place: String,
    pub(super) uptime: Option<Duration>,
    pub(super) lower: Epoch,
    pub(super) upper: Epoch,
    /// Bytes of events on disk.
    pub(super) log_bytes: Option<u64>,
    /// Resident memory of the server.
    pub(super) resident: Option<u64>,
    /// Answers so far; none when they are not counted.
    pub(super) reads: Option<u64>,
    /// Streams with their rows.
    pub(super) streams: Vec<(String, u64)>,
    pub(super) flows: Vec<ShownFlow>,
    pub(super) files: Vec<ShownBatchView>,
    /// The concerns that a server reports, the longest-lasting first.
    pub(super) concerns: Vec<ShownConcern>,
}

/// A concern that needs an operator.
pub(super) struct ShownConcern {
    pub(super) kind: String,
    /// None when it concerns the whole process.
    pub(super) dataflow: Option<String>,
    /// The time when it was first seen, by the server's clock: microseconds since 1970.
    pub(super) since_us: i64,
    pub(super) reason: String,
    pub(super) remedy: String,
}

/// A dataflow that is served.
pub(super) struct ShownFlow {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) boundary: Epoch,
    pub(super) since: Epoch,
    pub(super) upper: Epoch,
    pub(super) verified: Option<Epoch>,
    /// Durable epochs that readers do not see yet.
    pub(super) lag: u64,
    /// How long the first of them has been durable, in seconds.
    pub(super) lag_seconds: Option<f64>,
    pub(super) failure: Option<String>,
    /// Why its readers stay at this epoch until it has been recomputed.
    pub(super) rebuilding: Option<String>,
    /// Events in the streams that it reads.
    pub(super) events: u64,
    /// Its views, and behind them its accumulations.
    pub(super) state: Vec<ShownState>,
    pub(super) operators: Vec<Operator>,
}

/// A view, or the accumulations of a dataflow.
pub(super) struct ShownState {
    pub(super) name: String,
    /// All rows of a view; entries in memory of accumulations.
    pub(super) rows: u64,
    /// Those in the files of a batch view.
    pub(super) stored: u64,
    /// Bytes in memory.
    pub(super) bytes: u64,
}

/// An operator of a dataflow.
pub(super) struct Operator {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) busy: Duration,
    pub(super) records_in: u64,
    pub(super) records_held: u64,
}

/// A batch view on disk.
pub(super) struct ShownBatchView {
    pub(super) dataflow: String,
    pub(super) version: String,
    pub(super) boundary: Epoch,
    pub(super) bytes: u64,
    /// Name and rows.
    pub(super) views: Vec<(String, u64)>,
}

impl TopSample {
    /// Takes a sample of a server.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub(super) fn of_server(server: &Remote) -> Result<TopSample> {
        let taken = Instant::now();
        let status = server.get("/v1/status", &[])?;
        let metrics = server.text("/metrics", &[])?;
        let log = &status["log"];
        let streams: Vec<_> = list(&log["streams"])
            .filter_map(|stream| {
                Some((stream["stream"].as_str()?.to_owned(), stream["rows"].as_u64()?))
            })
            .collect();
        let mut flows = Vec::new();
        for flow in list(&status["dataflows"]) {
            let mut flow = ShownFlow::of(flow, &streams);
            flow.lag_seconds = metric(&metrics, "diptych_lag_seconds", |labels| {
                label(labels, "dataflow") == Some(&flow.name)
            });
            flow.operators = operators(server, &flow.name)?;
            flows.push(flow);
        }
        let reads = metric(&metrics, "diptych_http_requests_total", |labels| {
            label(labels, "path").is_some_and(|path| READS.contains(&path))
        });
        Ok(TopSample {
            taken,
            place: server.base().to_owned(),
            uptime: status["uptime_seconds"]
                .as_f64()
                .and_then(|s| Duration::try_from_secs_f64(s).ok()),
            lower: log["lower"].as_u64().unwrap_or(0),
            upper: log["upper"].as_u64().unwrap_or(0),
            log_bytes: metric(&metrics, "diptych_log_bytes", |_| true).map(|bytes| bytes as u64),
            resident: metric(&metrics, "process_resident_memory_bytes", |_| true)
                .map(|bytes| bytes as u64),
            reads: reads.map(|count| count as u64),
            streams,
            flows,
            files: Vec::new(),
            concerns: list(&status["concerns"]).map(ShownConcern::of).collect(),
        })
    }

    /// Takes a sample of a data directory: the log, and the newest batch view of each known
    /// dataflow.
    ///
    /// # Errors
    /// When there is no log, or it is damaged.
    pub(super) fn of_data(system: &System, catalog: &Dataflows) -> Result<TopSample> {
        let taken = Instant::now();
        let reader = system.reader()?;
        let upper = reader.upper()?;
        let mut files = Vec::new();
        for definition in catalog.all() {
            let Some(found) = system.newest(&definition.describe()?, upper)?.0 else { continue };
            let identity = found.identity();
            let mut views = Vec::new();
            for view in found.views() {
                views.push((view.name.clone(), found.view_size(&view.name)?.0));
            }
            files.push(ShownBatchView {
                dataflow: identity.dataflow,
                version: identity.version,
                boundary: found.boundary(),
                bytes: found.bytes(),
                views,
            });
        }
        let streams = reader.streams().into_iter();
        Ok(TopSample {
            taken,
            place: system.root().display().to_string(),
            uptime: None,
            lower: reader.lower(),
            upper,
            log_bytes: Some(reader.bytes()),
            resident: None,
            reads: None,
            streams: streams.map(|stream| (stream.name.to_string(), stream.rows)).collect(),
            flows: Vec::new(),
            files,
            concerns: Vec::new(),
        })
    }

    /// Events in all streams.
    pub(super) fn events(&self) -> u64 {
        self.streams.iter().map(|(_, rows)| rows).sum()
    }
}

impl ShownConcern {
    fn of(concern: &Value) -> ShownConcern {
        let text = |name: &str| concern[name].as_str().unwrap_or_default().to_owned();
        ShownConcern {
            kind: text("kind"),
            dataflow: concern["dataflow"].as_str().map(str::to_owned),
            since_us: concern["since_us"].as_i64().unwrap_or(0),
            reason: text("reason"),
            remedy: text("remedy"),
        }
    }
}

impl ShownFlow {
    fn of(status: &Value, streams: &[(String, u64)]) -> ShownFlow {
        let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
        let epoch = |name: &str| status[name].as_u64().unwrap_or(0);
        let read = |name: &str| list(&status["streams"]).any(|stream| stream == name);
        let views = list(&status["views"]).map(|view| {
            let number = |name: &str| view[name].as_u64().unwrap_or(0);
            let name = view["view"].as_str().unwrap_or_default().to_owned();
            let bytes = number("bytes") + number("recent_bytes");
            ShownState { name, rows: number("rows"), stored: number("stored_rows"), bytes }
        });
        let number = |name: &str| status["state"][name].as_u64().unwrap_or(0);
        let accumulations = ShownState {
            name: "(accumulations)".to_owned(),
            rows: number("resident"),
            stored: number("stored"),
            bytes: number("resident_bytes"),
        };
        ShownFlow {
            name: text("dataflow"),
            version: text("version"),
            boundary: epoch("boundary"),
            since: epoch("since"),
            upper: epoch("upper"),
            verified: status["verified"].as_u64(),
            lag: epoch("lag"),
            lag_seconds: None,
            failure: status["failure"].as_str().map(str::to_owned),
            rebuilding: status["rebuilding"].as_str().map(str::to_owned),
            events: streams.iter().filter(|(name, _)| read(name)).map(|(_, rows)| rows).sum(),
            state: views.chain([accumulations]).collect(),
            operators: Vec::new(),
        }
    }
}

/// The operators of a dataflow, without the scopes around them.
fn operators(server: &Remote, dataflow: &str) -> Result<Vec<Operator>> {
    let graph = match server.graph(dataflow) {
        // The server keeps no figures, or the dataflow was never installed.
        Err(error) if error.is_missing() => return Ok(Vec::new()),
        graph => graph?,
    };
    let operators = list(&graph["operators"]).filter_map(|operator| {
        operator["parent"].as_u64()?;
        Some(Operator {
            id: operator["id"].as_u64()?,
            name: operator["name"].as_str()?.to_owned(),
            busy: Duration::from_nanos(operator["busy_ns"].as_u64()?),
            records_in: operator["records_in"].as_u64()?,
            records_held: operator["records_held"].as_u64()?,
        })
    });
    Ok(operators.collect())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

/// The sum of a metric's samples whose labels are wanted; none when there are none.
fn metric(text: &str, name: &str, wanted: impl Fn(&str) -> bool) -> Option<f64> {
    let samples = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let labels = match labels {
            "" => "",
            some => some.strip_prefix('{')?.strip_suffix('}')?,
        };
        wanted(labels).then(|| value.parse::<f64>().ok()).flatten()
    });
    samples.reduce(|sum, value| sum + value)
}

/// The value of a label. Names of dataflows and paths need no escapes to be found.
fn label<'l>(labels: &'l str, name: &str) -> Option<&'l str> {
    let rest = labels.split_once(&format!("{name}=\""))?.1;
    rest.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_by_label() {
        let text = "# TYPE hits counter\nhits{path=\"/a/{b}\",status=\"200\"} 2\n\
                    hits{path=\"/a/{b}\",status=\"404\"} 1\nhits{path=\"/c\",status=\"200\"} 7\n\
                    hits_more 9\nsize 4.5\n";
        let hits = |path| metric(text, "hits", |labels| label(labels, "path") == Some(path));
        assert_eq!(hits("/a/{b}"), Some(3.0));
        assert_eq!(hits("/d"), None);
        assert_eq!(metric(text, "size", |_| true), Some(4.5));
    }
}
