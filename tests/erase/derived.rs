//! Erasure of everything that was derived from erased events: batch views, checkpoints, indexes,
//! tokens.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use dataflows::{Line, Transfer, bank, word_count};
use diptych::System;
use diptych::batch_view::{BatchView, BatchViewWriter, Identity};
use diptych::dataflow::Definition;
use diptych::io::{Fault, SimDisk};
use diptych::log::inspect;
use diptych::serving::{Index, Read, Token};
use diptych::sources::Conditions;
use diptych::sources::append;
use diptych::system::{BatchOptions, Cluster, EraseOptions, ErasedData, ServeOptions};
use proptest::prelude::*;

const ROOT: &str = "data";
/// A text that no other text on the disk contains.
const SECRET: &str = "zebedee-17";

type Counts = BTreeMap<String, i64>;

fn words(version: &'static str) -> Definition {
    Definition::new("word_count", move |df| {
        df.version(version);
        word_count(df);
    })
}

fn transfers() -> Definition {
    Definition::new("bank", |df| {
        df.version("1");
        bank(df);
    })
}

fn system(disk: &SimDisk) -> System {
    System::with_disk(Arc::new(disk.clone()), ROOT)
}

fn line(text: &str) -> Line {
    Line { text: text.to_owned() }
}

fn counts(texts: &[String]) -> Counts {
    let mut counts = Counts::new();
    for word in texts.iter().flat_map(|text| text.split_whitespace()) {
        *counts.entry(word.to_owned()).or_default() += 1;
    }
    counts
}

fn counted(index: &Index) -> Counts {
    let rows = index.snapshot(Read::Latest).unwrap().rows::<String, i64>("counts").unwrap();
    rows.into_iter().map(|(row, _)| row).collect()
}

/// Erases the lines with this text.
fn erase(disk: &SimDisk, text: &str, known: &[Definition]) -> diptych::Result<Option<ErasedData>> {
    erase_with(disk, text, known, known, false)
}

fn erase_with(
    disk: &SimDisk,
    text: &str,
    known: &[Definition],
    recompute: &[Definition],
    also_without: bool,
) -> diptych::Result<Option<ErasedData>> {
    let conditions = Conditions::parse(&[format!("text={text}")])?;
    let choose = |schema: &SchemaRef| conditions.chooser(schema);
    system(disk).erase(&EraseOptions {
        stream: "lines",
        choose: &choose,
        reason: "asked for",
        recompute,
        also_without,
        known,
        cluster: Cluster::local(2),
        samples: 1,
    })
}

fn has(disk: &SimDisk, text: &str) -> Vec<String> {
    let holds = |bytes: &[u8]| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    let files = disk.files().into_iter().filter(|(_, bytes)| holds(bytes));
    files.map(|(path, _)| path.display().to_string()).collect()
}

fn boundaries(disk: &SimDisk, dataflow: &str, version: &str) -> Vec<u64> {
    BatchView::boundaries(disk, Path::new(ROOT), &Identity::new(dataflow, version)).unwrap()
}

/// Lines and transfers in twelve epochs, and batch views of three versions.
fn some() -> (SimDisk, Vec<String>) {
    let disk = SimDisk::new();
    let writer = system(&disk).writer().unwrap();
    let mut texts = Vec::new();
    for epoch in 0..12_i64 {
        let mut some: Vec<_> = (0..epoch % 4).map(|n| format!("word{n} all {epoch}")).collect();
        if epoch % 5 == 2 {
            some.push(SECRET.to_owned());
        }
        append(&writer, "lines", &some.iter().map(|text| line(text)).collect::<Vec<_>>()).unwrap();
        let one = Transfer { id: epoch, from_account: 1, to_account: 2, amount: epoch, ts: 0 };
        append(&writer, "transfers", &[one]).unwrap();
        texts.extend(some);
        if epoch == 7 {
            writer.seal().unwrap();
        }
    }
    writer.close().unwrap();
    for upto in [9, 20] {
        for flow in [words("1"), words("2")] {
            let options = BatchOptions { upto: Some(upto), ..BatchOptions::default() };
            system(&disk).batch(&flow, &options).unwrap();
        }
    }
    system(&disk).batch(&transfers(), &BatchOptions::default()).unwrap();
    (disk, texts)
}

fn without(texts: &[String], text: &str) -> Vec<String> {
    texts.iter().filter(|other| *other != text).cloned().collect()
}

