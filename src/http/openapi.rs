//! The `OpenAPI` description of the interface: the registration of the routes, with the names that
//! are served here.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::request_parameters::NoQuery;
use diptych_site::problem;
use diptych_site::site::Site;

/// Answers that any request may get: its head is too long, or a page of another site has sent it.
const UNROUTED: [(&str, &str); 3] = [
    (
        "403",
        "A page of another site asks, or `Host` is no name of this server; or the token is for \
             something else than this",
    ),
    ("414", "The path and query are too long"),
    ("431", "The head is too long"),
];

/// The text of the description, once all routes are known.
#[derive(Clone, Default)]
pub(super) struct OpenApiText(Arc<OnceLock<Bytes>>);

impl OpenApiText {
    pub(super) fn routes(&self) -> Routes {
        let text = Arc::clone(&self.0);
        let serve = move |_: NoQuery| {
            let text = text.get().cloned().unwrap_or_default();
            async move { ([(header::CONTENT_TYPE, "application/json")], text).into_response() }
        };
        let (schemas, paths, _): (_, _, MethodRouter<Arc<Site>>) = routes!(openapi);
        Routes::new().routes((schemas, paths, axum::routing::get(serve)))
    }

    /// Sets the text, with the names that `site` serves.
    pub(super) fn set(&self, api: &OpenApi, site: &Site) {
        let text = described(api, site).to_string();
        // The first one stays: there is one router.
        let _ = self.0.set(text.into());
    }
}

/// The description of this interface.
#[utoipa::path(get, path = "/openapi.json", tag = "health",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = Object),
        (status = 400, description = "It takes no parameters", body = problem::ProblemDocument,
         content_type = "application/problem+json")))]
async fn openapi() -> Response {
    Response::default()
}

fn described(api: &OpenApi, site: &Site) -> Value {
    let mut api = serde_json::to_value(api).unwrap_or_default();
    api["info"] = json!({
        "title": "Diptych",
        "description": "Views of dataflows, each exact at one epoch; streams to append to. Every \
                        answer about a dataflow says which version and epoch it is of.",
        "version": env!("CARGO_PKG_VERSION"),
        "license": { "name": "MIT OR Apache-2.0" },
    });
    let flows: Vec<_> = site.flows.iter().map(|flow| flow.name.as_str()).collect();
    let streams: Vec<_> = site.streams.iter().map(|stream| stream.name.as_str()).collect();
    let indexes: Vec<_> = site.flows.iter().map(|flow| flow.serving.index()).collect();
    let views = indexes.iter().flat_map(|index| index.views());
    let mut views: Vec<_> = views.map(|view| view.name.as_str()).collect();
    views.sort_unstable();
    views.dedup();
    let Some(paths) = api["paths"].as_object_mut() else { return api };
    for operation in
        paths.values_mut().filter_map(Value::as_object_mut).flat_map(|o| o.values_mut())
    {
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            let unrouted =
                UNROUTED.map(|(status, said)| (status.into(), json!({ "description": said })));
            responses.extend(unrouted);
        }
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        let Some(parameters) = parameters else { continue };
        for parameter in parameters.iter_mut().filter(|parameter| parameter["required"] == true) {
            let names = match parameter["name"].as_str() {
                Some("dataflow") => &flows,
                Some("view") => &views,
                Some("stream") => &streams,
                _ => continue,
            };
            // Only an example: other names are answered by a problem that lists these.
            if let Some(first) = names.first() {
                parameter["schema"]["examples"] = json!(names);
                parameter["example"] = json!(first);
            }
        }
    }
    api
}

pub(super) type Routes = OpenApiRouter<Arc<Site>>;
