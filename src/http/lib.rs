//! The HTTP interface: one router, one file per kind of request, one `OpenAPI` description.
//!
//! Each file gives its routes, and this module puts them under the role that they need. The
//! `OpenAPI` document is made from the same registration, so every route that is served is
//! described.

mod append;
mod append_request;
mod append_streams;
mod catalog;
mod changes;
mod csrf_protection;
mod cursor;
mod deploy;
mod exposition;
mod form_parameters;
mod fuzz_targets;
mod graph;
mod handover;
mod health;
mod json_answer;
pub mod listener;
mod may_read;
mod metrics;
#[cfg(not(feature = "sql"))]
mod no_sql;
mod openapi;
mod point_read_fast_path;
mod read;
mod rebuild;
mod request_body;
mod request_parameters;
mod retract;
mod roles;
mod snapshot;
#[cfg(feature = "sql")]
mod sql;
mod status;
mod verify;
mod web_page;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use tokio::net::TcpListener;
use tokio::sync::watch;

use diptych_base::error::{Error, Kind};
use diptych_base::limits::BODY_BYTES_MAX;
use diptych_site::access_policy::PortAccess;
use diptych_site::auth::{Gate, Role};
use diptych_site::cross_site_check::OwnSite;
use diptych_site::site::Site;

use diptych_site::problem::{self, Problem};
pub use fuzz_targets::hostile;
pub use point_read_fast_path::App;

use openapi::Routes;
use point_read_fast_path::Shortcut;

/// The routes with the role that each needs; none for routes that answer everybody.
fn routes() -> Vec<(Option<Role>, Routes)> {
    #[cfg(not(feature = "sql"))]
    use no_sql as sql;
    vec![
        (Some(Role::Read), changes::routes()),
        (Some(Role::Admin), verify::routes()),
        (Some(Role::Admin), rebuild::routes()),
        (Some(Role::Admin), deploy::routes()),
        (Some(Role::Admin), retract::routes()),
        (Some(Role::Admin), handover::routes()),
        (Some(Role::Read), graph::routes()),
        (Some(Role::Read), metrics::routes()),
        (Some(Role::Read), sql::routes()),
        (Some(Role::Read), read::routes()),
        (Some(Role::Append), append::routes()),
        (Some(Role::Append), append_streams::routes()),
        (Some(Role::Read), snapshot::routes()),
        (Some(Role::Read), catalog::routes()),
        (Some(Role::Read), status::routes()),
        (None, health::routes()),
        (None, web_page::routes()),
    ]
}

/// The whole interface.
fn app(site: Arc<Site>, gate: Option<&Arc<Gate>>, own: OwnSite) -> App {
    let mut all = Routes::new();
    for (role, routes) in routes() {
        all = all.merge(roles::secured(routes, role, gate));
    }
    let description = openapi::OpenApiText::default();
    all = all.merge(description.routes());
    roles::describe(all.get_openapi_mut());
    let (router, api) = all.split_for_parts();
    description.set(&api, &site);
    let counted = site.load.count(api.paths.paths.keys());
    let router = router.fallback(problem::no_such_path);
    let router = router.method_not_allowed_fallback(problem::no_such_method);
    let requests = Arc::clone(&counted.0);
    let place = requests.place(read::PATH);
    let shortcut = Shortcut { site: Arc::clone(&site), requests, place };
    let shortcut = gate.is_none().then(|| Arc::new(shortcut));
    App { router: router.layer(counted).with_state(site), shortcut, own }
}

/// The routes below `/v1/` that read and append, for an embedding service, which controls access
/// itself.
pub fn embedded(site: &Arc<Site>) -> Router {
    let mut all = Routes::new();
    for (role, mut routes) in routes() {
        if matches!(role, Some(Role::Read | Role::Append)) {
            let paths = &routes.get_openapi_mut().paths.paths;
            if paths.keys().all(|path| path.starts_with("/v1/")) {
                all = all.merge(routes);
            }
        }
    }
    let router = all.split_for_parts().0.layer(DefaultBodyLimit::max(BODY_BYTES_MAX as usize));
    router.with_state(Arc::clone(site))
}

/// An interface that answers every request with "come back in a moment".
pub fn closed(own: OwnSite) -> App {
    let router = Router::new().fallback(|| async {
        let message = "another process takes over: it answers in a moment";
        Problem::from(Error::new(Kind::Busy, message).remedy("ask again"))
    });
    App { router, shortcut: None, own }
}

/// Answers requests until told to stop; then finishes those under way.
pub async fn serve(
    site: Arc<Site>,
    listener: TcpListener,
    entry: PortAccess,
    stopping: watch::Receiver<bool>,
) {
    let load = Arc::clone(&site);
    let mut told = stopping.clone();
    tokio::spawn(async move {
        // This ends with the sender, too.
        let _ = told.wait_for(|stop| *stop).await;
        load.load.stop();
    });
    let app = app(site, entry.gate.as_ref(), entry.own);
    listener::serve(listener, app, entry.tls, entry.bounds, stopping).await;
}
