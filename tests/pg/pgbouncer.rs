//! Connections through `PgBouncer` in transaction mode: many clients share few connections, and no
//! setting of one reaches another. Skipped where there is no `PgBouncer`.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio_postgres::{Client, Config, SimpleQueryMessage};

use crate::clients::runs;
use crate::served::{Site, connect};

const CLIENTS: usize = 24;

/// A running `PgBouncer`; it ends with this.
struct Bouncer {
    process: Child,
    port: u16,
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Bouncer {
    fn start(site: &Site) -> Bouncer {
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        // It does not run as root.
        let user = if rustix::process::geteuid().is_root() { "user = nobody\n" } else { "" };
        let ini = format!(
            "[databases]\ndiptych = host=127.0.0.1 port={} dbname=diptych user=ada\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 200\n{user}",
            site.address.port()
        );
        let path = site.directory().join("pgbouncer.ini");
        std::fs::write(&path, ini).expect("written");
        let mut command = Command::new("pgbouncer");
        command.arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Bouncer { process: command.spawn().expect("it starts"), port }
    }

    async fn client(&self) -> Client {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user("ada").dbname("diptych");
        for _ in 0..100 {
            if let Ok(client) = connect(&config).await {
                return client;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("PgBouncer does not answer on port {}", self.port)
    }
}

async fn one(client: &Client, sql: &str) -> String {
    let answer = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let value = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    value.unwrap_or_else(|| panic!("{sql}: no row")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_share_connections_and_no_settings() {
    if !runs("pgbouncer", &["--version"]) {
        println!("skipped: no PgBouncer");
        return;
    }
    let site = Site::start();
    let bouncer = Bouncer::start(&site);
    let balance = "SELECT sum(balance) FROM bank.balance_outer WHERE account = 2";
    let direct = site.client().await;
    let before = site.last_epoch();
    site.transfer(1, 2, 11);
    let mut turns = Vec::new();
    for number in 0..CLIENTS {
        let client = bouncer.client().await;
        turns.push(tokio::spawn(async move {
            for _ in 0..10 {
                if number % 2 == 0 {
                    // An earlier epoch, for one transaction.
                    let _ = client.simple_query("BEGIN").await.expect("begun");
                    let set = format!("SET LOCAL diptych.as_of = '{before}'");
                    client.simple_query(&set).await.expect("set");
                    assert_eq!(one(&client, balance).await, "100");
                    client.simple_query("COMMIT").await.expect("committed");
                } else {
                    assert_eq!(one(&client, balance).await, "111", "another client's epoch");
                    assert_eq!(one(&client, "SHOW diptych.as_of").await, "");
                }
            }
        }));
    }
    for turn in turns {
        turn.await.expect("no panic");
    }
    let used = one(&direct, "SELECT count(*) FROM pg_stat_activity").await;
    println!("{CLIENTS} clients through PgBouncer; connections seen by the server: {used}");
}