#[test]
fn batch_views_go_and_come_again_without_what_was_erased() {
    let (disk, texts) = some();
    assert!(has(&disk, SECRET).len() > 8, "{:?}", has(&disk, SECRET));
    let known = [words("1"), transfers()];
    let erased = erase(&disk, SECRET, &known).unwrap().unwrap();
    assert!(erased.failed.is_empty(), "{:?}", erased.failed);
    assert_eq!(has(&disk, SECRET), [""; 0]);
    assert_eq!((erased.log.erasure.events, erased.log.erasure.first), (2, 4));
    // Both boundaries of both versions are gone; one is made again, of the version at hand.
    let mut removed = erased.removed.clone();
    removed.sort();
    let of = |version: &str, at| ("word_count".to_owned(), version.to_owned(), at);
    assert_eq!(removed, [of("1", 9), of("1", 20), of("2", 9), of("2", 20)]);
    assert_eq!(boundaries(&disk, "word_count", "1"), [20]);
    assert_eq!(boundaries(&disk, "word_count", "2"), [0; 0]);
    let [dataflow] = &erased.dataflows[..] else { panic!("{:?}", erased.dataflows) };
    assert_eq!((&*dataflow.dataflow, dataflow.boundary), ("word_count", 20));
    let [view, _errors] = &dataflow.views[..] else { panic!("{:?}", dataflow.views) };
    let left = without(&texts, SECRET);
    let diff = &view.diff;
    assert_eq!((diff.removed, diff.added, diff.changed), (1, 0, 0));
    assert_eq!(view.before.0, view.after.0 + 1);
    assert_ne!(view.before.1, view.after.1);
    // The one that does not read the stream is kept, and goes on from where it was.
    assert_eq!(boundaries(&disk, "bank", "1"), [24]);
    let incremental = BatchOptions { incremental: true, ..BatchOptions::default() };
    let writer = system(&disk).writer().unwrap();
    append(&writer, "lines", &[line("more")]).unwrap();
    writer.close().unwrap();
    assert_eq!(system(&disk).batch(&transfers(), &incremental).unwrap().from, 24);
    // What is restored, what is computed from the events alone, and a few loops agree.
    let left = [left, vec!["more".to_owned()]].concat();
    for from_scratch in [false, true] {
        let flow = words("1");
        let index = system(&disk).recompute(&flow, 25, Cluster::local(2), from_scratch);
        assert_eq!(counted(&index.unwrap()), counts(&left));
    }
    let check = inspect::check(Arc::new(disk.clone()), Path::new(ROOT).join("log")).unwrap();
    assert!(check.damage.is_empty() && check.unlisted.is_empty(), "{check:?}");
    let stat = inspect::stat(Arc::new(disk), Path::new(ROOT).join("log")).unwrap();
    assert_eq!((stat.erasures.len(), &*stat.erasures[0].reason), (1, "asked for"));
}

#[test]
fn a_dataflow_without_a_batch_view_is_compared_when_it_is_named() {
    let (disk, _) = some();
    let named = [words("3")];
    let unnamed = erase_with(&disk.kill(), SECRET, &named, &named, false).unwrap().unwrap();
    assert!(unnamed.dataflows.is_empty());
    let erased = erase_with(&disk, SECRET, &named, &named, true).unwrap().unwrap();
    let [dataflow] = &erased.dataflows[..] else { panic!("{:?}", erased.dataflows) };
    assert_eq!((dataflow.boundary, dataflow.views[0].diff.removed), (24, 1));
    assert_eq!(boundaries(&disk, "word_count", "3"), [24]);
    assert_eq!(has(&disk, SECRET), [""; 0]);
    assert_eq!(boundaries(&disk, "bank", "1"), [0; 0], "nobody said that it does not depend");
}

