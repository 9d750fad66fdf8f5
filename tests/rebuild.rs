//! A rebuild is invisible to readers, unless it finds that the served rows are wrong; then it
//! reports that, and nothing changes.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use dataflows::{Line, Transfer, bank};
use diptych::dataflow::Definition;
use diptych::event::Event;
use diptych::io::SimDisk;
use diptych::limits::CHECKPOINT_EPOCHS_BEHIND;
use diptych::log::{Append, Pending, Writer};
use diptych::servers::Site;
use diptych::serving::{IndexOptions, Read};
use diptych::sources::append;
use diptych::system::Rebuild;
use diptych::system::{
    BatchOptions, Checkpoints, RebuildOptions, Rebuilt, ServeOptions, Served, Verification,
};
use diptych::{Dataflow, System};

const PATIENCE: Duration = Duration::from_secs(30);
const REBUILDS: usize = 100;

fn quickly(checkpoint_every: Option<Duration>) -> RebuildOptions {
    let checkpoints = checkpoint_every.map_or(Checkpoints::Never, Checkpoints::Every);
    let look = Duration::from_millis(2);
    RebuildOptions { checkpoints, look, ..RebuildOptions::default() }
}

fn transfer(id: i64) -> Transfer {
    let (from_account, to_account) = (id % 17, (id * 7 + 3) % 19);
    Transfer { id, from_account, to_account, amount: id % 100, ts: id }
}

/// A log in memory with its writer, and `flow` served over it, with the first `event` visible.
fn serving<E: Event>(flow: &Definition, (stream, event): (&str, E)) -> (System, Writer, Served) {
    let system = System::in_memory();
    let writer = system.writer().expect("a writer");
    append(&writer, stream, &[event]).expect("appended");
    let served = served(&system, &writer, flow, IndexOptions::default());
    (system, writer, served)
}

/// `flow` served over a log with one epoch, which is visible.
fn served(system: &System, writer: &Writer, flow: &Definition, index: IndexOptions) -> Served {
    let options = ServeOptions::default().writer(writer).index(index);
    let served = system.serve(std::slice::from_ref(flow), options).expect("served");
    served.wait_beyond(flow.name(), 0).expect("visible");
    served
}

/// 100 rebuilds by another computation while events arrive and two readers never pause: every
/// answer is consistent, no frontier goes back, and every rebuild becomes the base.
#[test]
fn rebuilds_are_invisible() {
    rebuilt_under_readers(IndexOptions::default());
}

/// The same when the views of each batch view stay in its files.
#[test]
fn rebuilds_are_invisible_when_views_stay_in_files() {
    rebuilt_under_readers(IndexOptions { views_in_files: true, ..IndexOptions::default() });
}

fn rebuilt_under_readers(options: IndexOptions) {
    let views_in_files = options.views_in_files;
    let flow = Definition::new("bank", bank);
    let system = System::in_memory();
    let writer = system.writer().expect("a writer");
    append(&writer, "transfers", &[transfer(0)]).expect("appended");
    let served = served(&system, &writer, &flow, options);
    let index = served.index("bank").expect("an index");
    let (tell, told) = mpsc::channel();
    let rebuilds = system.rebuild_under_readers(
        &served,
        std::slice::from_ref(&flow),
        quickly(None),
        move |outcome| tell.send(outcome).expect("heard"),
    );
    let rebuilds = rebuilds.expect("started");
    let (stop, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                while !stop.load(Ordering::Relaxed) {
                    let snapshot = index.snapshot(Read::Latest).expect("a snapshot");
                    assert!(snapshot.upper() >= seen, "{} after {seen}", snapshot.upper());
                    seen = snapshot.upper();
                    let total = snapshot.rows::<(), i64>("total").expect("the total");
                    assert!(total.iter().all(|(((), sum), _)| *sum == 0), "{total:?} at {seen}");
                    let balances = snapshot.rows::<i64, i64>("balance").expect("balances");
                    let outer: i64 = snapshot
                        .rows::<i64, i64>("balance_outer")
                        .expect("the outer join")
                        .iter()
                        .map(|((_, sum), _)| sum)
                        .sum();
                    assert_eq!(outer, 0, "at {seen}, with {} balances", balances.len());
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut id = 1;
        for rebuild in 0..REBUILDS {
            let some: Vec<_> = (id..id + 50).map(transfer).collect();
            id += 50;
            append(&writer, "transfers", &some).expect("appended");
            let cluster = diptych::system::Cluster::local(1 + rebuild % 2);
            let options =
                BatchOptions { cluster, incremental: rebuild % 3 > 0, ..BatchOptions::default() };
            let report = system.batch(&flow, &options).expect("a batch view");
            append(&writer, "transfers", &[transfer(id)]).expect("appended");
            id += 1;
            match told.recv_timeout(PATIENCE).expect("it is taken up") {
                Rebuilt::Swapped { boundary, .. } => assert_eq!(boundary, report.boundary),
                other => panic!("rebuild {rebuild}: {other:?}"),
            }
            assert_eq!(index.boundary(), report.boundary);
            assert_eq!(index.is_stored(), views_in_files);
        }
        stop.store(true, Ordering::Relaxed);
    });
    drop(rebuilds);
    served.stop().expect("stopped");
    assert!(reads.load(Ordering::Relaxed) > 100, "the readers hardly read");
}

