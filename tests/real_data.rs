//! Real data of other people, through every use of a batch view: ingested, batch, live, rebuilt
//! under readers, another version deployed, restarted, verified, backed up, read in the past,
//! retracted and erased in part. At each step the answers equal those of a naive program over the
//! same lines.

#[path = "real_data/lines.rs"]
mod lines;
#[path = "real_data/mentions.rs"]
mod mentions;
mod naive;
mod python;
#[path = "real_data/sql.rs"]
mod sql;
#[path = "gallery/taken_away.rs"]
mod taken_away;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use diptych::dataflow::{Definition, PairsExt};
use diptych::log::{Append, Pending, Writer};
use diptych::servers::Site;
use diptych::serving::{Read, Snapshot};
use diptych::sources::{IngestOptions, ingest};
use diptych::system::{BatchOptions, Cluster, DeployOptions, RebuildOptions, ServeOptions};
use diptych::system::{Deployed, Rebuild};
use diptych::{Dataflow, Event, System};

use lines::Real;
use naive::{Answer, ByteRows, Fact, batches, bytes_of, twins};

/// Lines that are appended together while the dataflow is live.
const TOGETHER: usize = 2_000;

/// A dataflow on real data, and another version of it.
struct Subject {
    name: &'static str,
    file: &'static str,
    stream: &'static str,
    fact: fn(&[String]) -> Fact,
    /// The facts that the other version leaves out.
    left_out: fn(&Fact) -> bool,
    other: fn(&mut Dataflow<'_>),
    retracted: Chosen,
    erased: Chosen,
}

/// Some events, by their condition on the command line and by a test of facts.
struct Chosen {
    condition: &'static str,
    is: fn(&Fact) -> bool,
}

#[test]
fn tweets_through_all_of_it() {
    through_all_of_it::<dataflows::Tweet>(&Subject {
        name: "tweets",
        file: "tweets_sample_2016-10.csv.zst",
        stream: "tweets",
        fact: lines::tweet,
        left_out: |fact| matches!(fact, Fact::Tweet(tweet) if tweet.language != "English"),
        other: only_english,
        retracted: Chosen {
            condition: "language=German",
            is: |fact| matches!(fact, Fact::Tweet(tweet) if tweet.language == "German"),
        },
        erased: Chosen {
            condition: "author_id=BlackNewsOutlet",
            is: |fact| matches!(fact, Fact::Tweet(tweet) if tweet.author_id == "BlackNewsOutlet"),
        },
    });
}

#[test]
fn retail_through_all_of_it() {
    through_all_of_it::<dataflows::InvoiceLine>(&Subject {
        name: "retail",
        file: "retail_transactions.csv.zst",
        stream: "invoice_lines",
        fact: lines::invoice_line,
        left_out: |fact| matches!(fact, Fact::InvoiceLine(line) if line.invoice.starts_with('C')),
        other: no_cancellations,
        retracted: Chosen {
            condition: "Country=France",
            is: |fact| matches!(fact, Fact::InvoiceLine(line) if line.country == "France"),
        },
        erased: Chosen {
            condition: "CustomerID=17850.0",
            is: |fact| matches!(fact, Fact::InvoiceLine(line) if line.customer == "17850.0"),
        },
    });
}

/// `tweets` with another filter in front of it; written in full, as a user who changes a line
/// would.
fn only_english(df: &mut Dataflow<'_>) {
    use dataflows::{Tweet, hashtags};
    let tweets = df.events::<Tweet>("tweets").filter(|t| t.language == "English");
    let tags = tweets
        .clone()
        .flat_map(|t, out| out.extend(hashtags(t.content).map(|tag| (t.publish_date.hour(), tag))))
        .count("tags");
    let authors = tweets
        .flat_map(|t, out| out.extend(hashtags(t.content).map(|g| (g, t.author_id.to_owned()))))
        .distinct("tag_authors")
        .map(|(tag, _)| (tag, 1_i64))
        .sum_values();
    let top = diptych::dataflow::CollectionExt::top_k(tags.clone(), 10, |((hour, tag), n)| {
        (hour, (std::cmp::Reverse(n), tag))
    })
    .map(|(place, (std::cmp::Reverse(n), tag))| (place, (tag, n)));
    df.view("tags_by_hour", tags).columns(&["hour", "tag", "n"]);
    df.view("top_tags", top).columns(&["hour", "rank", "tag", "n"]);
    df.view("tag_authors", authors).columns(&["tag", "authors"]);
    df.version("english");
}

/// A planted bug: cancelled sales count. Two of the views of `retail`.
fn no_cancellations(df: &mut Dataflow<'_>) {
    use dataflows::InvoiceLine;
    let lines = df.events::<InvoiceLine>("invoice_lines").filter(|l| !l.invoice.starts_with('C'));
    let revenue = lines
        .clone()
        .map(|l| ((l.country.to_owned(), l.at.hour()), l.price * l.quantity))
        .sum("revenue");
    let sold = lines.map(|l| (l.product.to_owned(), (l.quantity, l.price * l.quantity)));
    df.view("revenue", revenue).columns(&["country", "hour", "revenue"]);
    df.view("products", sold.sum("sold")).columns(&["product", "sold", "revenue"]);
    df.version("gross");
}

fn through_all_of_it<E: Event>(subject: &Subject) {
    let Some(real) = Real::read(subject.file) else { return };
    let facts: Vec<Fact> = real.records().map(|fields| (subject.fact)(&fields)).collect();
    let old = facts.len() * 2 / 3;
    let place = tempfile::tempdir().expect("a directory");
    let flow = dataflows::all().into_iter().find(|flow| flow.name() == subject.name);
    let flow = flow.expect("a built-in dataflow");
    let system = System::open(place.path().join("data"));
    let writer = Arc::new(system.writer().expect("a writer"));

    // History from a file, and its batch view.
    let file = place.path().join("history.csv");
    std::fs::write(&file, real.head(old)).expect("written");
    let options = IngestOptions::default();
    ingest(&*writer, subject.stream, &E::schema(), &[file], &options, &mut |_| {}).expect("good");
    let options = BatchOptions { cluster: Cluster::local(2), ..BatchOptions::default() };
    let boundary = system.batch(&flow, &options).expect("a batch view").boundary;
    assert_eq!(boundary, writer.upper());

    let (halfway, last) = live(subject, (&system, &flow, &writer), &facts, (old, boundary));
    drop(writer);
    let copy = place.path().join("copy");
    let backup = system.backup(std::slice::from_ref(&flow), &copy).expect("a backup");
    assert_eq!(backup.upper, last + 1);
    let middle = old + (facts.len() - old) / 2;
    for system in [system, System::open(&copy)] {
        restarted(subject, (&system, &flow), &facts, (last, halfway, middle));
    }
    taken_back_and_erased(subject, &copy, &flow, facts);
}

fn twin(subject: &Subject, facts: &[Fact]) -> Answer {
    twins::twin(subject.name, &facts.iter().collect::<Vec<_>>())
}

/// Goes on from the batch view at `boundary`, which has the first `old` facts: rebuilds it under
/// readers, deploys another version, and goes back. Returns the epochs in the middle and at the
/// end.
fn live(
    subject: &Subject,
    (system, flow, writer): (&System, &Definition, &Arc<Writer>),
    facts: &[Fact],
    (old, boundary): (usize, u64),
) -> (u64, u64) {
    let flows = std::slice::from_ref(flow);
    let served = system.serve(flows, ServeOptions::default().writer(writer)).expect("served");
    let readers = served.serving(subject.name).expect("served");
    let now = || readers.snapshot(Read::Latest).expect("rows");
    served.wait_beyond(subject.name, boundary - 1).expect("restored");
    agree("restored", &now(), &twin(subject, &facts[..old]));
    let middle = old + (facts.len() - old) / 2;
    let halfway = append(writer, &facts[old..middle]);
    let site = Site::of(system, &served, flows, None).expect("a site");
    let rebuilds = system
        .rebuild_under_readers(&served, flows, RebuildOptions::default(), drop)
        .expect("started");
    served.wait_beyond(subject.name, halfway).expect("visible");
    let rebuilt = site.control.rebuild(subject.name, false).expect("rebuilt");
    assert!(matches!(rebuilt, Rebuild::Swapped { .. }), "{rebuilt:?}");
    let last = append(writer, &facts[middle..]);
    served.wait_beyond(subject.name, last).expect("visible");
    let all = twin(subject, facts);
    agree("live", &now(), &all);

    // Another version, and back.
    let changed = Definition::new(subject.name, subject.other);
    let options = DeployOptions { writer: Some(Arc::clone(writer)), ..DeployOptions::default() };
    let kept: Vec<&Fact> = facts.iter().filter(|fact| !(subject.left_out)(fact)).collect();
    let deployed = system.deploy(&served, &changed, &options).expect("deployed");
    let after = twins::twin(subject.name, &kept);
    same_difference(&deployed, &all, &after);
    for (id, view) in now().views().iter().enumerate() {
        let expected = bytes_of(&after[&view.name]);
        assert!(rows(&now(), id) == expected, "{} of the other version", view.name);
    }
    system.deploy(&served, flow, &options).expect("back");
    agree("rolled back", &now(), &all);
    drop(rebuilds);
    served.stop().expect("stopped");
    (halfway, last)
}

/// The same after a restart, with reads of the past, and with a recomputation from the events
/// alone.
fn restarted(
    subject: &Subject,
    (system, flow): (&System, &Definition),
    facts: &[Fact],
    (last, halfway, middle): (u64, u64, usize),
) {
    let all = twin(subject, facts);
    serves(subject, (system, flow), last, "restarted", &all);
    let then = system.as_of(flow, halfway, Cluster::local(1)).expect("then");
    let then = then.index.snapshot(Read::Latest).expect("rows");
    agree("halfway", &then, &twin(subject, &facts[..middle]));
    let fresh = system.recompute(flow, last + 1, Cluster::local(2), true).expect("computed");
    agree("recomputed", &fresh.snapshot(Read::Latest).expect("rows"), &all);
    let damage = system.check_files(&flow.describe().expect("described")).expect("read");
    assert!(damage.is_empty(), "{damage:?}");
}

fn serves(
    subject: &Subject,
    (system, flow): (&System, &Definition),
    last: u64,
    what: &str,
    expected: &Answer,
) {
    let flows = std::slice::from_ref(flow);
    let served = system.serve(flows, ServeOptions::default()).expect("served");
    served.wait_beyond(subject.name, last).expect("caught up");
    let readers = served.serving(subject.name).expect("served");
    agree(what, &readers.snapshot(Read::Latest).expect("rows"), expected);
    served.stop().expect("stopped");
}

/// Retracts some events, and then erases others, from the command line.
fn taken_back_and_erased(subject: &Subject, data: &Path, flow: &Definition, mut facts: Vec<Fact>) {
    let steps = [("retract", &subject.retracted), ("erase", &subject.erased)];
    for (verb, Chosen { condition, is }) in steps {
        let before = facts.len();
        facts.retain(|fact| !is(fact));
        assert!(facts.len() < before, "nobody is {condition}");
        let output = Command::new(env!("CARGO_BIN_EXE_diptych"))
            .args(["log", verb, subject.stream, "--where", condition, "--reason", "a test"])
            .args(["--data".as_ref(), data.as_os_str()])
            .output()
            .expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let system = System::open(data);
        let last = system.reader().expect("a log").upper().expect("read") - 1;
        serves(subject, (&system, flow), last, verb, &twin(subject, &facts));
        let fresh = system.recompute(flow, last + 1, Cluster::local(2), true).expect("computed");
        agree(verb, &fresh.snapshot(Read::Latest).expect("rows"), &twin(subject, &facts));
    }
}

/// Appends the facts; gives the last epoch.
fn append(writer: &Writer, facts: &[Fact]) -> u64 {
    let pending: Vec<Pending> = facts
        .chunks(TOGETHER)
        .map(|some| {
            let request = Append { batches: batches(some), ..Append::default() };
            writer.append(request).expect("accepted")
        })
        .collect();
    let epochs = pending.into_iter().map(|pending| pending.wait().expect("durable").epoch);
    epochs.max().expect("some facts")
}

fn rows(snapshot: &Snapshot, view: usize) -> ByteRows {
    let mut rows = ByteRows::new();
    for row in snapshot.scan(view) {
        let row = row.expect("a row");
        *rows.entry([row.key, row.value].concat()).or_default() += row.multiplicity as i64;
    }
    rows
}

fn agree(what: &str, snapshot: &Snapshot, expected: &Answer) {
    assert_eq!(snapshot.views().len(), expected.len(), "{what}");
    for (id, view) in snapshot.views().iter().enumerate() {
        let (found, expected) = (rows(snapshot, id), bytes_of(&expected[&view.name]));
        let enough = expected.len() > 100 || view.name == "errors";
        assert!(enough, "{what}: {} has {} rows", view.name, expected.len());
        let wrong = expected.iter().find(|(row, times)| found.get(*row) != Some(times));
        assert!(wrong.is_none(), "{what}: {}: expected {wrong:?}", view.name);
        assert_eq!(found.len(), expected.len(), "{what}: {}", view.name);
    }
}

/// Checks that the deployment's difference equals a plain comparison of both answers.
fn same_difference(deployed: &Deployed, before: &Answer, after: &Answer) {
    for view in &deployed.views {
        // Nothing is refused, by neither version.
        if view.incomparable.is_some() || view.view == "errors" {
            continue;
        }
        let schema = &deployed.before.iter().find(|one| one.name == view.view).expect("it").schema;
        let split = |answer: &Answer| {
            let mut keys: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
            for row in answer[&view.view].keys() {
                let (key, value) = row.split_at(schema.key.len());
                keys.entry(key.to_vec()).or_default().insert(value.to_vec());
            }
            keys
        };
        let (before, after) = (split(before), split(after));
        let (mut added, mut removed, mut changed) = (0, 0, 0);
        for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            let none = BTreeSet::new();
            let (old, new) = (before.get(key).unwrap_or(&none), after.get(key).unwrap_or(&none));
            match (old.difference(new).count(), new.difference(old).count()) {
                (0, new) => added += new as u64,
                (old, 0) => removed += old as u64,
                _ => changed += 1,
            }
        }
        assert!(removed + changed > 0, "{}: the versions do not differ", view.view);
        assert_eq!((view.added, view.removed, view.changed), (added, removed, changed));
    }
}
