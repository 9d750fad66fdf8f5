//! `POST /v1/sql` of a binary without SQL: a refusal with the remedy.

use axum::http::StatusCode;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::openapi::Routes;
use super::request_body::DecodedBody;
use super::request_parameters::NoQuery;
use diptych_base::error::Kind;
use diptych_site::problem::Problem;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(sql))
}

/// Refuses every statement, because this binary was built without SQL.
#[utoipa::path(post, path = "/v1/sql", tag = "sql",
    request_body(content((String = "application/json"), (String = "text/plain"))),
    responses(
        (status = 404, description = "This binary has no SQL",
         body = diptych_site::problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 400, description = "It takes no parameters",
         body = diptych_site::problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 413, description = "The body is too large",
         body = diptych_site::problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 415, description = "The content encoding is none that is read: see \
            Accept-Encoding",
         body = diptych_site::problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "Too much is running",
         body = diptych_site::problem::ProblemDocument,
         content_type = "application/problem+json")))]
async fn sql(_: NoQuery, body: DecodedBody) -> Problem {
    // Read to its end, so that the client reads the answer instead of an error of its sending.
    drop(body);
    let message = "this binary was built without SQL (build it with `--features sql`, or read \
                   views with GET /v1/dataflows/{dataflow}/views/{view})";
    let problem = Problem::new(StatusCode::NOT_FOUND, Kind::Missing.name(), message.to_owned());
    problem.sqlstate("0A000", None)
}