/// Counts lines, and every time it is compiled it counts one more of them.
fn forgetful(df: &mut Dataflow<'_>) {
    static COMPILED: AtomicI64 = AtomicI64::new(0);
    let extra = COMPILED.fetch_add(1, Ordering::Relaxed);
    let lines = df.events::<Line>("lines").map(move |line| (line.text.to_owned(), 1 + extra));
    df.view("counts", lines.sum("counts")).columns(&["line", "n"]);
    df.version("1");
}

/// The first rebuild finds a function that reads changing data, and names it.
#[test]
fn a_function_that_is_not_deterministic_is_named() {
    let flow = Definition::new("forgetful", forgetful);
    let (system, writer, served) = serving(&flow, ("lines", Line { text: "to be".into() }));
    let index = served.index("forgetful").expect("an index");
    let before = index.snapshot(Read::Latest).expect("a snapshot");
    append(&writer, "lines", &[Line { text: "or not".into() }]).expect("appended");
    served.wait_beyond("forgetful", 1).expect("visible");
    let (tell, told) = mpsc::channel();
    let rebuilds = system.rebuild_under_readers(
        &served,
        std::slice::from_ref(&flow),
        quickly(None),
        move |outcome| tell.send(outcome).expect("heard"),
    );
    let rebuilds = rebuilds.expect("started");
    system.batch(&flow, &BatchOptions::default()).expect("a batch view");
    match told.recv_timeout(PATIENCE).expect("it is looked at") {
        Rebuilt::Drift { boundary: 2, rows, .. } => {
            let named = |text: &str| rows.iter().any(|row| row.contains(text));
            assert!(named("to be") && named("or not") && named("only served"), "{rows:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(index.boundary(), 1, "what is served stays");
    let after = index.snapshot(Read::AsOf(0)).expect("a snapshot");
    assert_eq!(before.digest(0).expect("read"), after.digest(0).expect("read"));
    drop(rebuilds);
    served.stop().expect("stopped");
}

/// Checkpoints are made by time, while epochs go on, and the next start continues the newest.
#[test]
fn checkpoints_are_made_while_serving() {
    let flow = Definition::new("bank", bank);
    let (system, writer, served) = serving(&flow, ("transfers", transfer(0)));
    let (tell, told) = mpsc::channel();
    let every = Some(Duration::from_millis(5));
    let options = quickly(every);
    let flows = std::slice::from_ref(&flow);
    let rebuilds = system.rebuild_under_readers(&served, flows, options, move |outcome| {
        // Nobody listens at the end.
        let _ = tell.send(outcome);
    });
    let rebuilds = rebuilds.expect("started");
    let mut last = 0;
    for id in 1..10 {
        append(&writer, "transfers", &[transfer(id)]).expect("appended");
        match told.recv_timeout(PATIENCE).expect("a checkpoint") {
            Rebuilt::Swapped { boundary, .. } => {
                assert!(boundary > last, "{boundary} after {last}");
                last = boundary;
            }
            other => panic!("{other:?}"),
        }
    }
    drop(rebuilds);
    let index = served.index("bank").expect("an index");
    assert_eq!(index.boundary(), last);
    served.stop().expect("stopped");
    let again = system.serve(flows, ServeOptions::default().writer(&writer)).expect("served");
    again.wait_beyond("bank", writer.upper() - 1).expect("visible");
    let restored = again.index("bank").expect("an index");
    assert!(restored.boundary() >= last, "restored at {}", restored.boundary());
    let digests = |index: &diptych::serving::Index| {
        let snapshot = index.snapshot(Read::Latest).expect("a snapshot");
        (0..5).map(|view| snapshot.digest(view).expect("read")).collect::<Vec<_>>()
    };
    assert_eq!(digests(&restored), digests(&index));
    again.stop().expect("stopped");
}

/// A caller that asks for a rebuild gets its outcome; without a rebuild thread, a conflict.
#[test]
fn who_asks_for_a_rebuild_is_told() {
    let flow = Definition::new("forgetful", forgetful);
    let (system, _writer, served) = serving(&flow, ("lines", Line { text: "to be".into() }));
    let flows = std::slice::from_ref(&flow);
    let site = Site::of(&system, &served, flows, None).expect("a site");
    let rebuild = || site.control.rebuild("forgetful", false);
    assert!(rebuild().is_err_and(|error| error.is_conflict()), "nobody is there");
    let (tell, told) = mpsc::channel();
    let rebuilds = system.rebuild_under_readers(&served, flows, quickly(None), move |outcome| {
        tell.send(outcome).expect("heard");
    });
    let rebuilds = rebuilds.expect("started");
    match rebuild() {
        Ok(Rebuild::Drift { boundary: 1, rows }) => {
            assert!(rows.iter().any(|row| row.contains("to be")), "{rows:?}");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(told.recv_timeout(PATIENCE), Ok(Rebuilt::Drift { boundary: 1, .. })));
    let again = rebuild().expect_err("there is one at that epoch");
    assert!(again.is_conflict() && again.to_string().contains("no epoch since"), "{again}");
    assert!(matches!(told.recv_timeout(PATIENCE), Ok(Rebuilt::Failed { .. })));
    assert!(site.control.rebuild("bank", false).is_err_and(|error| error.is_missing()));
    drop(rebuilds);
    assert!(rebuild().is_err_and(|error| error.is_conflict()), "nobody is there any more");
    served.stop().expect("stopped");
}

/// The effect of a function on a line: none, a pause, or a panic.
static MOOD: AtomicI64 = AtomicI64::new(CALM);
const CALM: i64 = 0;
const SLOW: i64 = 1;
const CROSS: i64 = 2;

fn moody(df: &mut Dataflow<'_>) {
    let lines = df.events::<Line>("lines").map(|line| {
        match MOOD.load(Ordering::Relaxed) {
            SLOW => thread::sleep(Duration::from_millis(2)),
            mood => assert_ne!(mood, CROSS, "not in the mood"),
        }
        line.text.to_owned()
    });
    df.view("counts", lines.count("counts")).columns(&["line", "n"]);
    df.version("1");
}

/// A rebuild that fails leaves everything as it was, and the next succeeds; one under way when the
/// process ends is given up, and so is a verification.
#[test]
fn what_fails_or_is_given_up_leaves_nothing_behind() {
    let flow = Definition::new("moody", moody);
    let (system, writer, served) = serving(&flow, ("lines", Line { text: "to be".into() }));
    for _ in 0..500 {
        let line = || Line { text: "or not".into() };
        append(&writer, "lines", &[(); 20].map(|()| line())).expect("appended");
    }
    served.wait_beyond("moody", 500).expect("visible");
    let flows = std::slice::from_ref(&flow);
    let site = Site::of(&system, &served, flows, None).expect("a site");
    let rebuild = || site.control.rebuild("moody", false);
    let rebuilds = system.rebuild_under_readers(&served, flows, quickly(None), drop);
    let rebuilds = rebuilds.expect("started");
    let (tell, told) = mpsc::channel();
    let verify = || {
        let tell = tell.clone();
        // Nobody listens at the end.
        let told = move |found: Verification| drop(tell.send(found.outcome.map(|v| v.agrees())));
        system.verify_in_background(&served, Duration::from_millis(1), told)
    };
    let verifications = verify().expect("started");
    assert!(matches!(told.recv_timeout(PATIENCE), Ok(Ok(true))));
    MOOD.store(CROSS, Ordering::Relaxed);
    let error = rebuild().expect_err("it panics");
    assert!(error.is_panic() && error.to_string().contains("not in the mood"), "{error}");
    let panicked = |found| matches!(found, Err(error) if diptych::Error::is_panic(&error));
    while !panicked(told.recv_timeout(PATIENCE).expect("a verification")) {}
    drop(verifications);
    let described = flow.describe().expect("it compiles");
    assert!(system.newest(&described, u64::MAX).expect("read").0.is_none());
    MOOD.store(CALM, Ordering::Relaxed);
    assert!(matches!(rebuild(), Ok(Rebuild::Swapped { boundary: 501, .. })));
    append(&writer, "lines", &[Line { text: "that is".into() }]).expect("appended");
    served.wait_beyond("moody", 501).expect("visible");
    // 10,001 lines take more than 20 seconds from now on.
    MOOD.store(SLOW, Ordering::Relaxed);
    let verifications = verify().expect("started");
    thread::scope(|scope| {
        let asked = scope.spawn(rebuild);
        thread::sleep(Duration::from_millis(300));
        let begun = Instant::now();
        drop((rebuilds, verifications));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        assert!(asked.join().expect("no panic").is_err());
    });
    MOOD.store(CALM, Ordering::Relaxed);
    assert_eq!(served.index("moody").expect("an index").boundary(), 501);
    append(&writer, "lines", &[Line { text: "the question".into() }]).expect("appended");
    served.wait_beyond("moody", 502).expect("it goes on");
    served.stop().expect("stopped");
}

/// The value of a line.
static WORTH: AtomicI64 = AtomicI64::new(5);

fn worth(df: &mut Dataflow<'_>) {
    let lines = df.events::<Line>("lines");
    let lines = lines.map(|line| (line.text.to_owned(), WORTH.load(Ordering::Relaxed)));
    let sums = lines.sum("sums");
    let lines = sums.clone().map(|(_, n)| ((), n));
    df.view("sums", sums).columns(&["line", "n"]);
    df.view(
        "total",
        lines.reduce(|(), rows, out| {
            out.push((rows.iter().map(|(n, times)| **n * *times as i64).sum::<i64>(), 1));
        }),
    )
    .columns(&["total"]);
    df.version("1");
}

/// A batch view that differs serves when it is accepted: all its views at one frontier, later
/// events counted on top of it and not of the former rows, followers of the old answers told to
/// begin again, also after a restart.
#[test]
fn what_is_accepted_serves_and_goes_on_from_there() {
    let flow = Definition::new("worth", worth);
    let line = || Line { text: "to be".into() };
    let (system, writer, served) = serving(&flow, ("lines", line()));
    append(&writer, "lines", &[line()]).expect("appended");
    served.wait_beyond("worth", 1).expect("visible");
    // Recovered, under its old version.
    WORTH.store(1, Ordering::Relaxed);
    let flows = std::slice::from_ref(&flow);
    let site = Site::of(&system, &served, flows, None).expect("a site");
    let rebuilds = system.rebuild_under_readers(&served, flows, quickly(None), drop);
    let rebuilds = rebuilds.expect("started");
    let (stop, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let both = |snapshot: &diptych::serving::Snapshot| {
        let sums = snapshot.rows::<String, i64>("sums").expect("sums");
        let total = snapshot.rows::<(), i64>("total").expect("the total");
        let sum = sums.iter().map(|((_, n), times)| n * *times as i64).sum::<i64>();
        assert_eq!(total.iter().map(|(((), n), _)| *n).sum::<i64>(), sum, "two answers");
        (snapshot.upper(), sum)
    };
    let serving = served.serving("worth").expect("it serves");
    let old = serving.index();
    let old_token = old.changes(0, 2).expect("changes").token();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut seen = 0;
            while !stop.load(Ordering::Relaxed) {
                let (upper, _) = both(&serving.snapshot(Read::Latest).expect("a snapshot"));
                assert!(upper >= seen, "{upper} after {seen}");
                seen = upper;
                reads.fetch_add(1, Ordering::Relaxed);
            }
        });
        let drift = site.control.rebuild("worth", false);
        assert!(matches!(drift, Ok(Rebuild::Drift { boundary: 2, .. })), "{drift:?}");
        assert_eq!(both(&serving.snapshot(Read::Latest).expect("a snapshot")), (2, 10));
        // One that comes between the two is counted, too.
        append(&writer, "lines", &[line()]).expect("appended");
        served.wait_beyond("worth", 2).expect("visible");
        assert_eq!(both(&serving.snapshot(Read::Latest).expect("a snapshot")), (3, 11));
        match site.control.rebuild("worth", true) {
            Ok(Rebuild::Accepted { boundary: 3, frontier: 3, rows }) => {
                assert!(rows.iter().any(|row| row.contains("to be, 11")), "{rows:?}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(both(&serving.snapshot(Read::Latest).expect("a snapshot")), (3, 3));
        append(&writer, "lines", &[line()]).expect("appended");
        served.wait_beyond("worth", 3).expect("it goes on");
        assert_eq!(both(&serving.snapshot(Read::Latest).expect("a snapshot")), (4, 4));
        stop.store(true, Ordering::Relaxed);
    });
    assert!(reads.load(Ordering::Relaxed) > 0 && old.is_retired());
    assert!(old_token.to_string().starts_with("1@2~"), "{old_token}");
    let refuses = |index: &diptych::serving::Index, token| index.resume(0, token).is_err();
    let new = serving.index();
    let new_token = new.changes(0, 4).expect("changes").token();
    assert!(new_token.to_string().starts_with("1~3@4~"), "{new_token}");
    assert!(refuses(&new, &old_token) && !refuses(&new, &new_token));
    drop(rebuilds);
    let made = system.conclude(served).expect("concluded");
    assert!(made.iter().any(|made| made.boundary == 4), "{made:?}");
    let again = system.serve(flows, ServeOptions::default().writer(&writer)).expect("served");
    again.wait_beyond("worth", 3).expect("visible");
    let restored = again.index("worth").expect("an index");
    assert_eq!(both(&restored.snapshot(Read::Latest).expect("a snapshot")), (4, 4));
    assert!(refuses(&restored, &old_token) && !refuses(&restored, &new_token));
    again.stop().expect("stopped");
}

/// A killed process has left a checkpoint that is not far behind, without a request; the next
/// process starts there.
#[test]
fn a_killed_process_leaves_little_to_replay() {
    let disk = SimDisk::new();
    let system = System::with_disk(Arc::new(disk.clone()), "data");
    let writer = system.writer().expect("a writer");
    let flow = Definition::new("bank", bank);
    let flows = std::slice::from_ref(&flow);
    append(&writer, "transfers", &[transfer(0)]).expect("appended");
    let served = system.serve(flows, ServeOptions::default().writer(&writer)).expect("served");
    let checkpoints = Checkpoints::Automatic;
    let options = RebuildOptions { checkpoints, ..quickly(None) };
    let (tell, told) = mpsc::channel();
    let rebuilds = system.rebuild_under_readers(&served, flows, options, move |outcome| {
        // Nobody may listen any more at the end.
        drop(tell.send(outcome));
    });
    let rebuilds = rebuilds.expect("started");
    let described = flow.describe().expect("it compiles");
    let newest = |system: &System| {
        let view = system.newest(&described, u64::MAX).expect("read").0;
        view.map_or(0, |view| view.boundary())
    };
    let mut made = 0;
    for round in 1..=3 {
        let until = round * CHECKPOINT_EPOCHS_BEHIND + 10;
        while writer.upper() < until {
            let ticks: Vec<_> = (0..500).map(|_| Append::default()).collect();
            for tick in ticks {
                writer.append(tick).and_then(Pending::wait).expect("sealed");
            }
        }
        append(&writer, "transfers", &[transfer(round as i64)]).expect("appended");
        match told.recv_timeout(PATIENCE).expect("a checkpoint") {
            Rebuilt::Swapped { boundary, .. } => {
                assert!(boundary >= made + CHECKPOINT_EPOCHS_BEHIND, "{boundary} after {made}");
                made = boundary;
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(newest(&system), made);
    }
    served.wait_beyond("bank", writer.upper() - 1).expect("visible");
    let upper = writer.upper();
    let killed = System::with_disk(Arc::new(disk.kill()), "data");
    let behind = upper - newest(&killed);
    assert!(behind < 2 * CHECKPOINT_EPOCHS_BEHIND, "{behind} epochs to replay");
    let rows = |system: &System, served: &Served| {
        served.wait_beyond("bank", upper - 1).expect("visible");
        let index = served.index("bank").expect("an index");
        assert!(index.boundary() > 0, "{system:?} began at a batch view");
        index.snapshot(Read::AsOf(upper - 1)).expect("the last").digest(0).expect("a digest")
    };
    let expected = rows(&system, &served);
    let again = killed.serve(flows, ServeOptions::default()).expect("served");
    assert_eq!(rows(&killed, &again), expected);
    again.stop().expect("stopped");
    drop(rebuilds);
    served.stop().expect("stopped");
}
