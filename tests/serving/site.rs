//! Servers in this process, over an index made by hand and a simulated log.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use diptych::dataflow::Graph;
use diptych::row::{self, RowSchema};
use diptych::servers::{Flow, Servers, ServersOptions, Site};
use diptych::serving::{Index, IndexOptions, Publish, Serving, ViewBatch, ViewInfo};
use diptych::system::{Control, DeployRequest, Deployed, Rebuild, Turn, Turns};
use diptych::time::Epoch;
use diptych::{Error, Result, System};

/// Rows that one epoch replaces.
pub(crate) const PER_EPOCH: u64 = 50;
/// The number of keys.
const KEYS: u64 = 500;

/// A view of `version` that holds nothing yet. The key column is called `key`.
pub(crate) fn index(
    version: &str,
    key: &str,
    history_epochs: Epoch,
    recent_updates: usize,
) -> Index {
    descended(version, key, (history_epochs, recent_updates), None)
}

/// The same, with a batch view accepted at that boundary.
pub(crate) fn descended(
    version: &str,
    key: &str,
    (history_epochs, recent_updates): (Epoch, usize),
    lineage: Option<Epoch>,
) -> Index {
    let schema = RowSchema::of::<u64, String>().named(&[key, "text"]).expect("two names");
    let views = vec![ViewInfo { name: "all".to_owned(), schema }];
    let options =
        IndexOptions { history_epochs, recent_updates, lineage, ..IndexOptions::default() };
    Index::new(version, views, 1, options).expect("an index")
}

fn text(version: &str, key: u64, epoch: Epoch) -> String {
    format!("version {version}, key {key}, epoch {epoch}, {}", "and so on ".repeat(5))
}

/// Epochs at which a key changes: every tenth.
fn changes_at(key: u64, epoch: Epoch) -> bool {
    key % (KEYS / PER_EPOCH) == epoch % (KEYS / PER_EPOCH)
}

/// Publishes the epochs from the frontier up to `upper`.
pub(crate) fn publish(index: &Index, upper: Epoch) {
    let version = index.version().to_owned();
    for epoch in index.frontier()..upper {
        let mut updates = Vec::new();
        for key in (0..KEYS).filter(|key| changes_at(*key, epoch)) {
            let value = |at| row::encode(&text(&version, key, at));
            if let Some(before) = epoch.checked_sub(KEYS / PER_EPOCH) {
                updates.push(((row::encode(&key), value(before)), epoch, -1));
            }
            updates.push(((row::encode(&key), value(epoch)), epoch, 1));
        }
        index.publish(0, 0, ViewBatch::from_updates(epoch, epoch + 1, updates));
    }
}

/// The rows of the view once `upper` epochs are complete, in a subscriber's form.
pub(crate) fn rows(version: &str, upper: Epoch) -> BTreeMap<String, i64> {
    let last = |key| (0..upper).rev().find(|epoch| changes_at(key, *epoch));
    let there = (0..KEYS).filter_map(|key| Some((key, last(key)?)));
    there
        .map(|(key, epoch)| {
            let row = serde_json::json!({ "key": key, "text": text(version, key, epoch) });
            (row.to_string(), 1)
        })
        .collect()
}

/// A log that replays what [`publish`] does, when its gate is open.
#[derive(Default)]
pub(crate) struct Gated {
    open: Mutex<bool>,
    opened: Condvar,
    /// The epochs that a recomputation can keep apart; 0: all.
    pub(crate) keeps: AtomicU64,
    /// First and last epoch of each run.
    pub(crate) runs: Mutex<Vec<(Epoch, Epoch)>>,
}

impl Gated {
    pub(crate) fn open(&self) {
        *self.open.lock().expect("a lock") = true;
        self.opened.notify_all();
    }

    fn run(&self, from: Epoch, upper: Epoch) -> Index {
        self.runs.lock().expect("a lock").push((from, upper));
        let open = self.open.lock().expect("a lock");
        drop(self.opened.wait_while(open, |open| !*open).expect("a lock"));
        let (epochs, updates) = match self.keeps.load(Relaxed) {
            0 => (1 << 40, usize::MAX),
            epochs => (epochs, 100),
        };
        let index = index("1", "key", epochs, updates);
        publish(&index, upper);
        assert!(index.settle(Duration::from_mins(1)));
        index
    }
}

impl Control for Gated {
    fn at(&self, _: &str, upper: Epoch, _: bool) -> Result<Index> {
        Ok(self.run(0, upper))
    }

    fn between(&self, _: &str, from: Epoch, upper: Epoch) -> Result<Index> {
        Ok(self.run(from, upper))
    }

    fn rebuild(&self, _: &str, _: bool) -> Result<Rebuild> {
        Ok(Rebuild::Swapped { boundary: 0, took: Duration::ZERO })
    }

    fn graph(&self, _: &str) -> Result<Graph> {
        Ok(Graph::default())
    }

    fn failure(&self, _: &str) -> Option<Error> {
        None
    }

    fn turn(&self) -> Result<Turn> {
        Turns::default().take()
    }

    fn deploy(
        &self,
        dataflow: &str,
        _: Option<&str>,
        _: DeployRequest,
        _: &Turn,
    ) -> Result<Deployed> {
        panic!("nobody deploys {dataflow} here")
    }
}

/// The servers, with the site that they answer from.
pub(crate) struct Local {
    pub(crate) index: Index,
    pub(crate) site: Arc<Site>,
    pub(crate) history: Arc<Gated>,
    servers: Servers,
}

impl Local {
    /// Serves a view that keeps its last `history` epochs apart, after `epochs` epochs.
    pub(crate) fn start(history: Epoch, epochs: Epoch) -> Local {
        let index = index("1", "key", history, 100);
        publish(&index, epochs);
        Local::of(index)
    }

    /// Serves an index.
    pub(crate) fn of(index: Index) -> Local {
        assert!(index.settle(Duration::from_mins(1)));
        let serving = Arc::new(Serving::new(index.clone()));
        let flow = Flow::new("flow", Vec::new(), serving).expect("a thread");
        let gated = Arc::new(Gated::default());
        let system = System::in_memory();
        system.writer().expect("a log").close().expect("an end");
        let reader = system.reader().expect("a log");
        let history = Arc::clone(&gated) as Arc<dyn Control>;
        let site = Site::new(vec![flow], Vec::new(), None, reader, history);
        let listen = Some("127.0.0.1:0".parse().expect("an address"));
        let options = ServersOptions { listen, ..ServersOptions::default() };
        let servers = Servers::start(Arc::clone(&site), &options).expect("servers");
        Local { index, site, history: gated, servers }
    }

    /// The address of the server.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.servers.http().expect("an address"))
    }

    pub(crate) fn changes(&self) -> String {
        format!("{}/v1/dataflows/flow/views/all/changes", self.base())
    }
}
