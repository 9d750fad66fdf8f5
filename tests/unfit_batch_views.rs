//! A batch view that does not fit (of another version, of another log, half written, cut, or one
//! for which there was no space) is passed over and named with place and remedy at the start, and
//! refused so beside a server; what is served stays. It is derived, so it is no obstacle.

#[path = "unfit_batch_views/accepted.rs"]
mod accepted;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use dataflows::{Transfer, bank};
use diptych::batch_view::Identity;
use diptych::dataflow::Definition;
use diptych::io::SimDisk;
use diptych::log::Writer;
use diptych::serving::{Index, Read};
use diptych::sources::append;
use diptych::system::{
    BatchOptions, Checkpoints, Cluster, RebuildOptions, Rebuilds, Rebuilt, ServeOptions, Served,
};
use diptych::{Error, System};

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(1);
/// Long enough for a thread that checks every millisecond.
const A_WHILE: Duration = Duration::from_millis(100);
const ROOT: &str = "data";

fn flow(version: &'static str) -> Definition {
    Definition::new("bank", move |df| {
        df.version(version);
        bank(df);
    })
}

fn transfers(from: i64, count: i64) -> Vec<Transfer> {
    let one = |id| Transfer { id, from_account: id, to_account: id + 7, amount: id % 13, ts: 0 };
    (from..from + count).map(one).collect()
}

fn system(disk: &SimDisk) -> System {
    System::with_disk(Arc::new(disk.clone()), ROOT)
}

fn dir(version: &str) -> PathBuf {
    Identity::new("bank", version).dir(Path::new(ROOT))
}

/// The files of batch views of a version, by name.
fn files(disk: &SimDisk, version: &str) -> Vec<(String, Vec<u8>)> {
    let dir = dir(version);
    let inside = disk.files().into_iter().filter(|(path, _)| path.parent() == Some(&*dir));
    let name = |path: PathBuf| path.file_name().and_then(|n| n.to_str()).expect("UTF-8").to_owned();
    let named = inside.map(|(path, content)| (name(path), content));
    named.filter(|(name, _)| name != "lock").collect()
}

/// Puts files where batch views of version 1 are.
fn put(disk: &SimDisk, files: &[(String, Vec<u8>)]) {
    // The name that makes the others count comes last.
    let (manifests, parts): (Vec<_>, Vec<_>) =
        files.iter().partition(|(name, _)| name.ends_with("manifest"));
    for (name, content) in parts.into_iter().chain(manifests) {
        disk.tamper(&dir("1").join(name), Some(content));
    }
}

/// The batch views of a run over the present log, which are not left here.
fn made(disk: &SimDisk, version: &'static str) -> Vec<(String, Vec<u8>)> {
    let elsewhere = disk.kill();
    let made = system(&elsewhere).batch(&flow(version), &BatchOptions::default());
    let boundary = made.expect("a batch view").boundary;
    let mut files = files(&elsewhere, version);
    files.retain(|(name, _)| name.starts_with(&format!("{boundary:020}.")));
    assert!(files.len() > 5, "{files:?}");
    files
}

/// The same, of another log that has as many epochs.
fn made_of_another_log(epochs: u64) -> Vec<(String, Vec<u8>)> {
    let other = SimDisk::new();
    let writer = system(&other).writer().expect("a writer");
    for epoch in 0..epochs as i64 {
        append(&writer, "transfers", &transfers(epoch * 5, 3)).expect("appended");
    }
    writer.close().expect("closed");
    made(&other, "1")
}

/// A server that checks every millisecond, over a log of two epochs with a batch view of the first.
struct Serving {
    disk: SimDisk,
    writer: Writer,
    served: Served,
    index: Index,
    told: Receiver<Rebuilt>,
    rebuilds: Option<Rebuilds>,
}

