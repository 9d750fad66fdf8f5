//! Another version of a dataflow takes over under readers and writers: completely, at one frontier,
//! or not at all.

mod stop;
#[path = "serving/subscriber.rs"]
mod subscriber;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use dataflows::Line;
use diptych::batch_view::{BatchViewDir, Identity};
use diptych::dataflow::{Definition, PairsExt};
use diptych::io::RealDisk;
use diptych::log::Writer;
use diptych::row::decode;
use diptych::servers::{Servers, ServersOptions, Site};
use diptych::serving::{Read, Serving, Snapshot};
use diptych::sources::append;
use diptych::system::{
    Checkpoints, Cluster, DeployOptions, Deployed, RebuildOptions, ServeOptions, Served,
};
use diptych::time::Epoch;
use diptych::{Dataflow, System};
use serde_json::Value;
use stop::Stop;
use subscriber::Subscriber;

/// The words of a line that a version counts, in its spelling.
fn words(version: u64, line: &str) -> Vec<String> {
    let words = line.split_whitespace();
    match version {
        1 => words.map(str::to_owned).collect(),
        2 => words.filter(|word| word.len() < 4).map(str::to_lowercase).collect(),
        _ => words.filter(|word| !word.starts_with('a')).map(str::to_owned).collect(),
    }
}

/// Three views that are consistent only when they are of one version and one epoch.
fn tally(version: u64) -> Definition {
    Definition::new("tally", move |df: &mut Dataflow<'_>| {
        let lines = df.events::<Line>("lines");
        let counts =
            lines.flat_map(move |line, out| out.extend(words(version, line.text))).count("words");
        let total = counts.clone().map(|(_, n)| ((), n)).sum_values();
        let mark = total.clone().map(move |((), n)| (version, n));
        df.view("counts", counts).columns(&["word", "n"]);
        df.view("total", total).columns(&["n"]);
        df.view("mark", mark).columns(&["version", "n"]);
        df.version(&version.to_string());
    })
}

/// The lines that were appended, epoch by epoch.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Lines {
    /// Line number `number`, known before it is appended.
    fn next(&self) -> (usize, Line) {
        let mut lines = self.0.lock().expect("a lock");
        let number = lines.len();
        let word = |at: usize| ["a", "A", "ab", "Be", "bee", "abba", "Cabbage"][at % 7];
        let text = [word(number), word(number / 3), word(number * number)].join(" ");
        lines.push(text.clone());
        (number, Line { text })
    }

    /// The counts of `version` in the epochs up to `last`, by a plain program.
    fn counts(&self, version: u64, last: Epoch) -> BTreeMap<String, i64> {
        let mut counts = BTreeMap::new();
        let lines = self.0.lock().expect("a lock");
        for word in lines[..=last as usize].iter().flat_map(|line| words(version, line)) {
            *counts.entry(word).or_default() += 1;
        }
        counts
    }
}

/// A log in memory with its writer, and version 1 served over it with one line visible.
fn serving(lines: &Lines) -> (System, Arc<Writer>, Served) {
    let system = System::in_memory();
    let writer = Arc::new(system.writer().expect("a writer"));
    append(&writer, "lines", &[lines.next().1]).expect("appended");
    let served = system.serve(&[tally(1)], ServeOptions::default().writer(&writer));
    let served = served.expect("served");
    served.wait_beyond("tally", 0).expect("visible");
    (system, writer, served)
}

fn deploying(writer: &Arc<Writer>) -> DeployOptions {
    let writer = Some(Arc::clone(writer));
    DeployOptions { writer, samples: usize::MAX, ..DeployOptions::default() }
}

