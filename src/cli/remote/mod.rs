//! The client for commands that ask a running server, over HTTP.
//!
//! The output equals that of the same command on a data directory: rows come as JSON, and become
//! values of their columns' types again. The dataflow need not be in this binary.

mod changes;
mod download_views;
mod query;
mod server_errors;
mod sse_reader;

use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use ureq::http::{Response, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, RequestBuilder};

use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{is_loopback, read_text};
use diptych_base::limits::{ANSWER_BYTES_MAX, ANSWER_WAIT, CONNECT_WAIT, HEARTBEAT_INTERVAL};
use diptych_row::{Column, Datum, RowSchema};

pub(super) use changes::run as changes;
pub(super) use query::run as query;

/// The environment variable with the token, if no file is named.
const TOKEN_VARIABLE: &str = "DIPTYCH_TOKEN";

/// A server to ask.
pub(super) struct Remote {
    agent: Agent,
    base: String,
    token: Option<String>,
}

impl Remote {
    /// The server at `url`. Nothing is sent yet.
    ///
    /// # Errors
    /// When the URL is invalid, a file cannot be read, or a token would be sent in clear text.
    pub(super) fn new(url: &str, token: Option<&Path>, ca: Option<&Path>) -> Result<Remote> {
        let base = url.trim_end_matches('/').to_owned();
        let uri: Option<Uri> = base.parse().ok();
        let known = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https"));
        let whole = |uri: &Uri| uri.host().is_some() && matches!(uri.path(), "" | "/");
        let Some(uri) = uri.filter(|uri| known(uri) && whole(uri) && uri.query().is_none()) else {
            return Err(Error::new(Kind::Input, format!("{url:?} is no server's address"))
                .remedy("write http://HOST:PORT, as `serve --listen` prints it"));
        };
        let token = match token {
            Some(file) => Some(read_text(file)?.trim().to_owned()),
            None => std::env::var(TOKEN_VARIABLE).ok(),
        };
        let token = token.filter(|token| !token.is_empty());
        if token.is_some() && uri.scheme_str() == Some("http") && !leads_here(&uri) {
            let message = format!("{base}: the token would travel unencrypted");
            return Err(Error::new(Kind::Input, message)
                .remedy("write https://, and serve with --tls-cert and --tls-key"));
        }
        let mut tls = TlsConfig::builder();
        if let Some(file) = ca {
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates(file)?));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("diptych/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_WAIT))
            .max_redirects(0)
            .proxy(None)
            .tls_config(tls.build());
        Ok(Remote { agent: config.build().into(), base, token })
    }

    /// The URL of the server.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Gets `path` as JSON.
    ///
    /// # Errors
    /// When the server is unreachable, or refuses; the error has the reason and the remedy.
    pub(super) fn get(&self, path: &str, parameters: &[(&str, String)]) -> Result<Value> {
        let text = self.text(path, parameters)?;
        self.parsed(path, &text)
    }

