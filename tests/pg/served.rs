//! Dataflows with rows of every type, served in this process on a port of its own.

use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use dataflows::{Line, Transfer, bank, word_count};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::event::{Date, Decimal, Timestamp};
use diptych::log::Writer;
use diptych::servers::{self, Servers, ServersOptions};
use diptych::sources::append;
use diptych::system::{ServeOptions, Served};
use tokio_postgres::{Client, Config, NoTls};

use crate::flows::{Sample, types};

/// The number of samples.
pub(crate) const SAMPLES: u32 = 300;

/// A served site; its servers end with it.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    writer: Arc<Writer>,
    served: Served,
    servers: Option<Servers>,
    directory: tempfile::TempDir,
}

fn sample(id: u32) -> Sample {
    let some = |salt: u32| !(id + salt).is_multiple_of(5);
    let n = i64::from(id);
    let odd = [0.0, -0.0, 1.5, -1e300, 1e15, 1e-7, f64::INFINITY, f64::NAN, 123_456.789];
    Sample {
        id,
        tiny: (n % 21 - 10) as i8,
        small: some(1).then_some((n * 37 % 2000 - 1000) as i16),
        wide: u64::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (id % 60),
        flag: some(2).then_some(id.is_multiple_of(2)),
        ratio: odd[id as usize % odd.len()] * if id.is_multiple_of(2) { 1.0 } else { -1.0 },
        single: (n as f32 / 8.0).exp2(),
        price: Decimal::new(i128::from((n - 150) * 12_345)).expect("small"),
        name: some(3).then(|| format!("name {}\"{},\\é{{}}", id % 37, id % 3)),
        raw: n.to_be_bytes()[8 - (id as usize % 4)..].to_vec(),
        day: Date::from_days(20_454 - 100 * (id as i32 % 400)),
        at: some(4).then(|| Timestamp::from_micros(n * 86_400_123_456 - 7_777_777_777_777)),
    }
}

impl Site {
    /// Serves without credentials.
    pub(crate) fn start() -> Site {
        Site::with(|_, _| {})
    }

    /// Serves with `credentials`, so that only their users are admitted.
    pub(crate) fn guarded(credentials: &str) -> Site {
        Site::with(|directory, options| {
            let path = directory.join("credentials.toml");
            private(&path, credentials);
            options.credentials = Some(path);
        })
    }

    pub(crate) fn with(change: impl FnOnce(&Path, &mut ServersOptions) + Send) -> Site {
        // On a thread of its own: the caller's may be one of a runtime, which must not wait.
        std::thread::scope(|scope| scope.spawn(|| Site::made(change)).join().expect("a site"))
    }

    fn made(change: impl FnOnce(&Path, &mut ServersOptions)) -> Site {
        let directory = tempfile::tempdir().expect("a directory");
        let flows = [
            Definition::new("types", types),
            Definition::new("bank", bank),
            Definition::new("word_count", word_count),
        ];
        let system = System::open(directory.path().join("data"));
        let writer = Arc::new(system.writer().expect("a writer"));
        let samples: Vec<_> = (0..SAMPLES).map(sample).collect();
        append(&writer, "samples", &samples).expect("durable");
        let lines: Vec<_> = (0..3000).map(|n| Line { text: format!("w{n} often") }).collect();
        append(&writer, "lines", &lines).expect("durable");
        let served = system.serve(&flows, ServeOptions::default().writer(&writer));
        let served = served.expect("served");
        let site = servers::Site::of(&system, &served, &flows, None).expect("a site");
        let pg_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut options = ServersOptions { pg_listen, ..ServersOptions::default() };
        change(directory.path(), &mut options);
        let servers = Servers::start(site, &options).expect("listening");
        let address = servers.pg().expect("an address");
        let servers = Some(servers);
        let site = Site { address, writer, served, servers, directory };
        site.transfer(1, 2, 100);
        site
    }

    /// Appends a transfer between accounts, and waits until it is visible.
    pub(crate) fn transfer(&self, from_account: i64, to_account: i64, amount: i64) {
        let id = self.writer.upper() as i64;
        let transfer = Transfer { id, from_account, to_account, amount, ts: 0 };
        append(&self.writer, "transfers", &[transfer]).expect("durable");
        for name in ["types", "bank", "word_count"] {
            self.served.wait_beyond(name, self.writer.upper() - 1).expect("visible");
        }
    }

    /// The last epoch of the log.
    pub(crate) fn last_epoch(&self) -> u64 {
        self.writer.upper() - 1
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.address.port()).user("ada").dbname("diptych");
        config
    }

    /// A client.
    pub(crate) async fn client(&self) -> Client {
        connect(&self.config()).await.expect("a connection")
    }

    /// A directory that ends with the site.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Tells the servers to stop, and waits until they have.
    pub(crate) fn stop(&mut self) {
        self.servers.take().expect("still running").stop();
    }
}

/// A client with this configuration.
pub(crate) async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        // How it ends is told to who asks something.
        let _ = connection.await;
    });
    Ok(client)
}

/// Writes a file that only its owner may read.
pub(crate) fn private(path: &Path, text: &str) {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).mode(0o600).open(path).expect("a file");
    file.write_all(text.as_bytes()).expect("written");
}