/// Checks one answer against a plain program; gives its version.
fn check(snapshot: &Snapshot, lines: &Lines) -> u64 {
    let version: u64 = snapshot.version().parse().expect("a number");
    let counts = snapshot.rows::<String, i64>("counts").expect("counts");
    let sum: i64 = counts.iter().map(|((_, n), _)| n).sum();
    let total = snapshot.rows::<(), i64>("total").expect("the total");
    let mark = snapshot.rows::<u64, i64>("mark").expect("the mark");
    let expected: i64 = match snapshot.epoch() {
        Some(last) => lines.counts(version, last).values().sum(),
        None => 0,
    };
    assert_eq!(sum, expected, "version {version} at {:?}", snapshot.epoch());
    assert_eq!(total, [(((), sum), 1)], "version {version} at {:?}", snapshot.epoch());
    assert_eq!(mark, [((version, sum), 1)], "version {version} at {:?}", snapshot.epoch());
    version
}

/// The count before and after of each word for which they differ.
type Changes = BTreeMap<String, (Option<i64>, Option<i64>)>;

fn expected(lines: &Lines, old: u64, new: u64, last: Epoch) -> Changes {
    let (before, after) = (lines.counts(old, last), lines.counts(new, last));
    let words = before.keys().chain(after.keys()).cloned();
    let pair = |word: String| {
        let pair = (before.get(&word).copied(), after.get(&word).copied());
        (word, pair)
    };
    words.map(pair).filter(|(_, (before, after))| before != after).collect()
}

/// Checks that the reported difference equals that of a plain program, row for row.
fn check_difference(deployed: &Deployed, lines: &Lines) {
    let number = |text: &str| text.parse::<u64>().expect("a version");
    let old = number(deployed.from.as_deref().expect("a predecessor"));
    let (new, last) = (number(&deployed.version), deployed.epoch.expect("an epoch"));
    let [counts, total, mark, errors] = &deployed.views[..] else { panic!("{:?}", deployed.views) };
    let mut found = Changes::new();
    for key in &counts.samples {
        let row = |rows: &[diptych::serving::Row]| -> Option<(String, i64)> {
            assert!(rows.len() <= 1, "{rows:?}");
            let row = rows.first()?;
            Some((decode(&row.key).expect("a word"), decode(&row.value).expect("a number")))
        };
        let (before, after) = (row(&key.before), row(&key.after));
        let word = before.as_ref().or(after.as_ref()).map(|(word, _)| word.clone());
        found.insert(word.expect("a row"), (before.map(|(_, n)| n), after.map(|(_, n)| n)));
    }
    let expected = expected(lines, old, new, last);
    assert_eq!(found, expected, "{old} to {new} at {last}");
    let count = |keep: fn(&(Option<i64>, Option<i64>)) -> bool| {
        expected.values().filter(|pair| keep(pair)).count() as u64
    };
    assert_eq!(counts.added, count(|pair| pair.0.is_none()));
    assert_eq!(counts.removed, count(|pair| pair.1.is_none()));
    assert_eq!(counts.changed, count(|pair| pair.0.is_some() && pair.1.is_some()));
    let sum = |version| lines.counts(version, last).values().sum::<i64>();
    assert_eq!(total.changed, u64::from(sum(old) != sum(new)));
    assert_eq!((mark.added, mark.removed, mark.changed), (1, 1, 0));
    assert_eq!((errors.added, errors.removed, errors.changed), (0, 0, 0));
}

