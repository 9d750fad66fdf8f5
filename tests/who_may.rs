//! Promise 19: loopback by default; an address that is not loopback without TLS and credentials
//! refuses to start; every route is asked with every credential.
//!
//! The matrix is made from the server's own description, which is made from the registration of its
//! routes: a new route is tested without any change here.

#[path = "serving/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use server::Server;

/// The credential of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brings {
    Nothing,
    Wrong,
    Read,
    Append,
    Admin,
    Expired,
    Removed,
    Both,
}

const ALL: [Brings; 8] = [
    Brings::Nothing,
    Brings::Wrong,
    Brings::Read,
    Brings::Append,
    Brings::Admin,
    Brings::Expired,
    Brings::Removed,
    Brings::Both,
];

impl Brings {
    /// The status that the gate answers with; none when it lets the request pass.
    fn expected(self, needs: Option<&str>) -> Option<u16> {
        let needs = needs?;
        let roles: &[&str] = match self {
            Brings::Nothing | Brings::Wrong | Brings::Expired | Brings::Removed => {
                return Some(401);
            }
            Brings::Read => &["read"],
            Brings::Append => &["append"],
            Brings::Both => &["read", "append"],
            Brings::Admin => return None,
        };
        (!roles.contains(&needs)).then_some(403)
    }
}

fn diptych(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_diptych")).args(args).output().expect("the binary runs")
}

/// A new token in the file, by the command that makes them.
fn token(file: &Path, role: &str) -> String {
    let file = file.to_str().expect("a path");
    let made = diptych(&["token", "new", "--role", role, "--name", role, "--into", file]);
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).expect("text").trim().to_owned()
}

struct Operation {
    method: String,
    path: String,
    needs: Option<String>,
}

/// Every operation that the server describes, and the role it needs.
fn operations(description: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let needs = operation["security"].as_array().map(|requirements| {
                let role = &requirements[0]["token"][0];
                role.as_str().unwrap_or_else(|| panic!("{method} {path} names no role")).to_owned()
            });
            found.push(Operation { method: method.to_uppercase(), path: path.clone(), needs });
        }
    }
    found
}

/// The path with something in place of its parameters.
fn filled(path: &str) -> String {
    let values =
        BTreeMap::from([("dataflow", "word_count"), ("view", "counts"), ("stream", "lines")]);
    let parts = path.split('/').map(|part| {
        let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        name.map_or(part, |name| values.get(name.trim_start_matches('*')).unwrap_or(&"x"))
    });
    let filled = parts.collect::<Vec<_>>().join("/");
    // Asked in the one form that has a shortcut past the router: it must be none past the gate.
    if path.ends_with("/views/{view}") { filled + "?key=to" } else { filled }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_recv_body(Some(Duration::from_secs(5)))
        .timeout_recv_response(Some(Duration::from_secs(20)))
        .build();
    config.into()
}

/// The status of an answer, and its challenge. Its body may be a stream without an end.
fn ask(agent: &ureq::Agent, method: &str, url: &str, token: Option<&str>) -> (u16, String) {
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = match method {
        "POST" | "PUT" | "PATCH" => {
            let request = request.header("content-type", "application/x-ndjson");
            agent.run(request.body("{\"text\": \"to be\"}\n").expect("a request"))
        }
        _ => agent.run(request.body(()).expect("a request")),
    };
    let answer = answer.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
    let challenge = answer.headers().get("www-authenticate");
    let challenge = challenge.map_or(String::new(), |value| value.to_str().expect("text").into());
    (answer.status().as_u16(), challenge)
}

#[test]
fn every_route_with_every_credential() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("credentials.toml");
    let data = folder.path().join("data");
    let (data, path) = (data.to_str().expect("a path"), file.to_str().expect("a path"));
    let mut tokens: Vec<(Brings, Option<String>)> = vec![
        (Brings::Read, Some(token(&file, "read"))),
        (Brings::Append, Some(token(&file, "append"))),
        (Brings::Admin, Some(token(&file, "admin"))),
        (Brings::Both, Some(token(&file, "read,append"))),
        (Brings::Expired, Some(token(&file, "admin"))),
    ];
    let expired = fs::read_to_string(&file).expect("read") + "expires = 2020-01-01T00:00:00Z\n";
    fs::write(&file, &expired).expect("written");
    let removed = token(&file, "admin");
    let server = Server::start(&["word_count", "--data", data, "--credentials", path]);
    let agent = agent();
    let admin = tokens[2].1.clone();
    let status = server.url("/openapi.json");
    // Before it is removed it is as good as any.
    let (before, _) = ask(&agent, "GET", &status, Some(&removed));
    assert_eq!(before, 200);
    let description = agent.get(&status).header("authorization", &format!("Bearer {removed}"));
    let mut description = description.call().expect("a description");
    let description: Value =
        serde_json::from_str(&description.body_mut().read_to_string().expect("a body"))
            .expect("JSON");
    fs::write(&file, &expired).expect("written");
    tokens.push((Brings::Removed, Some(removed.clone())));
    tokens.push((Brings::Wrong, Some(format!("{}x", admin.as_deref().expect("a token")))));
    tokens.push((Brings::Nothing, None));
    assert_eq!(tokens.len(), ALL.len());

    let operations = operations(&description);
    let guarded: Vec<_> = operations.iter().filter(|operation| operation.needs.is_some()).collect();
    assert!(guarded.len() >= 5, "only {} guarded operations", guarded.len());
    let begun = Instant::now();
    let gone = |operation: &Operation| {
        let url = server.url(&filled(&operation.path));
        ask(&agent, &operation.method, &url, Some(&removed)).0 == 401
    };
    while !gone(guarded[0]) {
        assert!(begun.elapsed() < Duration::from_secs(20), "the file is read again");
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut asked = 0;
    for operation in &operations {
        for (brings, token) in &tokens {
            let Operation { method, path, needs } = operation;
            let url = server.url(&filled(path));
            let (status, challenge) = ask(&agent, method, &url, token.as_deref());
            let place = format!("{method} {path}, which needs {needs:?}, with {brings:?}");
            match brings.expected(needs.as_deref()) {
                Some(expected) => {
                    assert_eq!(status, expected, "{place}");
                    assert!(challenge.starts_with("Bearer realm="), "{place}: {challenge}");
                }
                None => assert!(status != 401 && status != 403, "{place}: {status}"),
            }
            asked += 1;
        }
    }
    println!("{asked} requests: {} operations x {} credentials", operations.len(), tokens.len());
    assert_eq!(asked, operations.len() * ALL.len());
}

