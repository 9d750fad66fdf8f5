//! The catalog over HTTP: dataflows, their views, and the streams that they read.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::json_answer::json_of;
use super::openapi::Routes;
use super::request_parameters::{NoQuery, segment};
use diptych_base::time::Epoch;
use diptych_row::Column;
use diptych_site::problem::{self, Problem};
use diptych_site::site::{Flow, Site};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(dataflows))
        .routes(routes!(dataflow))
        .routes(routes!(streams))
}

/// A dataflow, and what it publishes.
#[derive(Serialize, ToSchema)]
struct DataflowInfo {
    /// Its name.
    dataflow: String,
    /// Its version.
    version: String,
    /// The last complete epoch; null when there is none yet.
    #[schema(required)]
    epoch: Option<Epoch>,
    /// Where the batch layer's part ends.
    boundary: Epoch,
    /// The streams it reads.
    streams: Vec<String>,
    /// The views it publishes.
    views: Vec<ViewColumns>,
}

/// A view.
#[derive(Serialize, ToSchema)]
struct ViewColumns {
    /// Its name.
    view: String,
    /// The columns of its key, most significant first; rows are in their order.
    key: Vec<ColumnInfo>,
    /// The columns of its value.
    value: Vec<ColumnInfo>,
}

/// A column.
#[derive(Serialize, ToSchema)]
struct ColumnInfo {
    /// Its name.
    name: String,
    /// The type of its values.
    r#type: String,
    /// May it be null?
    nullable: bool,
}

/// Several dataflows.
#[derive(Serialize, ToSchema)]
struct DataflowList {
    /// In the order they were started with.
    dataflows: Vec<DataflowInfo>,
}

/// A stream.
#[derive(Serialize, ToSchema)]
struct StreamColumns {
    /// Its name.
    stream: String,
    /// The columns of its events, in the types of Arrow.
    columns: Vec<ColumnInfo>,
    /// The dataflows that read it.
    dataflows: Vec<String>,
    /// Does this process take appends?
    appends: bool,
}

/// Several streams.
#[derive(Serialize, ToSchema)]
struct StreamList {
    /// Each once.
    streams: Vec<StreamColumns>,
}

/// The dataflows that are served.
#[utoipa::path(get, path = "/v1/dataflows", tag = "views",
    responses(
        (status = 200, description = "Dataflows, views, columns", body = DataflowList),
        (status = 400, description = "A parameter is wrong", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
    ))]
async fn dataflows(State(site): State<Arc<Site>>, _: NoQuery) -> Result<Response, Problem> {
    Ok(json_of(&DataflowList { dataflows: site.flows.iter().map(describe).collect() }))
}

/// A dataflow that is served.
#[utoipa::path(get, path = "/v1/dataflows/{dataflow}", tag = "views",
    params(("dataflow" = String, Path, description = "A served dataflow")),
    responses(
        (status = 200, description = "Its views and their columns", body = DataflowInfo),
        (status = 400, description = "A parameter is wrong", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 404, description = "No such dataflow", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
    ))]
async fn dataflow(
    State(site): State<Arc<Site>>,
    _: NoQuery,
    uri: Uri,
) -> Result<Response, Problem> {
    let name = segment(&uri, 2)?;
    Ok(json_of(&describe(site.flow(&name)?)))
}

/// The streams that the served dataflows read.
#[utoipa::path(get, path = "/v1/streams", tag = "streams",
    responses(
        (status = 200, description = "Streams and their columns", body = StreamList),
        (status = 400, description = "A parameter is wrong", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
    ))]
async fn streams(State(site): State<Arc<Site>>, _: NoQuery) -> Result<Response, Problem> {
    let streams = site.streams.iter().map(|stream| {
        let columns = stream.schema.fields().iter().map(|field| ColumnInfo {
            name: field.name().clone(),
            r#type: field.data_type().to_string(),
            nullable: field.is_nullable(),
        });
        let readers = site.flows.iter().filter(|flow| flow.streams().contains(&stream.name));
        StreamColumns {
            stream: stream.name.clone(),
            columns: columns.collect(),
            dataflows: readers.map(|flow| flow.name.clone()).collect(),
            appends: site.appends(),
        }
    });
    Ok(json_of(&StreamList { streams: streams.collect() }))
}

fn describe(flow: &Flow) -> DataflowInfo {
    let column = |column: &Column| ColumnInfo {
        name: column.name.clone(),
        r#type: column.ty.to_string(),
        nullable: column.nullable,
    };
    let index = flow.serving.index();
    let version = index.version().to_owned();
    let latest = index.latest();
    let views = index.views().iter().map(|view| ViewColumns {
        view: view.name.clone(),
        key: view.schema.key.iter().map(column).collect(),
        value: view.schema.value.iter().map(column).collect(),
    });
    DataflowInfo {
        dataflow: flow.name.clone(),
        version,
        epoch: latest.epoch(),
        boundary: latest.boundary(),
        streams: flow.streams().to_vec(),
        views: views.collect(),
    }
}