/// Reads without a pause until told to stop: consistent, and never back. Counts its reads.
fn hammer(serving: &Serving, lines: &Lines, stop: &AtomicBool, seen: &[AtomicUsize; 4]) {
    let mut upper = 0;
    while !stop.load(Ordering::Relaxed) {
        let snapshot = serving.snapshot(Read::Latest).expect("a snapshot");
        assert!(snapshot.upper() >= upper, "{} after {upper}", snapshot.upper());
        upper = snapshot.upper();
        seen[check(&snapshot, lines) as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// 20 deployments of three versions, back and forth, under 2 readers that never pause and a writer.
#[test]
fn twenty_deployments_are_whole() {
    let lines = Lines::default();
    let (system, writer, served) = serving(&lines);
    let serving = served.serving("tally").expect("served");
    let rebuilds = RebuildOptions {
        checkpoints: Checkpoints::Every(Duration::from_millis(200)),
        look: Duration::from_millis(20),
        ..RebuildOptions::default()
    };
    let rebuilds = system.rebuild_under_readers(&served, &[tally(1)], rebuilds, |_| {});
    let (stop, seen) = (AtomicBool::new(false), <[AtomicUsize; 4]>::default());
    let held = serving.snapshot(Read::Latest).expect("a snapshot");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| hammer(&serving, &lines, &stop, &seen));
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let (number, line) = lines.next();
                let epoch = append(&writer, "lines", &[line]).expect("appended");
                assert_eq!(epoch, number as u64);
                thread::sleep(Duration::from_millis(2));
            }
        });
        let _stop = Stop(&stop);
        let next = [2, 1, 3, 1, 2, 3];
        for number in 0..20 {
            let version = next[number % next.len()];
            let cluster = Cluster::local(1 + number % 2);
            let options = DeployOptions { cluster, ..deploying(&writer) };
            let before = serving.index().frontier();
            let outcome = system.deploy(&served, &tally(version), &options);
            let deployed = outcome.unwrap_or_else(|error| panic!("deployment {number}: {error}"));
            assert!(deployed.frontier.expect("it serves") >= before);
            assert_eq!(serving.index().version(), version.to_string());
            check_difference(&deployed, &lines);
            // Readers see some of it before the next.
            let reads = seen[version as usize].load(Ordering::Relaxed);
            while seen[version as usize].load(Ordering::Relaxed) < reads + 50 {
                thread::sleep(Duration::from_millis(1));
            }
        }
    });
    drop(rebuilds);
    // The first version's answers stay for who holds them.
    assert_eq!((check(&held, &lines), held.epoch()), (1, Some(0)));
    let last = writer.upper() - 1;
    served.wait_beyond("tally", last).expect("visible");
    let snapshot = serving.snapshot(Read::AsOf(last)).expect("a snapshot");
    assert_eq!(check(&snapshot, &lines), 1);
    // What was deployed leaves a checkpoint, too.
    let made = system.conclude(served).expect("concluded");
    assert!(made.iter().any(|made| made.boundary == last + 1), "{made:?} at {last}");
    let seen: Vec<_> = seen.iter().map(|seen| seen.load(Ordering::Relaxed)).collect();
    println!("{} epochs; answers of each version: {seen:?}", last + 1);
}

/// A version that panics when it is drawn for the `bad`th time or later, or in the rows of it.
fn panics(place: &'static str, bad: u64) -> Definition {
    let drawn = AtomicU64::new(0);
    Definition::new("tally", move |df: &mut Dataflow<'_>| {
        let now = drawn.fetch_add(1, Ordering::Relaxed) + 1 >= bad;
        assert!(!(now && place == "drawing"), "a mistake in drawing");
        let lines = df.events::<Line>("lines").map(move |line| {
            assert!(!(now && place == "front"), "a mistake in front");
            line.text.to_owned()
        });
        let counts = lines.count("lines").map(move |(line, n)| {
            assert!(!(now && place == "behind"), "a mistake behind the barrier");
            (line, n)
        });
        df.view("counts", counts).columns(&["word", "n"]);
        df.version("broken");
    })
}

