//! Verifications over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::openapi::Routes;
use super::request_body::NoBody;
use super::request_parameters::{NoQuery, segment};
use diptych_base::error::Result;
use diptych_base::time::Epoch;
use diptych_serving::Compared;
use diptych_site::problem::Problem;
use diptych_site::site::Site;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(verify))
}

/// The result of a verification.
#[derive(Serialize, ToSchema)]
struct Verification {
    dataflow: String,
    version: String,
    /// The epoch at which both sides were compared.
    epoch: Epoch,
    /// `agrees` or `differs`.
    verdict: &'static str,
    views: Vec<VerifiedView>,
}

/// One view, as served and as recomputed.
#[derive(Serialize, ToSchema)]
struct VerifiedView {
    view: String,
    verdict: &'static str,
    /// Rows that are served, each as often as it is there.
    rows: u64,
    /// An order-free digest of the rows that are served.
    served_digest: String,
    /// The same of the recomputation.
    recomputed_digest: String,
    /// The first rows that differ.
    differing: Vec<DifferingRow>,
}

/// A row that is not there equally often.
#[derive(Serialize, ToSchema)]
struct DifferingRow {
    /// How many more of it the recomputation has.
    diff: i64,
    #[schema(value_type = Object)]
    row: serde_json::Map<String, Value>,
}

/// Recomputes all views from the events alone and compares them with what is served.
///
/// Costs a batch run; it waits its turn among other recomputations. When both agree, reads in mode
/// `verified` answer at this epoch.
#[utoipa::path(post, path = "/v1/dataflows/{dataflow}/verify", tag = "dataflows",
    params(("dataflow" = String, Path, description = "The dataflow")),
    responses(
        (status = 200, description = "Both were computed and compared", body = Verification),
        (status = 400, description = "A parameter is wrong",
         body = diptych_site::problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 404, description = "No such dataflow, or no epoch yet",
         body = diptych_site::problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "Too many recomputations wait; see Retry-After",
         body = diptych_site::problem::ProblemDocument,
          content_type = "application/problem+json")))]
async fn verify(
    State(site): State<Arc<Site>>,
    _: NoQuery,
    uri: Uri,
    _: NoBody,
) -> Result<Json<Verification>, Problem> {
    let flow = site.flow(&segment(&uri, 2)?)?;
    let found = site.verify(flow).await?;
    let verdict = verdict(found.agrees());
    let views = found.views.iter().map(shown).collect::<Result<_>>()?;
    let dataflow = flow.name.clone();
    let version = found.version;
    let epoch = found.epoch;
    Ok(Json(Verification { dataflow, version, epoch, verdict, views }))
}

fn verdict(agrees: bool) -> &'static str {
    if agrees { "agrees" } else { "differs" }
}

fn shown(compared: &Compared) -> Result<VerifiedView> {
    let rows = compared.differing.iter().map(|row| {
        let shown = compared.view.schema.json(&row.key, &row.value)?;
        Ok(DifferingRow { diff: (row.right - row.left) as i64, row: shown })
    });
    Ok(VerifiedView {
        view: compared.view.name.clone(),
        verdict: verdict(compared.agrees()),
        rows: compared.rows,
        served_digest: compared.left.to_string(),
        recomputed_digest: compared.right.to_string(),
        differing: rows.collect::<Result<_>>()?,
    })
}
