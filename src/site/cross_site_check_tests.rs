//! Tests of the check, header by header; `tests/foreign_pages.rs` asks every route.

use super::*;

fn site() -> OwnSite {
    OwnSite::new(&["Diptych.example.org.".to_owned()], None).expect("a name")
}

fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request")
}

fn refuses(uri: &str, headers: &[(&str, &str)]) -> bool {
    site().foreign(&request("POST", uri, headers)).is_some()
}

#[test]
fn hosts_are_addresses_localhost_and_names_that_are_given() {
    for host in [
        "127.0.0.1",
        "127.0.0.1:7171",
        "127.0.0.1.",
        "127.8.9.10:80",
        "10.1.2.3:7171",
        "[::1]",
        "[::1]:7171",
        "[::ffff:127.0.0.1]:7171",
        "[fe80::1%eth0]:7171",
        "localhost",
        "LocalHost:7171",
        "localhost.:7171",
        "localhost:",
        "diptych.example.org",
        "DIPTYCH.example.ORG.:443",
    ] {
        assert!(!refuses("/", &[("host", host)]), "{host}");
    }
    for host in [
        "",
        ".",
        "evil.example",
        "localhost.evil.example",
        "evil.example:7171",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "localhost@evil.example",
        "evil.example@localhost",
        "localhost:7171:80",
        "localhost:x",
        "localhost:99999",
        "localhost, evil.example",
        "localhost evil.example",
        "[::1]evil.example",
        "[::1",
        "::1",
        "[evil.example]",
        "2130706433x",
        "sub.diptych.example.org",
        "diptych.example.org..",
        "löcalhost",
    ] {
        assert!(refuses("/", &[("host", host)]), "{host}");
    }
}

#[test]
fn every_host_that_is_named_counts() {
    let own = ("host", "localhost:7171");
    let other = ("host", "evil.example");
    assert!(!refuses("http://localhost:7171/", &[own]));
    assert!(!refuses("http://localhost:7171/", &[]));
    assert!(!refuses("/", &[]), "HTTP/1.0 has no host, and browsers do not speak it");
    assert!(refuses("http://evil.example/", &[own]));
    assert!(refuses("http://localhost:7171/", &[other]));
    assert!(refuses("http://localhost@evil.example/", &[own]));
    assert!(refuses("/", &[own, other]));
    assert!(refuses("/", &[other, own]));
}

#[test]
fn origins_are_this_server() {
    let with = |host, origin| refuses("/v1/streams/lines", &[("host", host), ("origin", origin)]);
    for (host, origin) in [
        ("localhost:7171", "http://localhost:7171"),
        ("localhost:7171", "https://LOCALHOST:7171"),
        ("localhost", "http://localhost"),
        ("localhost:443", "https://localhost"),
        ("localhost", "https://localhost:443"),
        ("127.0.0.1:7171", "http://127.0.0.1:7171"),
        ("[::1]:7171", "http://[::1]:7171"),
        ("diptych.example.org", "https://diptych.example.org"),
        // Behind a proxy.
        ("127.0.0.1:7171", "https://diptych.example.org"),
    ] {
        assert!(!with(host, origin), "{origin} to {host}");
    }
    for (host, origin) in [
        ("localhost:7171", "null"),
        ("localhost:7171", ""),
        ("localhost:7171", "http://evil.example"),
        ("localhost:7171", "http://localhost"),
        ("localhost:7171", "http://localhost:7172"),
        ("localhost:7171", "http://127.0.0.1:7171"),
        ("localhost:7171", "file://localhost:7171"),
        ("localhost:7171", "localhost:7171"),
        ("localhost:7171", "http://localhost:7171@evil.example"),
        ("localhost:7171", "http://localhost:7171/path"),
        ("127.0.0.1:7171", "http://diptych.example.org:8000"),
    ] {
        assert!(with(host, origin), "{origin} to {host}");
    }
    let twice = [("host", "localhost"), ("origin", "http://localhost"), ("origin", "null")];
    assert!(refuses("/", &twice));
    assert!(refuses("/", &[("origin", "http://localhost")]), "to no host");
}

#[test]
fn other_sites_may_link_to_the_page_and_do_nothing_else() {
    let navigates = [
        ("host", "localhost"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    let own = site();
    let asks = |method, path, headers: &[_]| own.foreign(&request(method, path, headers));
    assert_eq!(asks("GET", "/", &navigates), None);
    assert_eq!(asks("HEAD", "/", &navigates), None);
    let foreign = Some(Foreign::Site("cross-site".to_owned()));
    assert_eq!(asks("POST", "/", &navigates), foreign);
    assert_eq!(asks("GET", "/v1/status", &navigates), foreign);
    let mut frame = navigates;
    frame[3].1 = "iframe";
    assert_eq!(asks("GET", "/", &frame), foreign);
    assert_eq!(asks("GET", "/", &navigates[..2]), foreign);
    for site in ["same-origin", "none"] {
        let headers = [("host", "localhost"), ("sec-fetch-site", site)];
        assert_eq!(asks("POST", "/v1/streams/lines", &headers), None);
    }
    for site in ["same-site", "", "?", "same-origin, cross-site"] {
        let headers = [("host", "localhost"), ("sec-fetch-site", site)];
        assert!(asks("GET", "/v1/status", &headers).is_some(), "{site:?}");
    }
}

#[test]
fn names_that_are_none_are_refused_by_name() {
    for name in ["", "http://a", "a:80", "127.0.0.1", "[::1]", "a b", "*"] {
        let error = OwnSite::new(&[name.to_owned()], None).err().expect("refused");
        assert!(error.is_input() && error.to_string().contains("--allow-host"), "{error}");
    }
}

/// The detail of the refusal, which escapes what it repeats.
async fn refusal(headers: &[(&str, &[u8])]) -> String {
    let mut request = request("POST", "/", &[]);
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value).expect("a value");
        request.headers_mut().append(HeaderName::try_from(*name).expect("a name"), value);
    }
    let foreign = site().foreign(&request).expect("it is foreign");
    let body = axum::body::to_bytes(foreign.into_response().into_body(), 1 << 16).await;
    let body: serde_json::Value = serde_json::from_slice(&body.expect("a body")).expect("JSON");
    body["detail"].as_str().expect("a detail").to_owned()
}

#[tokio::test]
async fn what_is_repeated_is_escaped_once() {
    let here = ("host", &b"localhost"[..]);
    let named = r#"ev\il."example""#;
    let detail = refusal(&[("host", named.as_bytes())]).await;
    assert!(detail.starts_with(&format!("this server is not called {named} (")), "{detail}");
    let origin = format!("http://{named}");
    let detail = refusal(&[here, ("origin", origin.as_bytes())]).await;
    assert!(detail.starts_with(&format!("a page of {origin} asks")), "{detail}");
    let detail = refusal(&[here, ("sec-fetch-site", named.as_bytes())]).await;
    assert!(detail.contains(&format!("(Sec-Fetch-Site is {named})")), "{detail}");
    // Control characters are escaped all the same.
    let detail = refusal(&[("host", b"\xff\t\xc2\x9b31m\xe2\x80\xae")]).await;
    assert!(detail.contains("called \u{fffd}\\t\\u{9b}31m\\u{202e} ("), "{detail}");
}