/// A version that panics is dropped, wherever it panics; the serving version is not affected.
#[test]
fn a_version_that_panics_leaves_the_answers_alone() {
    let lines = Lines::default();
    let (system, writer, served) = serving(&lines);
    let serving = served.serving("tally").expect("served");
    for workers in [1, 2] {
        // Drawn to be described, twice, and by each worker of the batch run; then once more, and by
        // each worker that follows the log.
        let (batch, live) = (3, 4 + workers as u64);
        let places = [("drawing", 1), ("front", batch), ("behind", batch), ("behind", live)];
        for (place, bad) in places {
            let options = DeployOptions { cluster: Cluster::local(workers), ..deploying(&writer) };
            let before = serving.index().frontier();
            let outcome = system.deploy(&served, &panics(place, bad), &options);
            let error = outcome.map(|_| ()).expect_err("it panics").to_string();
            assert!(error.contains("a mistake") && error.contains("tally"), "{place}: {error}");
            append(&writer, "lines", &[lines.next().1]).expect("appended");
            served.wait_beyond("tally", before).expect("visible");
            let snapshot = serving.snapshot(Read::Latest).expect("a snapshot");
            assert_eq!(check(&snapshot, &lines), 1);
            assert!(served.failure("tally").is_none());
        }
    }
    system.deploy(&served, &tally(2), &deploying(&writer)).expect("mended");
    assert_eq!(serving.index().version(), "2");
    served.stop().expect("stopped");
}

/// A version that does not fail replaces a failed dataflow: meanwhile the last whole epoch is
/// served.
#[test]
fn a_failed_dataflow_is_mended_by_a_deployment() {
    let system = System::in_memory();
    let writer = Arc::new(system.writer().expect("a writer"));
    let lines = Lines::default();
    append(&writer, "lines", &[lines.next().1]).expect("appended");
    let fragile = Definition::new("tally", |df: &mut Dataflow<'_>| {
        let words = df.events::<Line>("lines").map(|line| {
            assert!(line.text != "boom", "a mistake");
            line.text.to_owned()
        });
        df.view("counts", words.count("lines")).columns(&["word", "n"]);
        df.version("fragile");
    });
    let served = system.serve(&[fragile], ServeOptions::default().writer(&writer));
    let served = served.expect("served");
    served.wait_beyond("tally", 0).expect("visible");
    append(&writer, "lines", &[Line { text: "boom".into() }]).expect("appended");
    lines.0.lock().expect("a lock").push("boom".into());
    assert!(served.wait_beyond("tally", 1).is_err());
    let deployed = system.deploy(&served, &tally(1), &deploying(&writer)).expect("deployed");
    assert_eq!((deployed.epoch, deployed.from.as_deref()), (Some(0), Some("fragile")));
    served.wait_beyond("tally", 1).expect("visible");
    let snapshot = served.serving("tally").expect("served").snapshot(Read::Latest);
    assert_eq!(check(&snapshot.expect("a snapshot"), &lines), 1);
    served.stop().expect("stopped");
}

fn ask(method: &str, url: &str) -> (u16, Value) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let request = ureq::http::Request::builder().method(method).uri(url);
    let request = request.header("content-type", "application/json").body(());
    let mut answer = agent.run(request.expect("a request")).expect("an answer");
    let body = answer.body_mut().read_to_string().expect("text");
    (answer.status().as_u16(), serde_json::from_str(&body).expect("JSON"))
}

