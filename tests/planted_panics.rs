//! Promise 15 in background runs: a function that panics behind its barrier, only in runs beside
//! the serving one, ends each of these runs with an error. The serving one goes on.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use dataflows::{Line, word_count};
use diptych::dataflow::Definition;
use diptych::log::Writer;
use diptych::servers::{Servers, ServersOptions, Site};
use diptych::serving::Read;
use diptych::sources::append;
use diptych::system::DeployRequest;
use diptych::system::{
    BatchOptions, Checkpoints, Cluster, DeployOptions, RebuildOptions, ServeOptions, Served,
    Verification,
};
use diptych::{Dataflow, System};
use serde::{Deserialize, Serialize};

const PATIENCE: Duration = Duration::from_mins(1);

/// The place where a panic is planted: nowhere, in a closure, where rows are exchanged, where they
/// are arranged, or in a reduction.
static PLANTED: AtomicU8 = AtomicU8::new(NOWHERE);
const NOWHERE: u8 = 0;
const CLOSURE: u8 = 1;
const EXCHANGED: u8 = 2;
const ARRANGED: u8 = 3;
const REDUCED: u8 = 4;

fn explode(place: u8) {
    assert!(PLANTED.load(SeqCst) != place, "planted at {place}");
}

/// A word whose hash and order may panic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Touchy(String);

impl Hash for Touchy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        explode(EXCHANGED);
        self.0.hash(state);
    }
}

