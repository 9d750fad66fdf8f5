//! Real data that nobody here made, through everything that a batch view is for: ingested, batch,
//! live, rebuilt under readers, another version deployed, restarted, verified, backed up, asked of
//! the past. At each step the answers are those of a naive program over the same lines.

#[path = "real_data/lines.rs"]
mod lines;
mod naive;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use diptych::log::{Append, Pending, Writer};
use diptych::servers::{Deployed, Rebuild};
use diptych::serving::{Read, Snapshot};
use diptych::sources::{IngestOptions, ingest};
use diptych::{
    BatchOptions, Cluster, Dataflow, Definition, DeployOptions, Event, PairsExt, RebuildOptions,
    ServeOptions, System,
};

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
    /// What the other version leaves out.
    left_out: fn(&Fact) -> bool,
    other: fn(&mut Dataflow<'_>),
}

#[test]
fn tweets_through_all_of_it() {
    through_all_of_it::<diptych::dataflows::Tweet>(&Subject {
        name: "tweets",
        file: "tweets_sample_2016-10.csv.zst",
        stream: "tweets",
        fact: lines::tweet,
        left_out: |fact| matches!(fact, Fact::Tweet(tweet) if tweet.language != "English"),
        other: only_english,
    });
}

#[test]
fn retail_through_all_of_it() {
    through_all_of_it::<diptych::dataflows::InvoiceLine>(&Subject {
        name: "retail",
        file: "retail_transactions.csv.zst",
        stream: "invoice_lines",
        fact: lines::invoice_line,
        left_out: |fact| matches!(fact, Fact::InvoiceLine(line) if line.invoice.starts_with('C')),
        other: no_cancellations,
    });
}

/// `tweets` with another filter in front of it; written out, as a user who changes a line would.
fn only_english(df: &mut Dataflow<'_>) {
    use diptych::dataflows::{Tweet, hashtags};
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
    let top = diptych::CollectionExt::top_k(tags.clone(), 10, |((hour, tag), n)| {
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
    use diptych::dataflows::InvoiceLine;
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
    let flow = diptych::dataflows::all().into_iter().find(|flow| flow.name() == subject.name);
    let flow = flow.expect("a built-in dataflow");
    let system = System::open(place.path().join("data"));
    let writer = Arc::new(system.writer().expect("a writer"));

    // History from a file, and its batch view.
    let file = place.path().join("history.csv");
    std::fs::write(&file, real.head(old)).expect("written");
    let options = IngestOptions::default();
    ingest(&*writer, subject.stream, &E::schema(), &[file], &options, &mut |_| {}).expect("good");
    let boundary = writer.upper();
    let options = BatchOptions { cluster: Cluster::local(2), ..BatchOptions::default() };
    assert_eq!(system.batch(&flow, &options).expect("a batch view").boundary, boundary);

    // Live, from there on.
    let flows = std::slice::from_ref(&flow);
    let served = system.serve(flows, ServeOptions::default().writer(&writer)).expect("served");
    let readers = served.serving(subject.name).expect("served");
    served.wait_beyond(subject.name, boundary - 1).expect("restored");
    let twin = |facts: &[Fact]| twins::twin(subject.name, &facts.iter().collect::<Vec<_>>());
    agree("restored", &readers.snapshot(Read::Latest).expect("rows"), &twin(&facts[..old]));
    let middle = old + (facts.len() - old) / 2;
    let halfway = append(&writer, &facts[old..middle]);
    let site = system.site(&served, flows, None).expect("a site");
    let rebuilds = system
        .rebuild_under_readers(&served, flows, RebuildOptions::default(), drop)
        .expect("started");
    served.wait_beyond(subject.name, halfway).expect("visible");
    let rebuilt = site.history.rebuild(subject.name, false).expect("rebuilt");
    assert!(matches!(rebuilt, Rebuild::Swapped { .. }), "{rebuilt:?}");
    let last = append(&writer, &facts[middle..]);
    served.wait_beyond(subject.name, last).expect("visible");
    let all = twin(&facts);
    agree("live", &readers.snapshot(Read::Latest).expect("rows"), &all);

    // Another version, and back.
    let changed = Definition::new(subject.name, subject.other);
    let options = DeployOptions { writer: Some(Arc::clone(&writer)), ..DeployOptions::default() };
    let kept: Vec<&Fact> = facts.iter().filter(|fact| !(subject.left_out)(fact)).collect();
    let deployed = system.deploy(&served, &changed, &options).expect("deployed");
    let after = twins::twin(subject.name, &kept);
    same_difference(&deployed, &all, &after);
    for (id, view) in readers.snapshot(Read::Latest).expect("rows").views().iter().enumerate() {
        let snapshot = readers.snapshot(Read::Latest).expect("rows");
        let expected = bytes_of(&after[&view.name]);
        assert!(rows(&snapshot, id) == expected, "{} of the other version", view.name);
    }
    system.deploy(&served, &flow, &options).expect("back");
    agree("rolled back", &readers.snapshot(Read::Latest).expect("rows"), &all);
    drop(rebuilds);
    served.stop().expect("stopped");

    // Restarted, in a copy of the directory; and the past.
    let copy = place.path().join("copy");
    let backup = system.backup(flows, &copy).expect("a backup");
    assert_eq!(backup.upper, last + 1);
    for system in [system, System::open(copy)] {
        let served = system.serve(flows, ServeOptions::default()).expect("restarted");
        served.wait_beyond(subject.name, last).expect("caught up");
        let readers = served.serving(subject.name).expect("served");
        agree("restarted", &readers.snapshot(Read::Latest).expect("rows"), &all);
        served.stop().expect("stopped");
        let then = system.recompute(&flow, halfway + 1, Cluster::local(1), false).expect("then");
        let then = then.snapshot(Read::Latest).expect("rows");
        agree("halfway", &then, &twin(&facts[..middle]));
        let fresh = system.recompute(&flow, last + 1, Cluster::local(2), true).expect("computed");
        agree("recomputed", &fresh.snapshot(Read::Latest).expect("rows"), &all);
        assert_eq!(
            system.check_files(&flow.describe().expect("described")).expect("read").len(),
            0
        );
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
    let last = epochs.max().expect("some facts");
    std::thread::sleep(Duration::from_millis(1));
    last
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
        assert!(expected.len() > 100, "{what}: {} has {} rows", view.name, expected.len());
        let wrong = expected.iter().find(|(row, times)| found.get(*row) != Some(times));
        assert!(wrong.is_none(), "{what}: {}: expected {wrong:?}", view.name);
        assert_eq!(found.len(), expected.len(), "{what}: {}", view.name);
    }
}

/// What the deployment told is what a plain comparison of both answers finds.
fn same_difference(deployed: &Deployed, before: &Answer, after: &Answer) {
    for view in &deployed.views {
        if view.incomparable.is_some() {
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