    /// As [`Remote::get`], for a path that also takes its parameters in a form: parameters that are
    /// too long for a URL go there.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub(super) fn ask(&self, path: &str, parameters: &[(&str, String)]) -> Result<Value> {
        if self.url(path, parameters).len() <= ADDRESS_BYTES {
            return self.get(path, parameters);
        }
        let url = self.url(path, &[]);
        let request = self.agent.post(&url).config().timeout_per_read(Some(ANSWER_WAIT)).build();
        let request = self.with_token(request);
        let sent = request.content_type(FORM).send(written(parameters));
        let mut response = sent.map_err(|error| server_errors::unreachable(&self.base, &error))?;
        if !response.status().is_success() {
            return Err(server_errors::refused(&url, response, self.token.is_some()));
        }
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let text = body.read_to_string();
        self.parsed(path, &text.map_err(|error| server_errors::unreachable(&self.base, &error))?)
    }

    fn with_token<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    fn parsed(&self, path: &str, text: &str) -> Result<Value> {
        serde_json::from_str(text).map_err(|error| {
            let message = format!("{}{path}: the answer is no JSON: {error}", self.base);
            Error::new(Kind::Input, message).remedy("is there another kind of server?")
        })
    }

    /// Gets `path` as text.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub(super) fn text(&self, path: &str, parameters: &[(&str, String)]) -> Result<String> {
        let mut response = self.response(path, parameters, None, ANSWER_WAIT)?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        body.read_to_string().map_err(|error| server_errors::unreachable(&self.base, &error))
    }

    /// Posts a request to do something.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub(super) fn post(&self, path: &str, parameters: &[(&str, String)]) -> Result<()> {
        self.posted(path, parameters).map(drop)
    }

    /// Takes events of a stream back, and gives the server's answer.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub(super) fn retract(&self, stream: &str, parameters: &[(&str, String)]) -> Result<Value> {
        let path = format!("/v1/streams/{}/retract", encoded(stream));
        let mut response = self.posted(&path, parameters)?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let text = body.read_to_string();
        let text = text.map_err(|error| server_errors::unreachable(&self.base, &error))?;
        serde_json::from_str(&text).map_err(|error| {
            let message = format!("{}{path}: the answer is no JSON: {error}", self.base);
            Error::new(Kind::Input, message).remedy("was it retracted? `log stat` says so")
        })
    }

    fn posted(&self, path: &str, parameters: &[(&str, String)]) -> Result<Response<Body>> {
        let url = self.url(path, parameters);
        let request = self.agent.post(&url).config().timeout_global(Some(ANSWER_WAIT)).build();
        // Without it a server takes this for a request that a page of another site could have sent.
        let sent = self.with_token(request).content_type("application/json").send_empty();
        let response = sent.map_err(|error| server_errors::unreachable(&self.base, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(server_errors::refused(&url, response, self.token.is_some()))
    }

    fn url(&self, path: &str, parameters: &[(&str, String)]) -> String {
        let question = if parameters.is_empty() { "" } else { "?" };
        format!("{}{path}{question}{}", self.base, written(parameters))
    }

    /// The server's description of a dataflow.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub(super) fn described(&self, dataflow: &str) -> Result<Value> {
        self.get(&format!("/v1/dataflows/{}", encoded(dataflow)), &[])
    }

    /// The response, unless the server refuses.
    fn response(
        &self,
        path: &str,
        parameters: &[(&str, String)],
        last_event: Option<&str>,
        silence: Duration,
    ) -> Result<Response<Body>> {
        let url = self.url(path, parameters);
        let request = self.agent.get(&url).config().timeout_per_read(Some(silence)).build();
        let mut request = self.with_token(request);
        if let Some(id) = last_event {
            request = request.header("last-event-id", id);
        }
        let response =
            request.call().map_err(|error| server_errors::unreachable(&self.base, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(server_errors::refused(&url, response, self.token.is_some()))
    }

    /// The graph of a dataflow.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub(super) fn graph(&self, dataflow: &str) -> Result<Value> {
        self.get(&format!("/v1/dataflows/{}/graph", encoded(dataflow)), &[])
    }

    /// The columns of a view.
    fn schema(&self, dataflow: &str, view: &str) -> Result<RowSchema> {
        let path = format!("/v1/dataflows/{}", encoded(dataflow));
        let described = self.get(&path, &[])?;
        let views = described["views"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(found) = views.iter().find(|known| known["view"] == view) else {
            let names: Vec<_> = views.iter().filter_map(|view| view["view"].as_str()).collect();
            let message = format!("dataflow {dataflow:?} has no view called {view:?}");
            return Err(Error::new(Kind::Missing, message)
                .remedy(format!("the views are {}", names.join(", "))));
        };
        let schema = || {
            let key = found["key"].as_array()?.iter().map(column).collect::<Option<_>>()?;
            let value = found["value"].as_array()?.iter().map(column).collect::<Option<_>>()?;
            Some(RowSchema { key, value })
        };
        schema().ok_or_else(|| {
            let message =
                format!("{}{path}: view {view:?} has columns of unknown types", self.base);
            Error::new(Kind::Newer, message).remedy("use the release that the server is of")
        })
    }

    fn view_path(dataflow: &str, view: &str) -> String {
        format!("/v1/dataflows/{}/views/{}", encoded(dataflow), encoded(view))
    }
}

fn column(described: &Value) -> Option<Column> {
    Some(Column {
        name: described["name"].as_str()?.to_owned(),
        ty: described["type"].as_str()?.parse().ok()?,
        nullable: described["nullable"].as_bool()?,
    })
}

/// The values of a row, in the order of its columns.
fn cells(schema: &RowSchema, row: &Value) -> Result<Vec<Datum>> {
    let cell = |column: &Column| match row.get(&column.name) {
        Some(value) => Datum::from_json(column, value),
        None => Err(Error::new(Kind::Input, format!("a row has no column {:?}", column.name))
            .remedy("the view has changed: ask again")),
    };
    schema.columns().map(cell).collect()
}

/// Whether the server is on this machine.
fn leads_here(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let host = host.strip_suffix('.').unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(is_loopback)
}

/// The certificates in a file.
fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>> {
    let text = read_text(file)?;
    let refuse = || {
        let message = format!("{} holds no certificate in PEM", file.display());
        Error::new(Kind::Input, message).remedy("give the certificates of who signed the server's")
    };
    let mut found = Vec::new();
    for item in parse_pem(text.as_bytes()) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| refuse())? {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err(refuse()) } else { Ok(found) }
}

/// Encodes parameters for a URL or a form.
fn written(parameters: &[(&str, String)]) -> String {
    let pairs = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Percent-encodes text for a path or a query string.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The length of a URL, in bytes, that servers and proxies surely accept.
const ADDRESS_BYTES: usize = 4 << 10;

/// The content type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// The time after which a silent stream is dead: heartbeats come more often than this.
const SILENCE: Duration = Duration::from_secs(3 * HEARTBEAT_INTERVAL.as_secs());
