//! The HTTP interface: one router, one file per kind of request, one description of it all.
//!
//! Each file gives its routes, and here they are put under the role that they need. The OpenAPI
//! document is made from the same registration, so none can be served and not described.

mod health;
mod problem;
mod sql;

use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;

use super::auth::Role;
use super::site::Site;

pub(super) use problem::Problem;

type Routes = OpenApiRouter<Arc<Site>>;

/// Routes, and the role they need; none is open to everybody.
fn routes() -> Vec<(Option<Role>, Routes)> {
    vec![(None, health::routes()), (Some(Role::Read), sql::routes())]
}

/// The whole interface.
fn router(site: Arc<Site>) -> Router {
    let mut all = Routes::new();
    for (role, routes) in routes() {
        // Guarded by its role once credentials are configured.
        let _ = role;
        all = all.merge(routes);
    }
    let (router, _description) = all.split_for_parts();
    router.fallback(problem::no_such_path).with_state(site)
}

/// Answers requests until told to stop; then finishes those under way.
pub(super) async fn serve(
    site: Arc<Site>,
    listener: TcpListener,
    mut stopping: watch::Receiver<bool>,
) {
    let stop = async move {
        // Ends with its sender, too.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, router(site)).with_graceful_shutdown(stop).await {
        eprintln!("warning: the HTTP server ended: {error}");
    }
}