impl Serving {
    fn start() -> Serving {
        let disk = SimDisk::new();
        let system = system(&disk);
        let writer = system.writer().expect("a writer");
        append(&writer, "transfers", &transfers(0, 20)).expect("appended");
        system.batch(&flow("1"), &BatchOptions::default()).expect("a batch view");
        append(&writer, "transfers", &transfers(20, 200)).expect("appended");
        let flows = [flow("1")];
        let served = system.serve(&flows, ServeOptions::default().writer(&writer));
        let served = served.expect("served");
        served.wait_beyond("bank", 1).expect("visible");
        let index = served.index("bank").expect("an index");
        assert_eq!(index.boundary(), 1);
        let (tell, told) = mpsc::channel();
        let options = RebuildOptions { look: LOOK, ..RebuildOptions::default() };
        let rebuilds = system.rebuild_under_readers(&served, &flows, options, move |outcome| {
            // Nobody listens at the end.
            let _ = tell.send(outcome);
        });
        let rebuilds = Some(rebuilds.expect("a thread"));
        Serving { disk, writer, served, index, told, rebuilds }
    }

    /// Digests of all views at epoch 1.
    fn answers(&self) -> Vec<String> {
        let snapshot = self.index.snapshot(Read::AsOf(1)).expect("a snapshot");
        (0..5).map(|view| snapshot.digest(view).expect("read").to_string()).collect()
    }

    /// The next outcome, which must be a refusal.
    fn refusal(&self) -> Error {
        match self.told.recv_timeout(PATIENCE).expect("it is told") {
            Rebuilt::Failed { error, .. } => error,
            other => panic!("{other:?}"),
        }
    }

    /// Checks that the refusal is reported once, changes nothing, and is no obstacle to later batch
    /// views.
    fn goes_on(mut self, before: &[String]) {
        std::thread::sleep(A_WHILE);
        assert!(self.told.try_recv().is_err(), "told again");
        assert_eq!(self.index.boundary(), 1, "what is served stays");
        assert_eq!(self.answers(), before);
        append(&self.writer, "transfers", &transfers(500, 3)).expect("appended");
        let made = system(&self.disk).batch(&flow("1"), &BatchOptions::default());
        let boundary = made.expect("a batch view").boundary;
        match self.told.recv_timeout(PATIENCE).expect("it is taken up") {
            Rebuilt::Swapped { boundary: swapped, .. } => assert_eq!(swapped, boundary),
            other => panic!("{other:?}"),
        }
        drop(self.rebuilds.take());
        self.served.stop().expect("stopped");
    }
}

/// The batch view that a start on this disk passes over; answers at epoch 1 must equal `before`.
fn passed_over(disk: &SimDisk, before: &[String]) -> Error {
    let served = system(disk).serve(&[flow("1")], ServeOptions::default()).expect("served");
    let mut named: Vec<_> = served.passed_over().map(ToString::to_string).collect();
    assert_eq!(named.len(), 1, "{named:?}");
    served.wait_beyond("bank", 1).expect("visible");
    let index = served.index("bank").expect("an index");
    assert_eq!(index.boundary(), 1, "the one before it");
    let snapshot = index.snapshot(Read::AsOf(1)).expect("a snapshot");
    let answers: Vec<_> =
        (0..5).map(|view| snapshot.digest(view).expect("read").to_string()).collect();
    assert_eq!(answers, before);
    served.stop().expect("stopped");
    Error::new(diptych::error::Kind::Conflict, named.remove(0))
}

fn says(error: &Error, words: &[&str]) {
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{text}: {words:?}");
}

#[test]
fn another_version_is_named_and_no_obstacle() {
    let serving = Serving::start();
    let (before, stranger) = (serving.answers(), made(&serving.disk, "2"));
    put(&serving.disk, &stranger);
    let error = serving.refusal();
    assert!(error.is_conflict(), "{error}");
    says(&error, &["2.manifest", "version 2, not of \"bank\" version 1", "rebuild the batch view"]);
    let start = serving.disk.kill();
    serving.goes_on(&before);
    let error = passed_over(&start, &before);
    says(&error, &["2.manifest", "version 2, not of \"bank\" version 1", "rebuild the batch view"]);
}

#[test]
fn another_log_is_named_and_no_obstacle() {
    let serving = Serving::start();
    let (before, stranger) = (serving.answers(), made_of_another_log(2));
    put(&serving.disk, &stranger);
    let identity = system(&serving.disk).reader().expect("a log").identity();
    let words = ["the batch view at epoch 2 is of log", &identity, "the log was replaced"];
    let error = serving.refusal();
    assert!(error.is_conflict(), "{error}");
    says(&error, &words);
    let start = serving.disk.kill();
    serving.goes_on(&before);
    says(&passed_over(&start, &before), &words);
}

