//! A fast path before the router for the most frequent request: one key of one view, at the latest
//! epoch.
//!
//! Routing costs about as much as answering this request: the path is matched and its parts are
//! kept, services are cloned, futures are boxed. So it is recognised first, by its form alone;
//! every other request goes through the router, which answers this one from the same code, too. The
//! fast path does not pass credentials by: with a gate there is none.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};

use super::read;
use diptych_site::cross_site_check::OwnSite;
use diptych_site::request_metrics::Requests;
use diptych_site::site::Site;

/// The HTTP interface that connections call.
#[derive(Clone)]
pub struct App {
    /// The router, which answers every request.
    pub router: Router,
    pub(super) shortcut: Option<Arc<Shortcut>>,
    pub(super) own: OwnSite,
}

/// The state that the fast path reads from.
pub(super) struct Shortcut {
    pub(super) site: Arc<Site>,
    pub(super) requests: Arc<Requests>,
    /// The number of its path among those counted.
    pub(super) place: usize,
}

impl App {
    /// The refusal of a request that a page of another site makes a browser send.
    pub fn refusal<B>(&self, request: &Request<B>) -> Option<Response> {
        self.own.foreign(request).map(IntoResponse::into_response)
    }

    /// The answer of the fast path; none when the router has to answer.
    pub fn shortcut<B>(&self, request: &Request<B>) -> Option<Response> {
        let shortcut = self.shortcut.as_deref()?;
        let key = request.uri().query()?.strip_prefix("key=")?;
        let names = request.uri().path().strip_prefix("/v1/dataflows/")?;
        let (flow, rest) = names.split_once('/')?;
        let view = rest.strip_prefix("views/")?;
        if request.method() != Method::GET || view.contains(['/', '%']) || flow.contains('%') {
            return None;
        }
        let begun = Instant::now();
        let flow = shortcut.site.flows.iter().find(|served| served.name == flow)?;
        // The router reports errors.
        let answer = read::point(flow, view, key).ok().flatten()?;
        let status = StatusCode::OK.as_u16();
        shortcut.requests.count(shortcut.place, status, begun.elapsed());
        Some(answer)
    }
}
