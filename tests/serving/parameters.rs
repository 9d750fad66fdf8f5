//! Every path refuses what it does not support, in the same words: an unknown parameter, one given
//! twice, a body where none is read, an unknown coding of a body.

use serde_json::Value;

use super::server::{Server, filled};

/// Status, content type and body of an answer.
struct Told {
    status: u16,
    kind: String,
    text: String,
}

impl Told {
    /// Checks that this is a problem with `words` in it.
    fn refuses(&self, status: u16, words: &str, of: &str) {
        assert_eq!((self.status, &*self.kind), (status, "application/problem+json"), "{of}");
        let problem: Value = serde_json::from_str(&self.text).expect("JSON");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains(words), "{of}: {detail}");
    }
}

fn ask(server: &Server, method: &str, path: &str, kind: Option<&str>, body: &str) -> Told {
    let mut request = ureq::http::Request::builder().method(method).uri(server.url(path));
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    let request = request.body(body.to_owned()).expect("a request");
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .build()
        .into();
    let mut response = agent.run(request).expect("an answer");
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().expect("text"));
    let kind = kind.unwrap_or_default().to_owned();
    let status = response.status().as_u16();
    // Nothing that is refused goes on for ever.
    let text = if status == 200 { String::new() } else { read(&mut response) };
    Told { status, kind, text }
}

fn read(response: &mut ureq::http::Response<ureq::Body>) -> String {
    response.body_mut().read_to_string().expect("text")
}

/// An operation of the interface: its method, its path with served names, a content type of its
/// body, and its parameters, each with whether it is a list.
type Operation = (String, String, Option<String>, Vec<(String, bool)>);

/// All operations of the interface.
fn operations(server: &Server) -> Vec<Operation> {
    let api = server.get("/openapi.json");
    let mut all = Vec::new();
    for (path, item) in api["paths"].as_object().expect("paths") {
        let filled = filled(path);
        for (method, operation) in item.as_object().expect("operations") {
            let none = Vec::new();
            let parameters = operation["parameters"].as_array().unwrap_or(&none);
            let asked = parameters.iter().filter(|parameter| parameter["in"] == "query");
            let asked = asked.map(|parameter| {
                let list = parameter["schema"]["type"].to_string().contains("array");
                (parameter["name"].as_str().expect("a name").to_owned(), list)
            });
            let kinds = operation["requestBody"]["content"].as_object();
            let kind = kinds.and_then(|kinds| kinds.keys().next()).cloned();
            all.push((method.to_uppercase(), filled.clone(), kind, asked.collect()));
        }
    }
    assert!(all.len() >= 20, "{} operations", all.len());
    all
}

#[test]
fn no_path_ignores_a_parameter() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Server::start(&["word_count", "--data", data.path().to_str().expect("a path")]);
    server.append("lines", "{\"text\":\"a\"}").expect("an append");
    for (method, path, kind, parameters) in operations(&server) {
        let kind = kind.as_deref();
        let refused = ask(&server, &method, &format!("{path}?frm=1"), kind, "");
        refused.refuses(400, "parameter \"frm\" is not known here", &format!("{method} {path}"));
        for (name, list) in parameters {
            let twice = format!("{path}?{name}=1&{name}=1");
            let refused = ask(&server, &method, &twice, kind, "");
            if list {
                assert!(!refused.text.contains("given twice"), "{twice}: {}", refused.text);
            } else {
                let words = format!("parameter {name} is given twice");
                refused.refuses(400, &words, &format!("{method} {twice}"));
            }
        }
    }
    let end = &server.get("/v1/status")["log"]["upper"];
    assert_eq!(end, 1, "nothing was appended");
}

#[test]
fn names_in_a_path_that_are_no_text_are_problems_too() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Server::start(&["word_count", "--data", data.path().to_str().expect("a path")]);
    for (method, path) in [
        ("GET", "/v1/dataflows/%ff"),
        ("GET", "/v1/dataflows/%ff/graph"),
        ("POST", "/v1/dataflows/%ff/verify"),
        ("GET", "/v1/dataflows/word_count/views/%ff"),
        ("GET", "/v1/dataflows/%ff/views/counts/changes"),
        ("GET", "/v1/dataflows/word_count/views/%ff/changes"),
        ("GET", "/page/%ff"),
    ] {
        ask(&server, method, path, Some("application/json"), "").refuses(400, "not UTF-8", path);
    }
}

#[test]
fn a_body_where_none_is_read_is_refused() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Server::start(&["word_count", "--data", data.path().to_str().expect("a path")]);
    server.append("lines", "{\"text\":\"a\"}").expect("an append");
    // Its conditions would be lost on the way, and all of the epoch be taken back.
    let conditions = "{\"where\": \"text=b\"}";
    let path = "/v1/streams/lines/retract?epoch=0&reason=mistake";
    for path in [
        path,
        "/v1/dataflows/word_count/verify",
        "/v1/dataflows/word_count/deploy",
        "/v1/admin/rebuild?dataflow=word_count",
        "/v1/admin/handover?successor=00000000000000000000000000000000",
    ] {
        let refused = ask(&server, "POST", path, Some("application/json"), conditions);
        refused.refuses(400, "this takes no body", path);
    }
    let answer = server.get("/v1/dataflows/word_count/views/counts?key=a");
    assert_eq!(answer["rows"][0]["n"], 1, "it is still there: {answer}");
    let nothing = Some("application/json");
    let dry = format!("{path}&dry_run=true");
    assert_eq!(ask(&server, "POST", &dry, nothing, " {} ").status, 200, "it says nothing");
    ask(&server, "POST", path, None, "").refuses(415, "application/json", path);
    assert_eq!(ask(&server, "POST", path, nothing, "").status, 200);
}
