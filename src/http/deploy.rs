//! Deployment of another version of a dataflow, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::openapi::Routes;
use super::request_body::NoBody;
use super::request_parameters::{Query, segment, wrong};
use diptych_base::error::Result;
use diptych_base::limits::DEPLOY_SAMPLES_MAX;
use diptych_base::time::Epoch;
use diptych_row::RowSchema;
use diptych_serving::{KeyDiff, Row, ViewDiff};
use diptych_site::blocking::blocking;
use diptych_site::problem::{Problem, ProblemDocument};
use diptych_site::site::Site;
use diptych_system::DeployRequest;
use diptych_system::Deployed;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(deploy))
}

/// The outcome of a deployment, or of its comparison alone.
#[derive(Serialize, ToSchema)]
struct Deployment {
    dataflow: String,
    /// The version that served before; null when the dataflow is new.
    #[schema(required)]
    from: Option<String>,
    /// The new version.
    to: String,
    /// The epoch at which both were compared; null when there was nothing to compare.
    #[schema(required)]
    epoch: Option<Epoch>,
    /// The first frontier that readers of the new version see; null when it was only compared.
    #[schema(required)]
    frontier: Option<Epoch>,
    views: Vec<ViewChange>,
}

/// The difference of a view.
#[derive(Serialize, ToSchema)]
struct ViewChange {
    view: String,
    /// Rows of keys that are new, or have more than before.
    added: u64,
    /// Rows of keys that only lost some.
    removed: u64,
    /// Keys that lost some rows and got others.
    changed: u64,
    /// Why rows cannot be compared; null when they can.
    #[schema(required)]
    note: Option<String>,
    /// The first keys that differ.
    samples: Vec<KeyChange>,
}

/// The difference of one key.
#[derive(Serialize, ToSchema)]
struct KeyChange {
    #[schema(value_type = Vec<Object>)]
    before: Vec<Map<String, Value>>,
    #[schema(value_type = Vec<Object>)]
    after: Vec<Map<String, Value>>,
}

/// Lets another version of a dataflow that is in this binary serve: it is recomputed and caught up
/// beside the one that serves, compared with it row by row, and all its views are cut over at one
/// frontier. Asked for with the older version, it goes back.
///
/// Costs an incremental batch run. Readers go on meanwhile; when it fails, nothing changes.
#[utoipa::path(post, path = "/v1/dataflows/{dataflow}/deploy", tag = "dataflows",
    params(
        ("dataflow" = String, Path, description = "The dataflow; it need not be served yet"),
        ("version" = Option<String>, Query,
         description = "Which version; may be left out when one alone is not served"),
        ("diff_only" = Option<bool>, Query, description = "Compare, and leave all as it is"),
        ("other_columns" = Option<bool>, Query,
         description = "Views may have other columns than before, though readers expect those"),
        ("samples" = Option<usize>, Query, minimum = 0, maximum = 1000,
         description = "Keys of each view whose rows are given where they differ; 10 by default"),
    ),
    responses(
        (status = 200, description = "It was compared, and serves unless only that was wanted",
         body = Deployment),
        (status = 400, description = "A parameter is wrong", body = ProblemDocument,
         content_type = "application/problem+json"),
        (status = 404, description = "No such dataflow or version in this binary",
         body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "It serves already, does not fit, or another deployment is \
            under way", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 500, description = "Its function panics, or the disk fails; nothing has changed",
         body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "It does not catch up; nothing has changed",
         body = ProblemDocument, content_type = "application/problem+json")))]
async fn deploy(
    State(site): State<Arc<Site>>,
    uri: Uri,
    _: NoBody,
) -> Result<Json<Deployment>, Problem> {
    let dataflow = segment(&uri, 2)?.into_owned();
    let query = Query::of(&uri, &["version", "diff_only", "other_columns", "samples"])?;
    let version = query.one("version")?.map(str::to_owned);
    let flag = |name| Ok::<_, Problem>(query.parsed(name, "true or false")?.unwrap_or(false));
    let diff_only = flag("diff_only")?;
    let other_columns = flag("other_columns")?;
    let most = format!("a number of keys up to {DEPLOY_SAMPLES_MAX}");
    let samples = match query.parsed::<usize>("samples", &most)? {
        Some(samples) if samples > DEPLOY_SAMPLES_MAX => {
            return Err(wrong("samples", &samples.to_string(), &most).into());
        }
        samples => samples.unwrap_or(10),
    };
    let wanted = DeployRequest { diff_only, samples, other_columns };
    let deployed = blocking(move || {
        let turn = site.control.turn()?;
        let version = version.as_deref();
        let deployed = site.control.deploy(&dataflow, version, wanted, &turn)?;
        if deployed.frontier.is_some() {
            site.deployed(&deployed)?;
        }
        Ok(deployed)
    });
    Ok(Json(shown(&deployed.await?)?))
}

fn shown(deployed: &Deployed) -> Result<Deployment> {
    let views = deployed.views.iter().map(|diff| {
        let schema = deployed.before.iter().find(|info| info.name == diff.view);
        change(diff, schema.map(|info| &info.schema))
    });
    Ok(Deployment {
        dataflow: deployed.dataflow.clone(),
        from: deployed.from.clone(),
        to: deployed.version.clone(),
        epoch: deployed.epoch,
        frontier: deployed.frontier,
        views: views.collect::<Result<_>>()?,
    })
}

fn change(diff: &ViewDiff, schema: Option<&RowSchema>) -> Result<ViewChange> {
    let rows = |rows: &[Row]| -> Result<Vec<Map<String, Value>>> {
        let shown = |row: &Row| schema.map(|schema| schema.json(&row.key, &row.value));
        rows.iter().filter_map(shown).collect()
    };
    let sample = |key: &KeyDiff| -> Result<KeyChange> {
        Ok(KeyChange { before: rows(&key.before)?, after: rows(&key.after)? })
    };
    Ok(ViewChange {
        view: diff.view.clone(),
        added: diff.added,
        removed: diff.removed,
        changed: diff.changed,
        note: diff.incomparable.clone(),
        samples: diff.samples.iter().map(sample).collect::<Result<_>>()?,
    })
}