/// A log that was replaced by a shorter one: the old batch views are named, and not used.
#[test]
fn a_batch_view_beyond_the_log_is_passed_over_and_named() {
    let disk = SimDisk::new();
    put(&disk, &made_of_another_log(9));
    let system = system(&disk);
    let writer = system.writer().expect("a writer");
    append(&writer, "transfers", &transfers(0, 20)).expect("appended");
    let served = system.serve(&[flow("1")], ServeOptions::default()).expect("served");
    let named: Vec<_> = served.passed_over().map(ToString::to_string).collect();
    let [named] = &named[..] else { panic!("{named:?}") };
    let place = dir("1").display().to_string();
    for word in [place.as_str(), "epoch 9", "ends at 1", "remove that batch view"] {
        assert!(named.contains(word), "{named}: {word}");
    }
    served.wait_beyond("bank", 0).expect("recomputed");
    let index = served.index("bank").expect("an index");
    let total = index.snapshot(Read::Latest).expect("a snapshot").rows::<(), i64>("total");
    assert_eq!(total.expect("the rows"), [(((), 0), 1)]);
    served.stop().expect("stopped");
}

#[test]
fn a_half_written_one_is_not_there() {
    let serving = Serving::start();
    let before = serving.answers();
    let mut half = made(&serving.disk, "1");
    half.retain(|(name, _)| !name.ends_with("manifest"));
    half.pop();
    let begun = format!("{:020}.begun", 2);
    put(&serving.disk, &[(begun, Vec::new())]);
    put(&serving.disk, &half);
    let start = serving.disk.kill();
    serving.goes_on(&before);
    let served = system(&start).serve(&[flow("1")], ServeOptions::default()).expect("served");
    assert_eq!(served.passed_over().count(), 0);
    served.wait_beyond("bank", 1).expect("visible");
    assert_eq!(served.index("bank").expect("an index").boundary(), 1);
    served.stop().expect("stopped");
}

#[test]
fn a_cut_one_is_passed_over_and_named() {
    let serving = Serving::start();
    let before = serving.answers();
    let mut cut = made(&serving.disk, "1");
    let part = cut.iter_mut().find(|(name, _)| name.contains("view.balance."));
    let (name, content) = part.expect("a part");
    content.truncate(content.len() / 2);
    let name = name.clone();
    put(&serving.disk, &cut);
    let error = serving.refusal();
    assert!(error.is_damaged(), "{error}");
    says(&error, &[&name, "use an older batch view, or rebuild"]);
    let start = serving.disk.kill();
    serving.goes_on(&before);
    let served = system(&start).serve(&[flow("1")], ServeOptions::default()).expect("served");
    let named: Vec<_> = served.passed_over().map(ToString::to_string).collect();
    assert!(named.len() == 1 && named[0].contains(&name), "{named:?}");
    served.wait_beyond("bank", 1).expect("visible");
    assert_eq!(served.index("bank").expect("an index").boundary(), 1, "the one before it");
    served.stop().expect("stopped");
}

/// A checkpoint that finds no space is reported, and gives its space back: appends go on. It is
/// made when there is space again.
#[test]
fn a_full_disk_during_a_checkpoint_changes_nothing() {
    let mut serving = Serving::start();
    drop(serving.rebuilds.take());
    let Serving { disk, writer, index, .. } = &serving;
    let before = serving.answers();
    let flows = [flow("1")];
    let (tell, told) = mpsc::channel();
    // Between two tries there is time for an append.
    let checkpoints = Checkpoints::Every(Duration::from_millis(200));
    let options = RebuildOptions { checkpoints, look: LOOK, ..RebuildOptions::default() };
    // Some thousand bytes for a log that gets hundreds; a checkpoint takes tens of thousands.
    disk.set_capacity(Some(disk.used() + 6_000));
    let system = system(disk);
    let rebuilds = system.rebuild_under_readers(&serving.served, &flows, options, move |outcome| {
        // Nobody listens at the end.
        let _ = tell.send(outcome);
    });
    let rebuilds = rebuilds.expect("a thread");
    for try_number in 0..3 {
        match told.recv_timeout(PATIENCE).expect("it is told") {
            Rebuilt::Failed { error, .. } => {
                assert!(error.is_full(), "{error}");
                says(&error, &["views/bank/1", "free some space"]);
            }
            other => panic!("{other:?}"),
        }
        let some = transfers(1_000 + try_number, 1);
        let epoch = append(writer, "transfers", &some).expect("the log has the space again");
        serving.served.wait_beyond("bank", epoch).expect("visible");
    }
    assert_eq!((index.boundary(), serving.answers()), (1, before.clone()));
    disk.set_capacity(None);
    let swapped =
        std::iter::from_fn(|| told.recv_timeout(PATIENCE).ok()).find_map(|outcome| match outcome {
            Rebuilt::Swapped { boundary, .. } => Some(boundary),
            Rebuilt::Failed { error, .. } if error.is_full() => None,
            other => panic!("{other:?}"),
        });
    assert!(swapped.is_some_and(|boundary| boundary > 1), "{swapped:?}");
    drop(rebuilds);
}