/// Tokens from before the erasure are refused by name, tokens from after it are good.
#[test]
fn subscribers_of_the_history_before_need_a_snapshot() {
    let (disk, texts) = some();
    let flow = words("1");
    let (system, flows) = (system(&disk), std::slice::from_ref(&flow));
    let token = |expected: &[String], old: Option<&Token>| {
        let writer = system.writer().unwrap();
        let served = system.serve(flows, ServeOptions::default().writer(&writer)).unwrap();
        served.wait_beyond("word_count", 23).unwrap();
        let index = served.index("word_count").unwrap();
        assert_eq!(counted(&index), counts(expected));
        if let Some(old) = old {
            let error = index.resume(0, old).err().unwrap();
            let text = error.to_string();
            assert!(error.is_conflict() && text.contains("events were erased at 20"), "{text}");
            assert!(text.contains("take a snapshot"), "{text}");
        }
        let token = index.changes(0, 24).unwrap().token();
        assert!(index.resume(0, &token).is_ok());
        served.stop().unwrap();
        writer.close().unwrap();
        token
    };
    let first = token(&texts, None);
    let shown = first.to_string();
    let (at, branch) = shown.split_once('~').expect("a token names its history");
    assert_eq!((at, branch.len()), ("1@24", 16), "as long as nothing is erased");
    erase(&disk, SECRET, flows).unwrap().unwrap();
    let left = without(&texts, SECRET);
    let second = token(&left, Some(&first));
    assert_eq!(token(&left, Some(&first)), second, "it outlives a restart");
    erase(&disk, "word0 all 5", flows).unwrap().unwrap();
    let third = token(&without(&left, "word0 all 5"), Some(&second));
    assert!(third != second && third.version.starts_with("1~e"), "{third}");
}

/// A batch run at the same time, and the batch view that it would leave.
#[test]
fn a_batch_view_that_is_being_written_is_not_raced() {
    let (disk, _) = some();
    let before = disk.files();
    let (shared, identity) = (Arc::new(disk.clone()), Identity::new("word_count", "2"));
    let writer = BatchViewWriter::create(shared, Path::new(ROOT), identity, 15, 1).unwrap();
    let error = erase(&disk, SECRET, &[words("1")]).unwrap_err();
    let text = error.to_string();
    assert!(error.is_conflict() && text.contains("nothing is erased"), "{text}");
    assert!(text.contains("let the batch run end"), "{text}");
    drop(writer);
    let log = |files: &[(std::path::PathBuf, Vec<u8>)]| {
        let segments = files.iter().filter(|file| file.0.extension() == Some("arrow".as_ref()));
        segments.cloned().collect::<Vec<_>>()
    };
    assert!(log(&before) == log(&disk.files()));
    assert!(erase(&disk, SECRET, &[words("1")]).unwrap().is_some());
}

/// A server that follows the directory leaves no checkpoint with erased events.
#[test]
fn who_follows_stops_and_leaves_nothing() {
    let (disk, _) = some();
    let flow = words("4");
    let system = system(&disk);
    let served = system.serve(std::slice::from_ref(&flow), ServeOptions::default()).unwrap();
    served.wait_beyond("word_count", 23).unwrap();
    erase(&disk, SECRET, &[words("1")]).unwrap().unwrap();
    let error = system.conclude(served).unwrap_err().to_string();
    assert!(error.contains("events of stream lines were erased at"), "{error}");
    assert_eq!(boundaries(&disk, "word_count", "4"), [0; 0]);
    assert_eq!(has(&disk, SECRET), [""; 0]);
}

