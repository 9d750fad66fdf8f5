//! Promise 26: a web page of another site can neither read nor change anything, at loopback either.
//!
//! The matrix is made from the server's own description, which is made from the registration of its
//! routes: a new route is tested without any change here.

#[path = "foreign_pages/browser.rs"]
mod browser;
#[path = "page/chromium.rs"]
mod chromium;
#[path = "foreign_pages/http1.rs"]
mod http1;
#[path = "foreign_pages/http2.rs"]
mod http2;
#[path = "serving/server.rs"]
mod server;

use std::process::Command;

use serde_json::Value;
use server::{Server, filled};

/// The methods that are tried on each path, whether it has them or not.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A request: the parts that the check reads.
#[derive(Clone, Debug)]
struct Asked {
    method: String,
    path: String,
    host: String,
    headers: Vec<(&'static str, String)>,
    body: &'static str,
}

/// An answer's status and the beginning of its body.
type Answer = (u16, String);

fn served(data: &std::path::Path, more: &[&str]) -> Server {
    let data = data.to_str().expect("a path");
    Server::start(&[&["word_count", "--data", data], more].concat())
}

/// The address behind `http://`.
fn address(server: &Server) -> String {
    server.url("").trim_start_matches("http://").to_owned()
}

/// Sends a request as programs do: with an address as host, and no headers of a browser.
fn read(server: &Server, path: &str) -> Value {
    let mut answer = ureq::get(server.url(path)).call().expect("an answer");
    serde_json::from_str(&answer.body_mut().read_to_string().expect("text")).expect("JSON")
}

fn append(server: &Server, text: &str) {
    let request = ureq::post(server.url("/v1/streams/lines?wait=visible&timeout=60s"));
    let request = request.header("content-type", "application/x-ndjson");
    request.send(format!("{{\"text\":\"{text}\"}}\n")).expect("an answer");
}

/// All state that a foreign page could have changed.
fn state(server: &Server) -> String {
    let rows = read(server, "/v1/dataflows/word_count/views/counts");
    let status = read(server, "/v1/status");
    format!("{} {} {}", status["log"], rows["boundary"], rows["rows"])
}

/// Paths of all routes and one that does not exist, with their methods.
fn paths(server: &Server) -> Vec<(String, Vec<String>)> {
    let api = read(server, "/openapi.json");
    let mut all = vec![("/nothing/here".to_owned(), Vec::new())];
    for (path, item) in api["paths"].as_object().expect("paths") {
        let filled = filled(path);
        assert!(!filled.contains('{'), "{path}: fill it, too");
        // Asked in the one form that has a shortcut past the router, too.
        if path.ends_with("/views/{view}") {
            all.push((format!("{filled}?key=secret"), Vec::new()));
        }
        let methods = item.as_object().expect("operations").keys().map(|name| name.to_uppercase());
        all.push((filled, methods.collect()));
    }
    assert!(all.len() >= 20, "{} paths", all.len());
    all
}

/// Values for three headers; `None`: the header is left out.
struct Headers {
    hosts: Vec<(String, bool)>,
    origins: Vec<(Option<String>, Option<String>)>,
    sites: [(Option<&'static str>, bool); 5],
}

impl Headers {
    fn of(address: &str) -> Headers {
        let port = address.rsplit_once(':').expect("a port").1;
        let local = format!("localhost:{port}");
        let origin = |host: &str| (Some(format!("http://{host}")), Some(host.to_owned()));
        Headers {
            hosts: vec![
                (address.to_owned(), true),
                (local.clone(), true),
                (format!("evil.example:{port}"), false),
                (format!("localhost.evil.example:{port}"), false),
            ],
            origins: vec![
                (None, None),
                origin(address),
                origin(&local),
                origin(&format!("evil.example:{port}")),
                (Some("http://127.0.0.1:1".to_owned()), Some("127.0.0.1:1".to_owned())),
                (Some("null".to_owned()), Some("null".to_owned())),
            ],
            sites: [
                (None, true),
                (Some("same-origin"), true),
                (Some("none"), true),
                (Some("same-site"), false),
                (Some("cross-site"), false),
            ],
        }
    }

    /// All combinations for one method of one path, each with whether it may pass.
    fn all(&self, method: &str, path: &str) -> Vec<(Asked, bool)> {
        let mut all = Vec::new();
        for (host, own) in &self.hosts {
            for (origin, of) in &self.origins {
                for (site, same) in &self.sites {
                    let posted = method == "POST";
                    let kind = if posted { "application/x-ndjson" } else { "text/plain" };
                    let mut headers = vec![("content-type", kind.to_owned())];
                    headers.extend(origin.clone().map(|origin| ("origin", origin)));
                    headers.extend(site.map(|site| ("sec-fetch-site", site.to_owned())));
                    let body = if posted { "{\"text\":\"evil\"}\n" } else { "" };
                    let (method, path, host) = (method.to_owned(), path.to_owned(), host.clone());
                    let passes = *own && *same && of.as_ref().is_none_or(|of| *of == host);
                    all.push((Asked { method, path, host, headers, body }, passes));
                }
            }
        }
        all
    }
}

/// Sends all requests that must be refused, then all others.
fn matrix(server: &Server, mut ask: impl FnMut(&Asked) -> Answer) -> (usize, usize) {
    let headers = Headers::of(&address(server));
    append(server, "secret");
    let before = state(server);
    let (mut refused, mut passed) = (0, Vec::new());
    for (path, described) in paths(server) {
        for method in METHODS {
            for (asked, passes) in headers.all(method, &path) {
                if passes {
                    // What there is not is refused as such, with a few headers as with all.
                    let known = described.iter().any(|known| known == method);
                    passed.extend(known.then_some(asked));
                    continue;
                }
                let (status, body) = ask(&asked);
                assert_eq!(status, 403, "{asked:?}: {body}");
                let said = method == "HEAD" || body.contains("about:blank#forbidden");
                assert!(said && !body.contains("secret"), "{asked:?}: {body}");
                refused += 1;
            }
        }
    }
    assert_eq!(state(server), before, "something has changed");
    for asked in &passed {
        let (status, body) = ask(asked);
        assert!(status != 403, "{asked:?}: {body}");
    }
    assert_ne!(state(server), before, "what passes is done");
    (refused, passed.len())
}

#[test]
fn every_route_refuses_other_pages_over_http1() {
    let data = tempfile::tempdir().expect("a directory");
    let server = served(data.path(), &[]);
    let (refused, passed) = matrix(&server, |asked| http1::ask(&address(&server), asked));
    println!("{refused} requests refused, {passed} passed");
}

#[test]
fn every_route_refuses_other_pages_over_http2() {
    let data = tempfile::tempdir().expect("a directory");
    let server = served(data.path(), &[]);
    let mut client = http2::Client::connect(&address(&server));
    let (refused, passed) = matrix(&server, |asked| client.ask(asked));
    println!("{refused} requests refused, {passed} passed");
}

/// A request that a browser sends without a preflight changes nothing, even if it does not tell its
/// origin.
#[test]
fn what_changes_something_is_asked_first() {
    let data = tempfile::tempdir().expect("a directory");
    let server = served(data.path(), &[]);
    append(&server, "secret");
    let before = state(&server);
    let address = address(&server);
    let api = read(&server, "/openapi.json");
    let mut asked = 0;
    for (path, item) in api["paths"].as_object().expect("paths") {
        let role = item["post"]["security"][0]["token"][0].as_str();
        if !matches!(role, Some("admin" | "append")) {
            continue;
        }
        let filled = filled(path);
        let path = match path.rsplit('/').next() {
            Some("retract") => filled + "?where=text%3Dsecret&reason=x",
            Some("rebuild") => filled + "?dataflow=word_count",
            _ => filled,
        };
        for kind in [
            None,
            Some("text/plain"),
            Some("text/plain;charset=application/json"),
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data; boundary=x"),
        ] {
            let headers = kind.map(|kind| ("content-type", kind.to_owned()));
            let (method, host) = ("POST".to_owned(), address.clone());
            let headers: Vec<_> = headers.into_iter().collect();
            let one = Asked { method, path: path.clone(), host, headers, body: "" };
            let (status, body) = http1::ask(&address, &one);
            assert_eq!(status, 415, "{one:?}: {body}");
            asked += 1;
        }
    }
    assert!(asked >= 7 * 5, "only {asked}");
    assert_eq!(state(&server), before, "something has changed");
}

#[test]
fn several_hosts_and_absolute_addresses_fool_nobody() {
    let data = tempfile::tempdir().expect("a directory");
    let server = served(data.path(), &["--allow-host", "diptych.example.org"]);
    let address = address(&server);
    let status = |line: &str, headers: &str| {
        let request = format!("{line}\r\n{headers}connection: close\r\n\r\n");
        http1::exchange(&address, request.as_bytes()).0
    };
    let own = format!("host: {address}\r\n");
    let evil = "host: evil.example\r\n";
    let get = "GET /v1/status HTTP/1.1";
    assert_eq!(status(get, &own), 200);
    assert_eq!(status(get, "host: DIPTYCH.Example.org.:80\r\n"), 200);
    assert_eq!(status(get, "host: [::ffff:127.0.0.1]\r\n"), 200);
    assert_eq!(status(get, "host: LOCALHOST.\r\n"), 200);
    assert_eq!(status("GET http://localhost/v1/status HTTP/1.1", &own), 200);
    for (line, headers) in [
        (get, evil.to_owned()),
        (get, format!("{own}{evil}")),
        (get, format!("{evil}{own}")),
        (get, "host: sub.diptych.example.org\r\n".to_owned()),
        (get, "host: localhost@evil.example\r\n".to_owned()),
        (get, "host:\r\n".to_owned()),
        ("GET http://evil.example/v1/status HTTP/1.1", own.clone()),
        ("GET http://localhost/v1/status HTTP/1.1", evil.to_owned()),
        ("GET http://evil.example/v1/status HTTP/1.0", String::new()),
    ] {
        assert_eq!(status(line, &headers), 403, "{line} {headers}");
    }
}

#[test]
fn a_name_that_is_none_is_refused_at_the_start() {
    let data = tempfile::tempdir().expect("a directory");
    let place = data.path().join("D");
    let refused = Command::new(env!("CARGO_BIN_EXE_diptych"))
        .args(["serve", "word_count", "--listen", "127.0.0.1:0", "--allow-host", "http://a/"])
        .arg("--data")
        .arg(&place)
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("--allow-host") && !place.exists(), "{said}");
}
