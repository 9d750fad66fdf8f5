//! Requests of this server's own site: no page of somebody else is behind them.
//!
//! A browser carries requests of every page that is open to every address that it reaches, loopback
//! included, and neither an address nor a firewall tells them from those of the user. So each
//! request is looked at, on every path and with every method, before anything answers it, and given
//! away:
//!
//! - a request, a form, a picture, a script or a frame of a page of another site by
//!   `Sec-Fetch-Site`, which is neither `same-origin` nor `none`, or an `Origin` that is not this
//!   server;
//! - a name of its own that such a page lets point here (DNS rebinding) by `Host`;
//! - and in a browser that sends none of these headers, what changes something wants
//!   `Content-Type: application/json`, or records, or a token: the browser asks for them first, and
//!   is told no.
//!
//! Programs send neither `Origin` nor `Sec-Fetch-Site`, and an address or a known name as `Host`:
//! they notice nothing. The one thing that another site may do is to link to the page.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::tls::Tls;
use diptych_base::error::{Error, Kind, Result};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The name that every machine has for itself.
const LOCALHOST: &str = "localhost";

/// Characters of a foreign name that are repeated to whoever sent it.
const NAME_SHOWN: usize = 100;

/// The names under which this server may be asked, beside its addresses.
#[derive(Clone, Default)]
pub struct OwnSite {
    names: Arc<[String]>,
    /// Whoever has a certificate has its names.
    tls: Option<Arc<Tls>>,
}

impl OwnSite {
    /// A server that is also called `names`, and what the certificate of `tls` says.
    ///
    /// # Errors
    /// When one of them is no name of a host.
    pub fn new(names: &[String], tls: Option<Arc<Tls>>) -> Result<OwnSite> {
        let name = |given: &String| match Authority::parse(given) {
            Some(Authority { host: Host::Name(name), port: None }) => Ok(name.to_owned()),
            Some(Authority { port: None, .. }) => {
                let message = format!("--allow-host {given:?} is an address");
                Err(Error::new(Kind::Input, message).remedy("leave it out: addresses are allowed"))
            }
            _ => {
                let message = format!("--allow-host {given:?} is no name of a host");
                Err(Error::new(Kind::Input, message).remedy("give it alone: diptych.example.org"))
            }
        };
        let names: Result<Vec<String>> = names.iter().map(name).collect();
        Ok(OwnSite { names: names?.into(), tls })
    }

    /// What gives a request away as one of another site; none for those that may pass.
    pub fn foreign<B>(&self, request: &Request<B>) -> Option<Foreign> {
        let uri = request.uri();
        let headers = request.headers();
        let hosts = || {
            let named = headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes);
            let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
            authority.into_iter().chain(named)
        };
        for host in hosts() {
            let authority = text(host).and_then(Authority::parse);
            if !authority.is_some_and(|authority| self.is_own(authority.host)) {
                return Some(Foreign::Host(shown(host)));
            }
        }
        for origin in headers.get_all(header::ORIGIN) {
            // A request that names no host has none that an origin could be.
            let same = |host| self.is_same(origin.as_bytes(), host);
            if hosts().next().is_none() || !hosts().all(same) {
                return Some(Foreign::Origin(shown(origin.as_bytes())));
            }
        }
        let own = |site: &HeaderValue| [&b"same-origin"[..], b"none"].contains(&site.as_bytes());
        let site = headers.get_all(FETCH_SITE).iter().find(|site| !own(site))?;
        let opens = is_page(request.method(), uri.path()) && is_navigation(headers);
        (!opens).then(|| Foreign::Site(shown(site.as_bytes())))
    }

    fn is_own(&self, host: Host<'_>) -> bool {
        match host {
            Host::Address(_) => true,
            Host::Name(name) => {
                name.eq_ignore_ascii_case(LOCALHOST)
                    || self.is_called(name)
                    || self.tls.as_ref().is_some_and(|tls| tls.is_of(name))
            }
        }
    }

    fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Is `origin` the site of a request to `host`? A proxy may ask under an address what a browser
    /// has asked it under a name that is known here.
    fn is_same(&self, origin: &[u8], host: &[u8]) -> bool {
        let parsed = text(origin).and_then(|origin| {
            let (port, rest) = match origin.split_once("://")? {
                ("http", rest) => (80, rest),
                ("https", rest) => (443, rest),
                _ => return None,
            };
            Some((port, Authority::parse(rest)?))
        });
        let Some((usual, origin)) = parsed else { return false };
        let Some(host) = text(host).and_then(Authority::parse) else { return false };
        let port = origin.port.unwrap_or(usual);
        if origin.host.is(host.host) && port == host.port.unwrap_or(usual) {
            return true;
        }
        matches!(origin.host, Host::Name(name) if self.is_called(name)) && port == usual
    }
}

