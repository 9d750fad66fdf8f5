//! The HTTP interface as axum routes, for a program that has a service already.

use std::sync::Arc;

use axum::Router;

use diptych_base::limits::LAG_BOUND;
use diptych_http as http;
use diptych_site::site::Site;

/// The routes of the HTTP interface that read and append, to merge into an axum service of your
/// own: everything below `/v1/` that asks for the role `read` or `append`.
///
/// Access control is up to your service: no gate checks these routes.
/// A body has at most [`limits::BODY_BYTES_MAX`](diptych_base::limits::BODY_BYTES_MAX) bytes.
/// Subscriptions never end by themselves: call [`Load::stop`](diptych_site::Load::stop) on
/// `site.load` when your service begins to shut down. The page, the metrics, and what makes the
/// process compute or change state are for [`Servers`](crate::Servers) alone.
///
/// ```
/// use std::sync::Arc;
///
/// use dataflows::word_count;
/// use diptych::servers::Site;
/// use diptych::System;
/// use diptych::dataflow::Definition;
/// use diptych::system::ServeOptions;
///
/// # fn main() -> diptych::Result<()> {
/// let (system, flows) = (System::in_memory(), [Definition::new("word_count", word_count)]);
/// let writer = Arc::new(system.writer()?);
/// let served = system.serve(&flows, ServeOptions::default().writer(&writer))?;
/// let site = Site::of(&system, &served, &flows, Some(writer))?;
/// let service: axum::Router = axum::Router::new()
///     .route("/", axum::routing::get(|| async { "mine" }))
///     .merge(diptych::servers::routes(&site));
/// # drop(service);
/// # Ok(())
/// # }
/// ```
pub fn routes(site: &Arc<Site>) -> Router {
    if let Err(error) = site.watch(LAG_BOUND) {
        tracing::warn!("{error}");
    }
    http::embedded(site)
}