/// Over HTTP: subscribers get one difference, refusals change nothing, a new dataflow over old
/// streams is served beside the others.
#[test]
fn versions_are_exchanged_over_http() {
    let lines = Lines::default();
    let (system, writer, served) = serving(&lines);
    let wide = Definition::new("wide", |df: &mut Dataflow<'_>| {
        let lengths = df.events::<Line>("lines").map(|line| line.text.len() as u64);
        df.view("lengths", lengths.count("lengths")).columns(&["length", "n"]);
        df.version("1");
    });
    let known = [tally(1), tally(2), tally(3), wide];
    let site = Site::of(&system, &served, &known, Some(Arc::clone(&writer))).expect("a site");
    let listen = Some("127.0.0.1:0".parse().expect("an address"));
    let options = ServersOptions { listen, ..ServersOptions::default() };
    let servers = Servers::start(site, &options).expect("servers");
    let base = format!("http://{}/v1/dataflows", servers.http().expect("an address"));
    let post = |path: &str| ask("POST", &format!("{base}/{path}"));
    let url = format!("{base}/tally/views/counts/changes");
    let (tell, told) = std::sync::mpsc::channel();
    let reader = thread::spawn(move || {
        let mut subscriber = Subscriber::default();
        subscriber.follow(&url, u64::MAX, |one| {
            let token = one.token.clone().unwrap_or_default();
            // Nobody listens after the first.
            let _ = tell.send(token.clone());
            token.starts_with("2@")
        });
        subscriber
    });
    let first = || told.recv_timeout(Duration::from_secs(30)).expect("an event");
    while !first().starts_with("1@1~") {}
    for refused in ["tally/deploy", "tally/deploy?version=4", "none/deploy"] {
        let (status, problem) = post(refused);
        assert!([400, 404].contains(&status), "{refused}: {problem}");
    }
    assert_eq!(post("tally/deploy?version=1").0, 409, "it serves already");
    assert_eq!(post("tally/deploy?version=2&samples=1001").0, 400);
    let (status, only) = post("tally/deploy?version=2&diff_only=true");
    assert_eq!((status, &only["frontier"]), (200, &Value::Null), "{only}");
    assert_eq!(ask("GET", &format!("{base}/tally")).1["version"], "1");
    let (status, deployed) = post("tally/deploy?version=2");
    assert_eq!((status, &deployed["from"]), (200, &"1".into()), "{deployed}");
    assert_eq!(deployed["views"][0]["samples"], only["views"][0]["samples"]);
    let expected = expected(&lines, 1, 2, 0);
    let told = &deployed["views"][0];
    let counts = ["added", "removed", "changed"].map(|name| told[name].as_u64().expect("a count"));
    assert_eq!(counts.iter().sum::<u64>(), expected.len() as u64, "{deployed}");
    let subscriber = reader.join().expect("a subscriber");
    assert_eq!((subscriber.seen["version"], subscriber.seen["reset"]), (1, 1));
    assert_eq!(subscriber.sorted().len(), lines.counts(2, 0).len());

    let (status, deployed) = post("wide/deploy");
    assert_eq!((status, &deployed["from"]), (200, &Value::Null), "{deployed}");
    let streams = base.replace("/v1/dataflows", "/v1/streams/lines?wait=visible");
    let mut answer = ureq::post(&streams)
        .header("content-type", "application/x-ndjson")
        .send("{\"text\":\"1234567890123456789\"}\n")
        .expect("appended");
    let answer: Value =
        serde_json::from_str(&answer.body_mut().read_to_string().expect("text")).expect("JSON");
    assert_eq!(answer["visible"], true, "{answer}");
    let (_, row) = ask("GET", &format!("{base}/wide/views/lengths?key=19"));
    assert_eq!(row["rows"][0]["n"], 1, "{row}");
    assert_eq!(ask("GET", &base).1["dataflows"].as_array().map(Vec::len), Some(2));
    servers.stop();
    served.stop().expect("stopped");
}

/// A version comes back while its last checkpoint is still being written: the deployment waits for
/// it.
#[test]
fn a_checkpoint_under_way_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let system = System::open(folder.path());
    let writer = Arc::new(system.writer().expect("a writer"));
    let lines = Lines::default();
    append(&writer, "lines", &[lines.next().1]).expect("appended");
    let served = system.serve(&[tally(1)], ServeOptions::default().writer(&writer));
    let served = served.expect("served");
    served.wait_beyond("tally", 0).expect("visible");
    for version in [2, 1] {
        system.deploy(&served, &tally(version), &deploying(&writer)).expect("deployed");
    }
    append(&writer, "lines", &[lines.next().1]).expect("appended");
    served.wait_beyond("tally", 1).expect("visible");
    let home = BatchViewDir::of(folder.path(), &Identity::new("tally", "2"));
    let writing = home.lock(&RealDisk).expect("nobody writes");
    let waiting = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        drop(writing);
    });
    system.deploy(&served, &tally(2), &deploying(&writer)).expect("deployed");
    waiting.join().expect("joined");
    let snapshot = served.serving("tally").expect("served").snapshot(Read::Latest);
    assert_eq!(check(&snapshot.expect("a snapshot"), &lines), 2);
    served.stop().expect("stopped");
}