impl Ord for Touchy {
    fn cmp(&self, other: &Self) -> Ordering {
        explode(ARRANGED);
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Touchy {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn planted(df: &mut Dataflow<'_>, version: &str) {
    let lines = df.events::<Line>("lines");
    let words = lines.flat_map(|line, out| out.extend(line.text.split(' ').map(str::to_owned)));
    let words = words.count("words");
    let touchy = words.map(|(word, n)| {
        explode(CLOSURE);
        (Touchy(word), n)
    });
    let sums = touchy.reduce(|_, rows, output| {
        explode(REDUCED);
        output.push((*rows[0].0, 1));
    });
    df.view("words", sums.map(|(word, n)| (word.0, n))).columns(&["word", "n"]);
    df.version(version);
}

fn line(text: &str) -> [Line; 1] {
    [Line { text: text.to_owned() }]
}

fn ask(method: &str, url: &str) -> (u16, String) {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_recv_body(Some(Duration::from_secs(3)))
        .build()
        .new_agent();
    let request = ureq::http::Request::builder().method(method).uri(url).body(());
    let mut answer = agent.run(request.expect("a request")).expect("an answer");
    let status = answer.status().as_u16();
    // A subscription does not end by itself: what came until then is looked at.
    let mut text = Vec::new();
    let _ = std::io::Read::read_to_end(&mut answer.body_mut().as_reader(), &mut text);
    (status, String::from_utf8_lossy(&text).into_owned())
}

/// The system that serves `planted` and another dataflow, with everything that runs beside it.
struct Place {
    system: System,
    writer: Arc<Writer>,
    served: Served,
    site: Arc<Site>,
    one: Definition,
    two: Definition,
    workers: usize,
}

impl Place {
    fn new(workers: usize) -> diptych::Result<Place> {
        let one = Definition::new("planted", |df: &mut Dataflow<'_>| planted(df, "1"));
        let two = Definition::new("planted", |df: &mut Dataflow<'_>| planted(df, "2"));
        let other = Definition::new("word_count", word_count);
        let system = System::in_memory();
        let writer = Arc::new(system.writer()?);
        for text in ["to be or", "not to be", "that is", "the question"] {
            append(&writer, "lines", &line(text))?;
        }
        // What is restored does not have the epochs before its boundary: they are replayed.
        system.batch(&one, &BatchOptions::default())?;
        let options = ServeOptions::default().cluster(Cluster::local(workers)).writer(&writer);
        let served = system.serve(&[one.clone(), other.clone()], options)?;
        let known = [one.clone(), two.clone(), other];
        let site = Site::of(&system, &served, &known, Some(Arc::clone(&writer)))?;
        let place = Place { system, writer, served, site, one, two, workers };
        place.goes_on()?;
        Ok(place)
    }

    fn cluster(&self) -> Cluster {
        Cluster::local(self.workers)
    }

    fn batch(&self) -> diptych::Result<()> {
        let options = BatchOptions { cluster: self.cluster(), ..BatchOptions::default() };
        self.system.batch(&self.one, &options).map(drop)
    }

    fn as_of(&self) -> diptych::Result<()> {
        self.system.as_of(&self.one, 1, self.cluster()).map(drop)
    }

    fn deploy(&self) -> diptych::Result<()> {
        let writer = Some(Arc::clone(&self.writer));
        let options = DeployOptions { cluster: self.cluster(), writer, ..DeployOptions::default() };
        self.system.deploy(&self.served, &self.two, &options).map(drop)
    }

    fn compare(&self) -> diptych::Result<()> {
        let wanted = DeployRequest { diff_only: true, samples: 10, other_columns: false };
        let turn = self.site.control.turn()?;
        self.site.control.deploy("planted", Some("2"), wanted, &turn).map(drop)
    }

    fn verify(&self) -> diptych::Result<()> {
        let (tell, told) = mpsc::channel();
        // Nobody listens after the first.
        let tell = move |found: Verification| drop(tell.send(found));
        let verifications =
            self.system.verify_in_background(&self.served, Duration::from_millis(1), tell)?;
        let found = loop {
            let found = told.recv_timeout(PATIENCE).expect("it is verified");
            if found.dataflow == "planted" {
                break found;
            }
        };
        drop(verifications);
        found.outcome.map(drop)
    }

    fn rebuild(&self) -> diptych::Result<()> {
        let (checkpoints, look) = (Checkpoints::Never, Duration::from_millis(2));
        let options = RebuildOptions { checkpoints, look, ..RebuildOptions::default() };
        let flows = std::slice::from_ref(&self.one);
        let rebuilds = self.system.rebuild_under_readers(&self.served, flows, options, |_| {})?;
        let outcome = self.site.control.rebuild("planted", false);
        drop(rebuilds);
        outcome.map(drop)
    }

    /// Checks that the serving dataflows are not affected.
    fn goes_on(&self) -> diptych::Result<()> {
        let last = append(&self.writer, "lines", &line("and on"))?;
        for name in ["planted", "word_count"] {
            self.served.wait_beyond(name, last)?;
            assert!(self.served.failure(name).is_none());
        }
        let words = self.served.index("planted")?.snapshot(Read::Latest)?;
        assert_eq!(words.lookup::<String, i64>("words", &"that".to_owned())?, [(1, 1)]);
        Ok(())
    }
}

#[test]
fn every_run_beside_what_serves_ends_with_an_error() -> diptych::Result<()> {
    for workers in [1, 3] {
        let place = Place::new(workers)?;
        let listen = Some("127.0.0.1:0".parse().expect("an address"));
        let options = ServersOptions { listen, ..ServersOptions::default() };
        let servers = Servers::start(Arc::clone(&place.site), &options)?;
        let base = format!("http://{}/v1/dataflows/planted", servers.http().expect("an address"));
        // One worker sends rows to nobody, and asks for no hash.
        let exchanged = (workers > 1).then_some(EXCHANGED);
        for planted in [CLOSURE, ARRANGED, REDUCED].into_iter().chain(exchanged) {
            let what = format!("planted at {planted}, {workers} workers");
            PLANTED.store(planted, SeqCst);
            let history = &place.site.control;
            let recomputed = place.system.recompute(&place.one, 4, place.cluster(), true);
            let runs = [
                ("batch", place.batch()),
                ("as_of", place.as_of()),
                ("recompute", recomputed.map(drop)),
                // From here on there may be one worker.
                ("replay", history.between("planted", 0, 4).map(drop)),
                ("a past epoch", history.at("planted", 4, true).map(drop)),
                ("rebuild", place.rebuild()),
                ("deploy", place.deploy()),
                ("diff", place.compare()),
                ("verify", place.verify()),
            ];
            let answers = ["/changes?from=0", "?as_of=1"]
                .map(|asked| ask("GET", &format!("{base}/views/words{asked}")));
            PLANTED.store(NOWHERE, SeqCst);
            for (run, outcome) in runs {
                match outcome {
                    Ok(()) => {
                        let alone = !["batch", "as_of", "recompute"].contains(&run);
                        assert!(planted == EXCHANGED && alone, "{what}: {run} ended well");
                    }
                    Err(error) => {
                        let message = error.to_string();
                        assert!(error.is_panic(), "{what}: {run}: {message}");
                        assert!(message.contains("planted at"), "{what}: {run}: {message}");
                    }
                }
            }
            for (status, text) in answers {
                let told = text.contains("planted at") || planted == EXCHANGED;
                assert!(told, "{what}: {status} {text}");
            }
            place.goes_on()?;
            // Nothing is half done: the same runs end well.
            place.batch()?;
            place.goes_on()?;
        }
        drop(servers);
        place.as_of()?;
        place.served.stop()?;
    }
    Ok(())
}

/// Whether a value that a closure holds panics when it is dropped.
static DROPS: AtomicBool = AtomicBool::new(false);

struct Held;

impl Drop for Held {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || !DROPS.load(SeqCst), "planted where it is dropped");
    }
}

fn holding(df: &mut Dataflow<'_>) {
    let words = df.events::<Line>("lines").map(|line| line.text.to_owned()).count("words");
    let held = Held;
    let words = words.map(move |row| {
        let _ = &held;
        row
    });
    df.view("words", words).columns(&["word", "n"]);
}

/// A value that a closure holds is dropped with its dataflow: a panic there ends a run, and no
/// process.
#[test]
fn a_panic_while_a_dataflow_is_dropped_ends_no_process() -> diptych::Result<()> {
    let flows = [Definition::new("holding", holding), Definition::new("word_count", word_count)];
    for workers in [1, 3] {
        let cluster = || Cluster::local(workers);
        let system = System::in_memory();
        let writer = system.writer()?;
        let last = append(&writer, "lines", &line("to be"))?;
        let options = || ServeOptions::default().cluster(cluster()).writer(&writer);
        let served = system.serve(&flows, options())?;
        served.wait_beyond("holding", last)?;
        DROPS.store(true, SeqCst);
        // Whether these say so or not, they come to an end.
        let batch = BatchOptions { cluster: cluster(), ..BatchOptions::default() };
        let runs = [
            system.batch(&flows[0], &batch).map(drop),
            system.recompute(&flows[0], 1, cluster(), true).map(drop),
            system.as_of(&flows[0], 0, cluster()).map(drop),
            served.stop().map(drop),
        ];
        DROPS.store(false, SeqCst);
        for error in runs.into_iter().filter_map(Result::err) {
            assert!(error.is_panic(), "{error}");
        }
        let served = system.serve(&flows, options())?;
        let last = append(&writer, "lines", &line("to be"))?;
        served.wait_beyond("holding", last)?;
        let words = served.index("holding")?.snapshot(Read::Latest)?;
        assert_eq!(words.lookup::<String, i64>("words", &"to be".to_owned())?, [(2, 1)]);
        served.stop()?;
    }
    Ok(())
}
