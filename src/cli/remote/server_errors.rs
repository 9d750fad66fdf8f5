//! Errors of a server that gave no answer, with the remedy.

use std::io::ErrorKind;

use serde_json::Value;
use ureq::Body;
use ureq::http::{Response, StatusCode};

use diptych_base::error::{Error, Kind};

/// The most bytes that are read of an answer that is not a problem document.
const PROBLEM_BYTES: u64 = 64 << 10;

/// The error for a server that is unreachable, or does not speak as expected.
pub(super) fn unreachable(base: &str, error: &ureq::Error) -> Error {
    let (what, remedy) = match error {
        ureq::Error::Io(io) if io.kind() == ErrorKind::ConnectionRefused => (
            "nobody listens there".to_owned(),
            "start `serve … --listen HOST:PORT`, or give the address that it printed",
        ),
        ureq::Error::Io(io) if io.to_string().contains("CaUsedAsEndEntity") => (
            "its certificate is that of an authority".to_owned(),
            "make one with -addext basicConstraints=critical,CA:FALSE, or have it signed",
        ),
        ureq::Error::Io(io) if io.kind() == ErrorKind::InvalidData && base.starts_with("https") => {
            (io.to_string(), UNTRUSTED)
        }
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => (error.to_string(), UNTRUSTED),
        ureq::Error::Io(io)
            if io.kind() == ErrorKind::UnexpectedEof && base.starts_with("https") =>
        {
            ("the connection was closed".to_owned(), UNTRUSTED)
        }
        ureq::Error::HostNotFound => {
            ("there is no such host".to_owned(), "check the name in the address")
        }
        ureq::Error::Timeout(_) => {
            (error.to_string(), "is it overloaded, or behind a firewall? try again")
        }
        ureq::Error::Protocol(_) => (
            error.to_string(),
            "is it another kind of server? one with --tls-cert is asked with https://",
        ),
        _ => (error.to_string(), "is the server still running? look at what it says"),
    };
    Error::new(Kind::Io, format!("{base}: {what}")).remedy(remedy)
}

const UNTRUSTED: &str =
    "name who signed its certificate with --ca FILE; without TLS the address begins with http://";

/// The error for a server that refuses.
pub(super) fn refused(url: &str, mut response: Response<Body>, with_token: bool) -> Error {
    let status = response.status();
    let text = response.body_mut().with_config().limit(PROBLEM_BYTES).read_to_string();
    let problem: Option<Value> = text.ok().and_then(|text| serde_json::from_str(&text).ok());
    let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str());
    let place = url.split('?').next().unwrap_or(url);
    match (status, detail) {
        (StatusCode::UNAUTHORIZED, _) => {
            let (message, remedy) = if with_token {
                ("the server does not know this token", "make one with `token new --role read`")
            } else {
                ("the server wants a token", "give it with --token-file FILE or DIPTYCH_TOKEN")
            };
            Error::new(Kind::Input, format!("{place}: {message}")).remedy(remedy)
        }
        (StatusCode::FORBIDDEN, _) => {
            Error::new(Kind::Input, format!("{place}: this token does not allow it"))
                .remedy("use one that was made with `token new --role read`")
        }
        // The detail names place and remedy already.
        (_, Some(detail)) => Error::new(kind(problem.as_ref()), detail),
        (StatusCode::NOT_FOUND, None) => {
            Error::new(Kind::Missing, format!("nothing is at {place}"))
                .remedy("is it another kind of server, or an older release?")
        }
        _ => Error::new(Kind::Io, format!("{place}: status {status}"))
            .remedy("is there a proxy in between? look at what the server says"),
    }
}

/// The kind that a problem document names.
pub(super) fn kind(problem: Option<&Value>) -> Kind {
    let named = problem.and_then(|problem| problem["type"].as_str()).unwrap_or_default();
    let name = named.rsplit('#').next().unwrap_or_default();
    Kind::of_name(name).unwrap_or(Kind::Input)
}