/// Readers of a view expect its columns: others are refused, unless that is wanted.
#[test]
fn a_view_whose_key_has_another_type_is_refused() {
    let (system, writer, served) = serving(&Lines::default());
    let by_length = Definition::new("tally", |df: &mut Dataflow<'_>| {
        let lengths = df.events::<Line>("lines").map(|line| line.text.len() as u64);
        df.view("counts", lengths.count("lengths")).columns(&["length", "n"]);
        df.version("lengths");
    });
    let refused = system.deploy(&served, &by_length, &deploying(&writer));
    let text = refused.map(|_| ()).expect_err("other columns").to_string();
    for part in [
        "deploying tally version lengths: view \"counts\" had the columns (word: string",
        "and has (length: u64",
        "publish it under another name",
        "`other_columns`",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(*served.index("tally").expect("served").version(), *"1");
    let compared = DeployOptions { diff_only: true, ..deploying(&writer) };
    let compared = system.deploy(&served, &by_length, &compared).expect("compared");
    assert!(compared.views[0].incomparable.is_some());
    let allowed = DeployOptions { other_columns: true, ..deploying(&writer) };
    system.deploy(&served, &by_length, &allowed).expect("deployed");
    assert_eq!(*served.index("tally").expect("served").version(), *"lengths");
    served.stop().expect("stopped");
}

#[test]
fn what_was_deployed_serves_after_a_restart() {
    let lines = Lines::default();
    let (system, writer, served) = serving(&lines);
    let (both, names) = ([tally(1), tally(2)], ["tally".to_owned()]);
    let chosen = |flows: &[Definition]| {
        let (chosen, said) = system.current_versions(flows, &names).expect("versions");
        (chosen[0].describe().expect("it compiles").version, said)
    };
    assert_eq!(chosen(&both), ("1".to_owned(), Vec::new()), "the first, until one is deployed");
    let compared = DeployOptions { diff_only: true, ..deploying(&writer) };
    system.deploy(&served, &tally(2), &compared).expect("compared");
    assert_eq!(chosen(&both).0, "1", "it was only compared");
    system.deploy(&served, &tally(2), &deploying(&writer)).expect("deployed");
    assert_eq!(chosen(&both), ("2".to_owned(), Vec::new()));
    system.deploy(&served, &tally(1), &deploying(&writer)).expect("gone back");
    assert_eq!(chosen(&both).0, "1");
    system.deploy(&served, &tally(2), &deploying(&writer)).expect("deployed");
    system.conclude(served).expect("stopped");
    // The restart.
    let (flows, _) = system.current_versions(&both, &names).expect("versions");
    let served = system.serve(&flows, ServeOptions::default().writer(&writer)).expect("served");
    served.wait_beyond("tally", 0).expect("visible");
    let serves = served.serving("tally").expect("served");
    assert_eq!(check(&serves.snapshot(Read::Latest).expect("a snapshot"), &lines), 2);
    served.stop().expect("stopped");
    let copy = tempfile::tempdir().expect("a folder");
    system.backup(&both, copy.path()).expect("a backup");
    let (flows, _) = System::open(copy.path()).current_versions(&both, &names).expect("versions");
    assert_eq!(flows[0].describe().expect("it compiles").version, "2", "so it is in a backup");
    // A binary without it says so, once.
    let (version, said) = chosen(&[tally(1), tally(3)]);
    assert_eq!((version.as_str(), said.len()), ("1", 1));
    assert!(said[0].contains("version 2") && said[0].contains("not in this binary"), "{said:?}");
    assert_eq!(chosen(&both), ("1".to_owned(), Vec::new()));
    let unknown = system.current_versions(&both, &["other".to_owned()]).map(|_| ());
    assert!(unknown.is_err_and(|error| error.is_missing()));
}
