//! A dataflow as a graph: its operators and channels, with their counters.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::openapi::Routes;
use super::request_parameters::{NoQuery, segment};
use diptych_dataflow::{GraphChannel, GraphOperator};
use diptych_site::problem::Problem;
use diptych_site::site::Site;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(graph))
}

/// A compiled dataflow, with what has gone through it since the process serves it.
#[derive(Serialize, ToSchema)]
#[schema(as = Graph)]
struct Drawn {
    /// The dataflow.
    dataflow: String,
    /// Its version.
    version: String,
    /// Workers of this process, whose figures are added up.
    workers: usize,
    /// A scope comes before what is in it; the first is the dataflow itself.
    operators: Vec<Operator>,
    /// Edges between them.
    channels: Vec<Channel>,
}

/// An operator, or a scope of operators.
#[derive(Serialize, ToSchema)]
struct Operator {
    /// Tells it from the others.
    id: usize,
    /// The name that the engine gives it.
    name: String,
    /// The scopes around it, outermost first.
    scope: Vec<usize>,
    /// The innermost scope around it; null for the dataflow itself.
    #[schema(required)]
    parent: Option<usize>,
    /// Records that have arrived.
    records_in: u64,
    /// Records that have left.
    records_out: u64,
    /// Processor time, without that of operators inside.
    busy_ns: u64,
    /// Updates in the arrangement it keeps.
    records_held: u64,
}

/// An edge. One that begins or ends at the scope it is in goes through the scope's border.
#[derive(Serialize, ToSchema)]
struct Channel {
    /// Where it begins: an output.
    from: Port,
    /// Where it ends: an input.
    to: Port,
    /// Records that were sent.
    records: u64,
}

/// An input or output of an operator.
#[derive(Serialize, ToSchema)]
struct Port {
    /// The operator.
    id: usize,
    /// Inputs and outputs count from 0.
    port: usize,
}

/// The operators of a dataflow, how busy they are and what goes through them.
#[utoipa::path(get, path = "/v1/dataflows/{dataflow}/graph", tag = "dataflows",
    params(("dataflow" = String, Path, description = "The dataflow")),
    responses(
        (status = 200, description = "The graph", body = Drawn),
        (status = 400, description = "A parameter is wrong",
         body = diptych_site::problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 404, description = "No such dataflow",
         body = diptych_site::problem::ProblemDocument,
         content_type = "application/problem+json")))]
async fn graph(
    State(site): State<Arc<Site>>,
    _: NoQuery,
    uri: Uri,
) -> Result<Json<Drawn>, Problem> {
    let flow = site.flow(&segment(&uri, 2)?)?;
    let graph = site.control.graph(&flow.name)?;
    let version = flow.serving.index().version().to_owned();
    Ok(Json(Drawn {
        dataflow: flow.name.clone(),
        version,
        workers: graph.workers,
        operators: graph.operators.into_iter().map(Operator::from).collect(),
        channels: graph.channels.iter().map(Channel::from).collect(),
    }))
}

impl From<GraphOperator> for Operator {
    fn from(operator: GraphOperator) -> Operator {
        Operator {
            id: operator.id,
            name: operator.name,
            parent: operator.scope.last().copied(),
            scope: operator.scope,
            records_in: operator.records_in,
            records_out: operator.records_out,
            busy_ns: u64::try_from(operator.busy.as_nanos()).unwrap_or(u64::MAX),
            records_held: operator.records_held,
        }
    }
}

impl From<&GraphChannel> for Channel {
    fn from(channel: &GraphChannel) -> Channel {
        let port = |(id, port)| Port { id, port };
        Channel { from: port(channel.from), to: port(channel.to), records: channel.records }
    }
}