/// Is this the page, which holds no data?
fn is_page(method: &Method, path: &str) -> bool {
    (method == Method::GET || method == Method::HEAD) && path == "/"
}

/// Does the user go there, in a window of its own?
fn is_navigation(headers: &HeaderMap) -> bool {
    let is = |name: HeaderName, what: &str| {
        let mut values = headers.get_all(name).iter();
        values.next().is_some_and(|value| value == what) && values.next().is_none()
    };
    is(FETCH_MODE, "navigate") && is(FETCH_DEST, "document")
}

fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok().map(str::trim_ascii)
}

/// What was sent, as far as it is repeated. A [`Problem`] escapes what acts in it.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(NAME_SHOWN)]).into_owned()
}

/// A host, and a port if one is named.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Authority<'a> {
    host: Host<'a>,
    port: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Host<'a> {
    Address(IpAddr),
    /// Without the dot that may end it; in any case.
    Name(&'a str),
}

impl Host<'_> {
    fn is(self, other: Host<'_>) -> bool {
        match (self, other) {
            (Host::Address(one), Host::Address(other)) => one == other,
            (Host::Name(one), Host::Name(other)) => one.eq_ignore_ascii_case(other),
            _ => false,
        }
    }
}

impl<'a> Authority<'a> {
    /// Reads `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`; none when it is anything else.
    fn parse(text: &'a str) -> Option<Authority<'a>> {
        let (host, rest) = if let Some(inner) = text.strip_prefix('[') {
            let (inside, rest) = inner.split_once(']')?;
            // The interface of an address that is only reached through one.
            let address = inside.split('%').next().unwrap_or_default();
            let address: Ipv6Addr = address.parse().ok()?;
            (Host::Address(IpAddr::V6(address).to_canonical()), rest)
        } else {
            let end = text.find(':').unwrap_or(text.len());
            let name = text[..end].strip_suffix('.').unwrap_or(&text[..end]);
            let usual = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if name.is_empty() || !name.chars().all(usual) {
                return None;
            }
            let address = name.parse::<Ipv4Addr>().map(IpAddr::V4);
            (address.map_or(Host::Name(name), Host::Address), &text[end..])
        };
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            Some("") => None,
            Some(port) if port.bytes().all(|digit| digit.is_ascii_digit()) => {
                Some(port.parse().ok()?)
            }
            _ => return None,
        };
        Some(Authority { host, port })
    }
}

/// What gives a request away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// It is for a host that is not this one.
    Host(String),
    /// It comes from a page of another origin.
    Origin(String),
    /// The browser says so.
    Site(String),
}

impl IntoResponse for Foreign {
    fn into_response(self) -> Response {
        let detail = match self {
            Foreign::Host(host) => format!(
                "this server is not called {host} (ask it by its address or as localhost, or start \
                 it with --allow-host NAME)"
            ),
            Foreign::Origin(origin) => format!(
                "a page of {origin} asks, which is not this server (behind a proxy, start it with \
                 --allow-host NAME)"
            ),
            Foreign::Site(site) => format!(
                "a page of another site asks (Sec-Fetch-Site is {site}): open this server's own \
                 page at /"
            ),
        };
        Problem::new(StatusCode::FORBIDDEN, "forbidden", detail).into_response()
    }
}

#[cfg(test)]
#[path = "own_site_tests.rs"]
mod tests;
