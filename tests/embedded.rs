//! The interface inside somebody else's service: what reads and appends, in bounds, and no more.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request};
use diptych::dataflows::word_count;
use diptych::limits::BODY_BYTES_MAX;
use diptych::{Definition, ServeOptions, System};
use tower::ServiceExt;

#[test]
fn it_reads_and_appends_and_no_more() {
    let (system, flows) = (System::in_memory(), [Definition::new("word_count", word_count)]);
    let writer = Arc::new(system.writer().unwrap());
    let served = system.serve(&flows, ServeOptions::default().writer(&writer)).unwrap();
    let site = system.site(&served, &flows, Some(writer)).unwrap();
    let service = diptych::servers::routes(&site);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let status = |method: Method, path: &str, body: String| {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("content-type", "application/json").body(Body::from(body));
        let answer = runtime.block_on(service.clone().oneshot(request.unwrap())).unwrap();
        answer.status().as_u16()
    };
    let get = |path: &str| status(Method::GET, path, String::new());
    let post = |path: &str, body: &str| status(Method::POST, path, body.to_owned());
    assert_eq!(post("/v1/streams/lines?wait=visible", r#"{"text": "to be"}"#), 200);
    for path in ["", "/word_count", "/word_count/views/counts", "/word_count/snapshot"] {
        assert_eq!(get(&format!("/v1/dataflows{path}")), 200, "{path}");
    }
    assert_eq!(get("/v1/status"), 200);
    for path in ["/", "/page/page.js", "/metrics", "/healthz", "/openapi.json"] {
        assert_eq!(get(path), 404, "{path}");
    }
    let admin = [
        "/v1/admin/rebuild?dataflow=word_count",
        "/v1/admin/handover",
        "/v1/dataflows/word_count/verify",
        "/v1/dataflows/word_count/deploy",
        "/v1/streams/lines/retract",
    ];
    for path in admin {
        assert_eq!(post(path, ""), 404, "{path}");
    }
    let long = "x".repeat(BODY_BYTES_MAX as usize);
    let long = format!("{{\"text\": \"{long}\"}}");
    assert_eq!(status(Method::POST, "/v1/streams/lines", long), 413);
    site.load.stop();
    served.stop().unwrap();
}
