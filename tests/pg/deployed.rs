//! Deployments while clients are connected: the clients see the views of the serving version.

use std::net::SocketAddr;
use std::sync::Arc;

use dataflows::{Line, Transfer, bank, word_count};
use diptych::dataflow::Definition;
use diptych::servers::{Servers, ServersOptions, Site};
use diptych::sources::append;
use diptych::system::{DeployOptions, ServeOptions};
use diptych::{Dataflow, System};
use tokio_postgres::Config;

use crate::served::connect;

/// `word_count` with other columns, and a view more.
fn lengths(df: &mut Dataflow<'_>) {
    let words = df.events::<Line>("lines").flat_map(|line, out| {
        out.extend(line.text.split_whitespace().map(|word| (word.to_owned(), word.len() as i64)));
    });
    let counts = words.count("words");
    df.view("words", counts.clone().map(|((word, _), n)| (word, n))).columns(&["word", "n"]);
    df.view("counts", counts.map(|((word, length), n)| (word, (length, n))))
        .columns(&["word", "length", "n"]);
    df.version("lengths");
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_follows_deployments() {
    let system = System::in_memory();
    let writer = Arc::new(system.writer().expect("a writer"));
    append(&writer, "lines", &[Line { text: "to be or not to be".into() }]).expect("appended");
    let transfer = Transfer { id: 1, from_account: 1, to_account: 2, amount: 5, ts: 0 };
    append(&writer, "transfers", &[transfer]).expect("appended");
    let flows = [
        Definition::new("word_count", word_count),
        Definition::new("word_count", lengths),
        Definition::new("bank", bank),
    ];
    let served = system.serve(&flows[..1], ServeOptions::default().writer(&writer));
    let served = served.expect("served");
    served.wait_beyond("word_count", 1).expect("visible");
    let site = Site::of(&system, &served, &flows, Some(Arc::clone(&writer))).expect("a site");
    let pg_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let options = ServersOptions { pg_listen, ..ServersOptions::default() };
    let servers = Servers::start(Arc::clone(&site), &options).expect("listening");
    let mut config = Config::new();
    config.host("127.0.0.1").port(servers.pg().expect("a port").port()).user("ada");
    let client = connect(&config).await.expect("a connection");

    let old = client.prepare("SELECT * FROM counts ORDER BY n DESC, word").await.expect("known");
    assert_eq!((old.columns().len(), client.query(&old, &[]).await.expect("rows").len()), (2, 4));
    let point = client.prepare("SELECT n FROM counts WHERE word = $1").await.expect("known");
    assert!(client.prepare("SELECT * FROM bank.total").await.is_err(), "not served yet");
    tokio::task::block_in_place(|| {
        let other_columns = true;
        let options =
            DeployOptions { writer: Some(writer), other_columns, ..DeployOptions::default() };
        for flow in &flows[1..] {
            let deployed = system.deploy(&served, flow, &options).expect("deployed");
            site.deployed(&deployed).expect("room");
        }
    });

    // What was prepared for the version before is refused in the words that drivers know.
    let error = client.query(&old, &[]).await.expect_err("other columns");
    let error = error.as_db_error().expect("told by the server");
    assert_eq!(error.code().code(), "0A000");
    assert!(error.message().contains("cached plan must not change result type"), "{error}");
    let error = client.query(&point, &[&"to"]).await.expect_err("other columns");
    assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some("0A000"));
    let new = client.query_one("SELECT length, n FROM counts WHERE word = 'to'", &[]);
    let new = new.await.expect("a row");
    assert_eq!((new.get::<_, i64>(0), new.get::<_, i64>(1)), (2, 2));
    let sum = client.query_one("SELECT CAST(sum(n) AS bigint) FROM words", &[]).await;
    assert_eq!(sum.expect("a row").get::<_, i64>(0), 6);
    let total = client.query("SELECT * FROM bank.total", &[]).await.expect("served now");
    assert_eq!(total.len(), 1);
    // What the catalog says was true when the session began.
    let client = connect(&config).await.expect("a connection");
    let known = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'bank'";
    assert_eq!(client.query(known, &[]).await.expect("rows").len(), 6);
    tokio::task::block_in_place(|| {
        servers.stop();
        served.stop().expect("stopped");
    });
}