#[test]
fn only_health_and_the_description_are_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&["word_count", "--data", folder.path().to_str().expect("a path")]);
    let mut description = agent().get(server.url("/openapi.json")).call().expect("a description");
    let text = description.body_mut().read_to_string().expect("a body");
    let open: Vec<String> = operations(&serde_json::from_str(&text).expect("JSON"))
        .into_iter()
        .filter_map(|operation| operation.needs.is_none().then_some(operation.path))
        .collect();
    let known = ["/", "/healthz", "/openapi.json", "/readyz"];
    for path in &open {
        let page = path.starts_with("/page/");
        assert!(page || known.contains(&path.as_str()), "{path} asks for no credentials");
    }
}

#[test]
fn other_addresses_than_loopback_refuse_to_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("credentials.toml");
    token(&file, "read");
    let data = folder.path().join("data");
    let (data, file) = (data.to_str().expect("a path"), file.to_str().expect("a path"));
    let serve = ["serve", "word_count", "--data", data, "--for", "1s"];
    for (flags, missing) in [
        (&["--listen", "0.0.0.0:0"][..], "without TLS and credentials"),
        (&["--listen", "[::]:0"], "without TLS and credentials"),
        (&["--pg-listen", "0.0.0.0:0"], "without TLS and credentials"),
        (&["--listen", "127.0.0.1:0", "--pg-listen", "0.0.0.0:0"], "Postgres at 0.0.0.0:0"),
        (&["--listen", "0.0.0.0:0", "--credentials", file], "without TLS ("),
        (&["--listen", "10.255.255.1:0"], "without TLS and credentials"),
    ] {
        let refused = diptych(&[&serve[..], flags].concat());
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(missing), "{flags:?}: {said}");
        for remedy in ["--tls-cert", "--credentials", "127.0.0.1"] {
            assert!(said.contains(remedy), "{flags:?}: {said}");
        }
        assert!(!Path::new(data).exists(), "{flags:?}: refused before anything is made");
    }
    for address in ["127.0.0.1:0", "127.8.9.10:0", "[::ffff:127.0.0.1]:0"] {
        let served = diptych(&[&serve[..], &["--listen", address]].concat());
        assert!(served.status.success(), "{address}: {served:?}");
    }
}

#[test]
fn with_tls_and_credentials_any_address_serves_and_plain_text_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let cert = rcgen::CertificateParams::new(names).expect("names").self_signed(&key);
    fs::write(at("cert.pem"), cert.expect("a certificate").pem()).expect("written");
    fs::write(at("key.pem"), key.serialize_pem()).expect("written");
    let secret = token(Path::new(&at("credentials.toml")), "read");
    let (data, cert, key, credentials) =
        (at("data"), at("cert.pem"), at("key.pem"), at("credentials.toml"));
    fs::write(at("lines.ndjson"), "{\"text\":\"to be\"}\n").expect("written");
    let ingested = diptych(&["ingest", "lines", &at("lines.ndjson"), "--data", &data]);
    assert!(ingested.status.success(), "{ingested:?}");
    let server = Server::start(&[
        "word_count",
        "--data",
        &data,
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
        "--credentials",
        &credentials,
    ]);
    let secure = server.url("/readyz").replace("http://", "https://");
    let tls = ureq::tls::TlsConfig::builder().disable_verification(true).build();
    let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(tls).build().into();
    // It listens before it has caught up.
    let ready = (0..1_000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        let request = agent.get(&secure).header("authorization", &format!("Bearer {secret}"));
        request.call().is_ok_and(|answer| answer.status() == 200)
    });
    assert!(ready);
    assert!(ureq::get(server.url("/readyz").replace("https://", "http://")).call().is_err());
    let secure = secure.replace("/readyz", "").replace("127.0.0.1", "localhost");
    let query = ["query", "word_count", "counts", "--server", &secure];
    fs::write(at("token"), &secret).expect("written");
    for (flags, code, says) in [
        (&[][..], 8, "--ca FILE"),
        (&["--ca", &cert], 2, "--token-file FILE"),
        (&["--ca", &cert, "--token-file", &at("token")], 0, "read from https://localhost"),
    ] {
        let asked = diptych(&[&query, flags].concat());
        let said = String::from_utf8_lossy(&asked.stderr);
        assert_eq!(asked.status.code(), Some(code), "{flags:?}: {said}");
        assert!(said.contains(says), "{flags:?}: {said}");
    }

    let flags = ["serve", "word_count", "--data", &data, "--for", "1s", "--follow"];
    let more = ["--tls-cert", &cert, "--tls-key", &key, "--credentials", &credentials];
    let ended = diptych(&[&flags[..], &["--listen", "0.0.0.0:0"], &more].concat());
    assert!(ended.status.success(), "{ended:?}");
}