/// The final checkpoint of a server finds no space: that is reported, the log has everything, and
/// the next start gives the same answers.
#[test]
fn a_full_disk_at_the_end_costs_the_checkpoint_only() {
    let mut serving = Serving::start();
    let before = serving.answers();
    drop(serving.rebuilds.take());
    let Serving { disk, writer, served, .. } = serving;
    disk.set_capacity(Some(disk.used() + 6_000));
    let error = system(&disk).conclude(served).expect_err("there is no space");
    assert!(error.is_full(), "{error}");
    says(&error, &["views/bank/1", "free some space"]);
    let names: Vec<_> = files(&disk, "1").into_iter().map(|(name, _)| name).collect();
    assert!(names.iter().all(|name| name.starts_with(&format!("{:020}.", 1))), "{names:?}");
    append(&writer, "transfers", &transfers(3_000, 1)).expect("the log has the space again");
    writer.close().expect("closed");
    disk.set_capacity(None);
    let served = system(&disk).serve(&[flow("1")], ServeOptions::default()).expect("served");
    served.wait_beyond("bank", 2).expect("visible");
    let index = served.index("bank").expect("an index");
    let snapshot = index.snapshot(Read::AsOf(1)).expect("a snapshot");
    let after: Vec<_> =
        (0..5).map(|view| snapshot.digest(view).expect("read").to_string()).collect();
    assert_eq!(after, before);
    served.stop().expect("stopped");
}

/// Digests of all views at an epoch.
fn digests(index: &Index, epoch: u64) -> Vec<String> {
    let snapshot = index.snapshot(Read::AsOf(epoch)).expect("a snapshot");
    (0..5).map(|view| snapshot.digest(view).expect("read").to_string()).collect()
}

/// The files that say when batch views were sealed, swapped or overwritten: they are named, and the
/// answers are as they were.
#[test]
fn a_wrong_or_swapped_sealed_file_is_named_and_no_obstacle() {
    let disk = SimDisk::new();
    let writer = system(&disk).writer().expect("a writer");
    for id in 0..9 {
        append(&writer, "transfers", &transfers(id, 1)).expect("appended");
        if id == 4 {
            system(&disk).batch(&flow("1"), &BatchOptions::default()).expect("a batch view");
        }
    }
    writer.close().expect("closed");
    // Another writer, so that the two are of other branches.
    system(&disk).writer().expect("a writer").tick().expect("an epoch");
    system(&disk).batch(&flow("1"), &BatchOptions::default()).expect("a batch view");
    let right = system(&disk).recompute(&flow("1"), 10, Cluster::local(1), true);
    let right = digests(&right.expect("recomputed"), 9);
    let sealed = |boundary: u64| {
        let path = dir("1").join(format!("{boundary:020}.sealed"));
        let all = disk.files().into_iter();
        let found = all.filter(|(found, _)| *found == path).map(|(_, content)| content).next();
        (path, found.expect("a file"))
    };
    let [(five, of_five), (ten, of_ten)] = [sealed(5), sealed(10)];
    assert_ne!(of_five, of_ten);
    let flipped = |of: &[u8]| [&of[..10], &[of[10] ^ 1], &of[11..]].concat();
    // What is put where, how many are passed over, and where the start begins.
    let cases: [(&[(&PathBuf, Vec<u8>)], usize, u64); 4] = [
        (&[(&five, of_ten.clone()), (&ten, of_five.clone())], 2, 10),
        (&[(&ten, of_five.clone())], 1, 5),
        (&[(&ten, flipped(&of_ten))], 1, 5),
        (&[(&five, flipped(&of_five)), (&ten, Vec::new())], 2, 10),
    ];
    for (number, (put, passed, boundary)) in cases.into_iter().enumerate() {
        let hurt = disk.kill();
        put.iter().for_each(|(path, content)| hurt.tamper(path, Some(content)));
        // A writer, too, and with it a server.
        system(&hurt).writer().expect("a writer").close().expect("closed");
        let served = system(&hurt).serve(&[flow("1")], ServeOptions::default()).expect("served");
        let named: Vec<_> = served.passed_over().map(ToString::to_string).collect();
        assert_eq!(named.len(), passed, "case {number}: {named:?}");
        served.wait_beyond("bank", 9).expect("visible");
        let index = served.index("bank").expect("an index");
        assert_eq!(index.boundary(), boundary, "case {number}");
        assert_eq!(digests(&index, 9), right, "case {number}");
        served.stop().expect("stopped");
    }
}

