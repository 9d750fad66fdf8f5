//! The dashboard of views asks statements that are answered.

use std::net::SocketAddr;
use std::sync::Arc;

use dataflows::{Tweet, tweets};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::event::Timestamp;
use diptych::servers::{self, Servers, ServersOptions};
use diptych::sources::append;
use diptych::system::{ServeOptions, Served};

use crate::served::connect;

/// `tweets` over some hours, on a Postgres port.
struct Views {
    address: SocketAddr,
    _servers: Servers,
    _served: Served,
    _directory: tempfile::TempDir,
}

fn tweet(number: i64) -> Tweet {
    Tweet {
        publish_date: Timestamp::from_micros(1_717_236_000_000_000 + number * 600_000_000),
        author_id: format!("author {}", number % 7),
        account_category: "made up".into(),
        region: String::new(),
        language: "English".into(),
        followers: None,
        following: None,
        updates: None,
        post_type: String::new(),
        retweet: None,
        content: format!("#all and #tag{}", number % 9),
    }
}

fn views() -> Views {
    let directory = tempfile::tempdir().expect("a directory");
    let system = System::open(directory.path());
    let writer = Arc::new(system.writer().expect("a writer"));
    let some: Vec<_> = (0..200).map(tweet).collect();
    append(&writer, "tweets", &some).expect("durable");
    let flows = [Definition::new("tweets", tweets)];
    let served = system.serve(&flows, ServeOptions::default().writer(&writer)).expect("served");
    served.wait_beyond("tweets", writer.upper() - 1).expect("visible");
    let site = servers::Site::of(&system, &served, &flows, None).expect("a site");
    let pg_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let options = ServersOptions { pg_listen, ..ServersOptions::default() };
    let servers = Servers::start(site, &options).expect("listening");
    let address = servers.pg().expect("an address");
    Views { address, _servers: servers, _served: served, _directory: directory }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_of_views_is_answered() {
    let text = include_str!("../../examples/deploy/grafana_views.json");
    let dashboard: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let asked: Vec<_> = targets.filter_map(|target| target["rawSql"].as_str()).collect();
    assert!(asked.len() > 5, "{asked:?}");
    // On a thread of its own: this one must not wait.
    let views = std::thread::spawn(views).join().expect("a site");
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(views.address.port()).user("ada").dbname("diptych");
    let client = connect(&config).await.expect("a connection");
    // What Grafana makes of its macro.
    let within = "hour BETWEEN '2024-06-01T00:00:00Z' AND '2024-06-03T00:00:00Z'";
    for sql in asked {
        let sql = sql.replace("$__timeFilter(hour)", within);
        let rows = client.simple_query(&sql).await.expect(&sql);
        // The description, at least a row, and the end.
        assert!(rows.len() > 2, "{sql}: {rows:?}");
    }
    std::thread::spawn(move || drop(views)).join().expect("stopped");
}
