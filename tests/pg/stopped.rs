//! A dataflow that has stopped is never an empty table: statements over it say why it stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dataflows::Line;
use diptych::dataflow::Definition;
use diptych::log::Writer;
use diptych::servers::{self, Servers, ServersOptions};
use diptych::sources::append;
use diptych::system::{ServeOptions, Served};
use diptych::{Dataflow, System};
use tokio_postgres::{Client, NoTls};

/// Counts lines, and panics at one that says so.
fn touchy(df: &mut Dataflow) {
    let lines = df.events::<Line>("lines").map(|line| {
        assert!(line.text != "stop", "this line stops it");
        line.text.to_owned()
    });
    df.view("seen", lines.count("seen"));
}

fn steady(df: &mut Dataflow) {
    let lines = df.events::<Line>("lines").map(|line| line.text.to_owned());
    df.view("all_lines", lines.count("all_lines"));
}

struct Stopped {
    pg: SocketAddr,
    http: SocketAddr,
    epoch: u64,
    _servers: Servers,
    _served: Served,
    _directory: tempfile::TempDir,
}

fn line(writer: &Writer, text: &str) {
    append(writer, "lines", &[Line { text: text.to_owned() }]).expect("durable");
}

/// A site whose dataflow `touchy` has stopped after these lines.
fn stopped(lines: &[&str]) -> Stopped {
    let directory = tempfile::tempdir().expect("a directory");
    let flows = [Definition::new("touchy", touchy), Definition::new("steady", steady)];
    let system = System::open(directory.path().join("data"));
    let writer = Arc::new(system.writer().expect("a writer"));
    if lines.is_empty() {
        // It stops in the first epoch that there is.
        line(&writer, "stop");
    }
    let served = system.serve(&flows, ServeOptions::default().writer(&writer)).expect("served");
    for text in lines {
        line(&writer, text);
        served.wait_beyond("touchy", writer.upper() - 1).expect("visible");
    }
    let epoch = writer.upper().saturating_sub(1);
    line(&writer, "stop");
    let begun = std::time::Instant::now();
    while served.failure("touchy").is_none() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it does not stop");
        std::thread::sleep(Duration::from_millis(5));
    }
    served.wait_beyond("steady", writer.upper() - 1).expect("visible");
    let site = servers::Site::of(&system, &served, &flows, None).expect("a site");
    let here = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let options = ServersOptions { listen: here, pg_listen: here, ..ServersOptions::default() };
    let servers = Servers::start(site, &options).expect("listening");
    let (pg, http) = (servers.pg().expect("an address"), servers.http().expect("an address"));
    Stopped { pg, http, epoch, _servers: servers, _served: served, _directory: directory }
}

/// The answer to a question over HTTP: its status and text.
fn ask(site: &Stopped, path: &str, sql: Option<&str>) -> (u16, String) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let url = format!("http://{}{path}", site.http);
    let answer = match sql {
        Some(sql) => agent.post(&url).send(sql),
        None => agent.get(&url).call(),
    };
    let mut answer = answer.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.body_mut().read_to_string().expect("text"))
}

async fn connect(site: &Stopped) -> Client {
    let config = format!("host=127.0.0.1 port={} user=ada", site.pg.port());
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await.expect("connected");
    tokio::spawn(connection);
    client
}

async fn refusal(client: &Client, sql: &str) -> String {
    let error = client.simple_query(sql).await.err().unwrap_or_else(|| panic!("{sql}: answered"));
    let error = error.as_db_error().expect("an error of the server");
    assert_eq!(error.code().code(), "55000", "{sql}: {error:?}");
    error.message().to_owned()
}

const OF_IT: &[&str] = &[
    "SELECT count(*) FROM touchy.seen",
    "SELECT * FROM seen",
    "SELECT * FROM touchy.seen LIMIT 1",
    "SELECT value FROM touchy.seen WHERE key = 'a'",
    "SELECT (SELECT count(*) FROM touchy.seen) + 1",
    "BEGIN; SELECT count(*) FROM touchy.seen",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_dataflow_is_no_empty_table() {
    let site = std::thread::spawn(|| stopped(&[])).join().expect("a site");
    let client = connect(&site).await;
    for sql in OF_IT {
        let said = refusal(&client, sql).await;
        assert!(said.contains("\"touchy\" has stopped: "), "{said}");
        client.simple_query("ROLLBACK").await.expect("the connection lives");
    }
    let rows = client.query("SELECT count(*) FROM steady.all_lines", &[]).await.expect("rows");
    assert_eq!(rows[0].get::<_, i64>(0), 1);
    let (status, said) = ask(&site, "/v1/sql", Some("SELECT count(*) FROM touchy.seen"));
    assert_eq!(status, 503, "{said}");
    assert!(said.contains("\"sqlstate\":\"55000\"") && said.contains("touchy"), "{said}");
    for path in ["?key=a", "", "?stale=ok"] {
        let (status, said) = ask(&site, &format!("/v1/dataflows/touchy/views/seen{path}"), None);
        assert_eq!(status, 503, "{said}");
        assert!(said.contains("touchy") && said.contains("stopped"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_dataflow_still_answers_at_epochs_before() {
    let site = std::thread::spawn(|| stopped(&["a", "b"])).join().expect("a site");
    let client = connect(&site).await;
    for sql in OF_IT {
        let said = refusal(&client, sql).await;
        let remedy = format!("SET diptych.as_of = '{}'", site.epoch);
        assert!(said.contains(&remedy), "{said}");
        client.simple_query("ROLLBACK").await.expect("the connection lives");
    }
    let set = |at: u64| format!("SET diptych.as_of = '{at}'");
    client.simple_query(&set(site.epoch)).await.expect("set");
    let rows = client.query("SELECT count(*) FROM touchy.seen", &[]).await.expect("rows");
    assert_eq!(rows[0].get::<_, i64>(0), 2);
    client.simple_query(&set(site.epoch + 1)).await.expect("set");
    refusal(&client, "SELECT count(*) FROM touchy.seen").await;
    // Now is after the stop, so that the last epoch before it is not what is meant.
    client.simple_query("SET diptych.as_of = '2100-01-01T00:00:00Z'").await.expect("set");
    refusal(&client, "SELECT count(*) FROM touchy.seen").await;
    client.simple_query("RESET ALL; SET diptych.at_least = '0'").await.expect("set");
    refusal(&client, "SELECT count(*) FROM touchy.seen").await;
}