/// An older copy of the log under newer batch views, which then grows beyond their boundary: the
/// same log by name, other epochs. They are never believed, and no obstacle.
#[test]
fn a_batch_view_of_a_log_that_was_rolled_back_and_grew_again_is_passed_over() {
    let disk = SimDisk::new();
    let grow = |disk: &SimDisk, from: i64, to: i64| {
        let writer = system(disk).writer().expect("a writer");
        for id in from..to {
            append(&writer, "transfers", &transfers(id, 1)).expect("appended");
        }
        writer.close().expect("closed");
    };
    grow(&disk, 0, 5);
    let older = disk.kill();
    grow(&disk, 5, 9);
    system(&disk).batch(&flow("1"), &BatchOptions::default()).expect("a batch view");
    let views = files(&disk, "1");
    assert!(views.iter().any(|(name, _)| name.ends_with(".sealed")), "{views:?}");
    // At its boundary, and beyond it.
    for upper in [9, 12] {
        let rolled = older.kill();
        grow(&rolled, 100, 95 + upper);
        put(&rolled, &views);
        let (flow, system) = (flow("1"), system(&rolled));
        let flows = std::slice::from_ref(&flow);
        let right = system.recompute(&flow, upper as u64, Cluster::local(1), true);
        let right = digests(&right.expect("recomputed"), upper as u64 - 1);
        let served = system.serve(flows, ServeOptions::default()).expect("served");
        let named: Vec<_> = served.passed_over().map(ToString::to_string).collect();
        let [text] = &named[..] else { panic!("{named:?}") };
        assert!(text.contains("the batch view at epoch 9"), "{text}");
        assert!(text.contains("epoch 8 was sealed at") && text.contains("rolled back"), "{text}");
        served.wait_beyond("bank", upper as u64 - 1).expect("visible");
        assert_eq!(digests(&served.index("bank").expect("an index"), upper as u64 - 1), right);
        served.stop().expect("stopped");
        // One that is made at its boundary takes its place.
        let upto = Some(upper as u64);
        let options = BatchOptions { incremental: true, upto, ..BatchOptions::default() };
        assert_eq!(system.batch(&flow, &options).expect("made").from, 0, "nothing is continued");
        let served = system.serve(flows, ServeOptions::default()).expect("served");
        assert_eq!(served.passed_over().count(), 0);
        served.wait_beyond("bank", upper as u64 - 1).expect("visible");
        assert_eq!(digests(&served.index("bank").expect("an index"), upper as u64 - 1), right);
        served.stop().expect("stopped");
    }
    // One from before this was written down is not asked.
    let unmarked = disk.kill();
    unmarked.tamper(&dir("1").join(format!("{:020}.sealed", 9)), None);
    let served = system(&unmarked).serve(&[flow("1")], ServeOptions::default());
    served.expect("served").stop().expect("stopped");
    // And where it is as it was, it fits.
    let served = system(&disk).serve(&[flow("1")], ServeOptions::default());
    served.expect("served").stop().expect("stopped");
}
