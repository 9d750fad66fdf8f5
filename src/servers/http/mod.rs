//! The HTTP interface: one router, one file per kind of request, one description of it all.
//!
//! Each file gives its routes, and here they are put under the role that they need. The OpenAPI
//! document is made from the same registration, so none can be served and not described.

mod changes;
mod exposition;
mod graph;
mod health;
mod metrics;
mod page;
mod problem;
mod requests;
mod secured;
mod sql;
mod verify;

use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;

use super::auth::{Gate, Role};
use super::entry::Entry;
use super::listener;
use super::site::Site;

pub(super) use problem::Problem;
pub(super) use requests::{Counting, Requests};

type Routes = OpenApiRouter<Arc<Site>>;

/// Routes, and the role they need; none is open to everybody.
fn routes() -> Vec<(Option<Role>, Routes)> {
    vec![
        (Some(Role::Read), changes::routes()),
        (Some(Role::Admin), verify::routes()),
        (Some(Role::Read), graph::routes()),
        (Some(Role::Read), metrics::routes()),
        (Some(Role::Read), sql::routes()),
        (None, health::routes()),
        (None, page::routes()),
    ]
}

/// The whole interface.
fn router(site: Arc<Site>, gate: Option<&Arc<Gate>>) -> Router {
    let mut all = Routes::new();
    for (role, routes) in routes() {
        all = all.merge(secured::secured(routes, role, gate));
    }
    secured::describe(all.get_openapi_mut());
    let (router, description) = all.split_for_parts();
    let counted = site.load.count(description.paths.paths.keys());
    router.fallback(problem::no_such_path).layer(counted).with_state(site)
}

/// Answers requests until told to stop; then finishes those under way.
pub(super) async fn serve(
    site: Arc<Site>,
    listener: TcpListener,
    entry: Entry,
    stopping: watch::Receiver<bool>,
) {
    let load = Arc::clone(&site);
    let mut told = stopping.clone();
    tokio::spawn(async move {
        // Ends with its sender, too.
        let _ = told.wait_for(|stop| *stop).await;
        load.load.stop();
    });
    let router = router(site, entry.gate.as_ref());
    listener::serve(listener, router, entry.tls, entry.bounds, stopping).await;
}