/// A batch view from before the erasure, put back by hand or left by a crash, is named and never
/// used, and readers go on without it; a writer, or the next batch run, removes it.
#[test]
fn a_batch_view_of_before_is_passed_over_and_removed() {
    let (disk, texts) = some();
    let old: Vec<_> =
        disk.files().into_iter().filter(|(path, _)| path.starts_with("data/views")).collect();
    erase(&disk, SECRET, &[transfers()]).unwrap().unwrap();
    let put_back = || {
        for (path, bytes) in &old {
            disk.tamper(path, Some(bytes));
        }
        assert!(!has(&disk, SECRET).is_empty());
    };
    put_back();
    let flow = words("1");
    let flows = std::slice::from_ref(&flow);
    let served = system(&disk).serve(flows, ServeOptions::default()).unwrap();
    let named: Vec<_> = served.passed_over().map(ToString::to_string).collect();
    let words = ["was made before events of stream lines were erased at", "run `batch`"];
    for error in &named {
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    assert!(!named.is_empty());
    served.wait_beyond("word_count", 23).unwrap();
    let index = served.index("word_count").unwrap();
    assert_eq!(counted(&index), counts(&without(&texts, SECRET)));
    served.stop().unwrap();
    system(&disk).batch(&flow, &BatchOptions::default()).unwrap();
    assert_eq!(has(&disk, SECRET), [""; 0]);
    let expected = counts(&without(&texts, SECRET));
    let restored = system(&disk).recompute(&flow, 24, Cluster::local(1), false).unwrap();
    assert_eq!(counted(&restored), expected);
    put_back();
    system(&disk).writer().unwrap().close().unwrap();
    assert_eq!(has(&disk, SECRET), [""; 0]);
    put_back();
    // Nothing matches any more, but what is left over is removed.
    assert!(erase(&disk, SECRET, flows).unwrap().is_none());
    assert_eq!(has(&disk, SECRET), [""; 0]);
}

/// Whichever call fails: after the next writer there is the old history with its batch views, or
/// the new one without a trace of the erased events.
#[test]
fn a_failure_at_each_disk_call_leaves_no_mixture() {
    let (disk, texts) = some();
    let known = [words("1"), transfers()];
    let whole = disk.kill();
    let from = whole.calls();
    erase(&whole, SECRET, &known).unwrap().unwrap();
    let calls = whole.calls() - from;
    let (mut olds, mut news) = (0, 0);
    for call in 0..calls {
        let hurt = disk.kill();
        hurt.fail_at(hurt.calls() + call, Fault::Broken);
        let outcome = erase(&hurt, SECRET, &known);
        let whole = matches!(&outcome, Ok(Some(erased)) if erased.failed.is_empty());
        let image = if call % 2 == 0 { hurt.kill() } else { hurt.crash(call) };
        let what = format!("call {call}: {:?}", outcome.as_ref().map(Option::is_some));
        // Who only reads finds the one or the other at once.
        let reads = system(&image).recompute(&known[0], 24, Cluster::local(1), false);
        let reads = counted(&reads.unwrap_or_else(|error| panic!("{what}: {error}")));
        let one_of_both = [counts(&texts), counts(&without(&texts, SECRET))];
        assert!(one_of_both.contains(&reads), "{what}: a mixture");
        assert!(!whole || reads == one_of_both[1], "{what}: it was told that they are gone");
        let writer = system(&image).writer();
        let writer = writer.unwrap_or_else(|error| panic!("{what}: {error}"));
        let reader = system(&image).reader().unwrap();
        let expected = if reader.erasures().is_empty() {
            assert!(!whole && has(&image, SECRET).len() > 8, "{what}");
            olds += 1;
            texts.clone()
        } else {
            assert_eq!(has(&image, SECRET), [""; 0], "{what}");
            news += 1;
            without(&texts, SECRET)
        };
        for from_scratch in [false, true] {
            let index = system(&image).recompute(&known[0], 24, Cluster::local(1), from_scratch);
            let index = index.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(counted(&index), counts(&expected), "{what}");
        }
        writer.close().unwrap();
    }
    assert!(olds > 10 && news > 10, "{olds} times the old history, {news} times the new one");
}

fn logs() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(0..6u8, 0..8), 1..16)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// The law, after an erasure: batch, speed continued from a batch view, and a few loops over
    /// the remaining events.
    #[test]
    fn the_law_holds_for_what_is_left(
        log in logs(), split in 0..16usize, workers in 1..4usize, erased in 0..6u8
    ) {
        let disk = SimDisk::new();
        let writer = system(&disk).writer().unwrap();
        let text = |n: &u8| format!("a{n} b{} all", n % 3);
        for epoch in &log {
            let lines: Vec<_> = epoch.iter().map(|n| line(&text(n))).collect();
            append(&writer, "lines", &lines).unwrap();
        }
        writer.close().unwrap();
        let upper = system(&disk).reader().unwrap().upper().unwrap();
        let (flow, upto) = (words("1"), (split as u64 % upper).max(1));
        let cluster = Cluster::local(workers);
        let options =
            BatchOptions { upto: Some(upto), cluster: cluster.clone(), ..BatchOptions::default() };
        system(&disk).batch(&flow, &options).unwrap();
        let texts: Vec<_> = log.iter().flatten().map(text).collect();
        let matched = texts.contains(&text(&erased));
        if matched {
            let done = erase(&disk, &text(&erased), std::slice::from_ref(&flow)).unwrap().unwrap();
            prop_assert!(done.failed.is_empty());
            prop_assert_eq!(done.dataflows[0].boundary, upto);
        }
        let expected = counts(&without(&texts, &text(&erased)));
        for from_scratch in [false, true] {
            let index = system(&disk).recompute(&flow, upper, cluster.clone(), from_scratch);
            prop_assert_eq!(counted(&index.unwrap()), expected.clone());
        }
    }
}
