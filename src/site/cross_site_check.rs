//! The check that a request does not come from a web page of another site.
//!
//! A browser sends requests of every open page to every address that it reaches, loopback included,
//! and neither an address nor a firewall tells them from those of the user. So every request, on
//! every path and with every method, is checked before it is answered. Foreign requests are
//! recognised:
//!
//! - a request, a form, a picture, a script or a frame of a page of another site by
//!   `Sec-Fetch-Site`, which is neither `same-origin` nor `none`, or an `Origin` that is not this
//!   server;
//! - a name of its own that such a page lets point here (DNS rebinding) by `Host`;
//! - and in a browser that sends none of these headers, a request that changes something needs
//!   `Content-Type: application/json`, or records, or a token: the browser asks in a preflight
//!   first, and is refused.
//!
//! Programs send neither `Origin` nor `Sec-Fetch-Site`, and an address or a known name as `Host`:
//! the check lets them pass. The only thing that another site may do is to link to the page.

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

/// Characters of a foreign name that a refusal repeats.
const NAME_SHOWN: usize = 100;

/// The names of this server, beside its addresses.
#[derive(Clone, Default)]
pub struct OwnSite {
    names: Arc<[String]>,
    /// The certificate, whose names are this server's too.
    tls: Option<Arc<Tls>>,
}

impl OwnSite {
    /// A server with these `names` and those in the certificate of `tls`.
    ///
    /// # Errors
    /// When one of the names is not a host name.
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

    /// The mark of another site that a request bears; none for a request that may pass.
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
            // A request without a host has none to compare the origin with.
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

    /// Whether `origin` is the site of a request to `host`. A proxy may ask under an address what a
    /// browser has asked the proxy under a name that is known here.
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

/// Whether the request is for the page, which holds no data.
fn is_page(method: &Method, path: &str) -> bool {
    (method == Method::GET || method == Method::HEAD) && path == "/"
}

/// Whether the user navigates there, in a window of its own.
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

/// The first characters of a header, for a message. A [`Problem`] escapes control characters in it.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(NAME_SHOWN)]).into_owned()
}

/// A host with an optional port.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Authority<'a> {
    host: Host<'a>,
    port: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Host<'a> {
    Address(IpAddr),
    /// A name in any case, without the dot that may end it.
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
    /// Parses `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`; none for any other text.
    fn parse(text: &'a str) -> Option<Authority<'a>> {
        let (host, rest) = if let Some(inner) = text.strip_prefix('[') {
            let (inside, rest) = inner.split_once(']')?;
            // A link-local address names its interface behind `%`.
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

/// The mark by which a request of another site is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// The `Host` is not this server.
    Host(String),
    /// The `Origin` is a page of another site.
    Origin(String),
    /// The browser says so in `Sec-Fetch-Site`.
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
#[path = "cross_site_check_tests.rs"]
mod tests;
