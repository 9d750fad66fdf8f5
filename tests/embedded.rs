//! The HTTP interface inside another service: only routes that read and append, in bounds; and the
//! servers, started and stopped in tasks of that service's runtime.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use dataflows::{Line, word_count};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::limits::BODY_BYTES_MAX;
use diptych::servers::{Servers, ServersOptions, Site};
use diptych::serving::Read;
use diptych::sources::append;
use diptych::system::{ServeOptions, Served};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;

#[test]
fn it_reads_and_appends_and_no_more() {
    let (system, flows) = (System::in_memory(), [Definition::new("word_count", word_count)]);
    let writer = Arc::new(system.writer().unwrap());
    let served = system.serve(&flows, ServeOptions::default().writer(&writer)).unwrap();
    let site = Site::of(&system, &served, &flows, Some(writer)).unwrap();
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

/// The parts that an embedding service starts and stops, in tasks of its own runtime.
struct House {
    served: Served,
    site: Arc<Site>,
}

impl House {
    fn open() -> House {
        let (system, flows) = (System::in_memory(), [Definition::new("word_count", word_count)]);
        let writer = Arc::new(system.writer().unwrap());
        append(&writer, "lines", &[Line { text: "to be".to_owned() }]).unwrap();
        let served = system.serve(&flows, ServeOptions::default().writer(&writer)).unwrap();
        served.wait_beyond("word_count", 0).unwrap();
        let site = Site::of(&system, &served, &flows, Some(writer)).unwrap();
        House { served, site }
    }

    fn start(&self, listen: &str) -> diptych::Result<Servers> {
        let listen = Some(listen.parse().unwrap());
        // Without SQL there is no such port.
        let pg_listen = cfg!(feature = "sql").then(|| "127.0.0.1:0".parse().unwrap());
        let options = ServersOptions { listen, pg_listen, ..ServersOptions::default() };
        Servers::start(Arc::clone(&self.site), &options)
    }
}

/// Reads an answer to the end of the connection; `rest` is sent when half of the request is there.
async fn answer(address: SocketAddr, request: &str, rest: impl Future<Output = &str>) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(rest.await.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

const READ: &str = "GET /v1/dataflows/word_count/views/counts?key=be HTTP/1.1\r\n\
                    host: localhost\r\nconnection: close\r\n\r\n";

/// Starts and stops servers in each way that there is.
async fn started_and_stopped() {
    let house = House::open();
    let servers = house.start("127.0.0.1:0").unwrap();
    let address = servers.http().unwrap();
    let text = answer(address, READ, async { "" }).await;
    assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("\"n\":1"), "{text}");
    // An address that is taken: what was begun ends in this task, too.
    let taken = house.start(&address.to_string()).map(|_| ()).unwrap_err();
    assert!(taken.to_string().contains("listening at"), "{taken}");
    servers.stop();
    let servers = house.start("127.0.0.1:0").unwrap();
    let address = servers.http().unwrap();
    // A request that is under way is finished, by another task of the thread that stops.
    let line = "{\"text\":\"be quick\"}\n";
    let request = format!(
        "POST /v1/streams/lines?wait=visible HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        line.len()
    );
    let begun = tokio::sync::Notify::new();
    let client = answer(address, &request, async {
        begun.notify_one();
        tokio::time::sleep(Duration::from_millis(50)).await;
        line
    });
    let stop = async {
        begun.notified().await;
        servers.stop_async().await;
    };
    let (text, ()) = tokio::join!(client, stop);
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "it has stopped");
    drop(house.start("127.0.0.1:0").unwrap());
    let House { served, site } = house;
    let index = served.index("word_count").unwrap();
    let counts = index.snapshot(Read::Latest).unwrap();
    assert_eq!(counts.lookup::<String, i64>("counts", &"be".to_owned()).unwrap(), [(2, 1)]);
    drop(site);
    served.stop().unwrap();
}

#[test]
fn servers_start_and_stop_in_any_runtime() {
    let multi = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let single = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for runtime in [multi, single] {
        // As `#[tokio::main]` does, and in a task.
        runtime.block_on(started_and_stopped());
        runtime.block_on(async { tokio::spawn(started_and_stopped()).await.unwrap() });
    }
    // And without one.
    let house = House::open();
    house.start("127.0.0.1:0").unwrap().stop();
    futures::executor::block_on(house.start("127.0.0.1:0").unwrap().stop_async());
    house.served.stop().unwrap();
}
