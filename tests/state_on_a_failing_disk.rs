//! Promise 24, on a disk that fails: a checkpoint for memory's sake that cannot be written is
//! reported, readers go on with the same answers, and the next one succeeds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scale;

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use dataflows::{Line, word_count};
use diptych::System;
use diptych::batch_view::{BatchView, Identity};
use diptych::dataflow::Definition;
use diptych::io::{Disk, Fault, SimDisk};
use diptych::log::Writer;
use diptych::serving::{Index, IndexOptions, Read};
use diptych::sources::append;
use diptych::system::{BatchOptions, Cluster, RebuildOptions, Rebuilt, ServeOptions, Served};

use scale::is_long;

const FLOW: &str = "word_count";
const PATIENCE: Duration = Duration::from_mins(1);
const BUDGET: Option<u64> = Some(64 << 10);

/// The number of occurrences of each word.
type Counts = BTreeMap<String, i64>;

/// A system whose state stays in files, and what it should answer.
struct Case {
    disk: SimDisk,
    system: System,
    writer: Writer,
    flow: Definition,
    counts: Counts,
}

impl Case {
    fn new() -> Case {
        let disk = SimDisk::new();
        let system = System::with_disk(Arc::new(disk.clone()), "data");
        let writer = system.writer().unwrap();
        let flow = Definition::new(FLOW, word_count);
        let mut case = Case { disk, system, writer, flow, counts: Counts::new() };
        case.append(0..1_000);
        case
    }

    /// Appends an epoch with these words.
    fn append(&mut self, words: std::ops::Range<u32>) {
        let words: Vec<_> = words.map(|word| format!("word{word}")).collect();
        let lines: Vec<_> = words.chunks(20).map(|some| Line { text: some.join(" ") }).collect();
        append(&self.writer, "lines", &lines).unwrap();
        for word in words {
            *self.counts.entry(word).or_default() += 1;
        }
    }

    fn serve(&self) -> Served {
        let index = IndexOptions { views_in_files: true, ..IndexOptions::default() };
        let options = ServeOptions::default().writer(&self.writer).cluster(Cluster::local(2));
        let options = options.index(index).memory(BUDGET);
        self.system.serve(std::slice::from_ref(&self.flow), options).unwrap()
    }

    /// Changes more than the budget holds, and waits until readers see it.
    fn change(&mut self, served: &Served) {
        self.append(500..2_500);
        self.append(900..1_100);
        served.wait_beyond(FLOW, self.writer.upper() - 1).unwrap();
    }

    /// Has checkpoints made, and gives the first outcome.
    fn first_outcome(&self, served: &Served) -> Rebuilt {
        let (tell, told) = mpsc::channel();
        let look = Duration::from_millis(1);
        let options = RebuildOptions { look, memory: BUDGET, ..RebuildOptions::default() };
        let flows = std::slice::from_ref(&self.flow);
        let rebuilds = self.system.rebuild_under_readers(served, flows, options, move |outcome| {
            // Only the first one is heard.
            let _ = tell.send(outcome);
        });
        let outcome = told.recv_timeout(PATIENCE).unwrap();
        drop(rebuilds.unwrap());
        outcome
    }

    fn check(&self, index: &Index, what: &str) {
        let rows = index.snapshot(Read::Latest).unwrap().rows::<String, i64>("counts").unwrap();
        let expected: Vec<_> =
            self.counts.iter().map(|(word, count)| ((word.clone(), *count), 1)).collect();
        assert_eq!(rows, expected, "{what}");
    }

    /// Checks that the newest batch view has the contents of one that is written whole.
    fn check_files(&self, what: &str) {
        let identity = Identity::new(FLOW, self.flow.describe().unwrap().version);
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let upper = self.writer.upper();
        let found = BatchView::open(disk, self.system.root(), &identity, upper).unwrap();
        found.verify().unwrap_or_else(|error| panic!("{what}: {error}"));
        let other = SimDisk::new();
        let elsewhere = System::with_disk(Arc::new(other.clone()), "data");
        let writer = elsewhere.writer().unwrap();
        let all = self
            .counts
            .iter()
            .map(|(word, count)| Line { text: vec![word.as_str(); *count as usize].join(" ") });
        append(&writer, "lines", &all.collect::<Vec<_>>()).unwrap();
        let report = elsewhere.batch(&self.flow, &BatchOptions::default()).unwrap();
        let disk: Arc<dyn Disk> = Arc::new(other);
        let whole = BatchView::open(disk, elsewhere.root(), &identity, report.boundary).unwrap();
        assert_eq!(found.digest(), whole.digest(), "{what}");
    }
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_told_and_readers_go_on() {
    for fault in [Fault::Broken, Fault::Full] {
        let mut met = 0;
        let every = if is_long() { 1 } else { 9 };
        for call in (0..).step_by(every) {
            let what = format!("{fault:?} at call {call}");
            let mut case = Case::new();
            let served = case.serve();
            case.change(&served);
            let index = served.index(FLOW).unwrap();
            let at = case.disk.calls() + call;
            case.disk.fail_at(at, fault);
            let outcome = case.first_outcome(&served);
            let reached = case.disk.calls() > at;
            match outcome {
                Rebuilt::Failed { error, .. } => {
                    // A rename that fails may have been done, so space alone is no remedy.
                    let is_full = fault == Fault::Full && error.is_full();
                    assert!(is_full || error.is_io(), "{what}: {error}");
                    met += 1;
                    case.check(&index, &what);
                    case.change(&served);
                    case.check(&index, &what);
                    match case.first_outcome(&served) {
                        Rebuilt::Swapped { .. } => {}
                        other => panic!("{what}: {other:?}"),
                    }
                }
                // Where what is no longer needed cannot be removed, the next one removes it.
                Rebuilt::Swapped { .. } => {}
                other => panic!("{what}: {other:?}"),
            }
            case.check(&index, &what);
            case.system.conclude(served).unwrap();
            case.check_files(&what);
            if !reached {
                break;
            }
        }
        assert!(met > 3, "{fault:?}: {met} checkpoints failed");
    }
}

/// The whole disk is full for some time: appends are refused, too, and all goes on afterwards.
#[test]
fn a_full_disk_stops_nothing_but_growth() {
    let mut case = Case::new();
    let served = case.serve();
    let index = served.index(FLOW).unwrap();
    for room in [0, 300, 5_000, 20_000] {
        let what = format!("room for {room} bytes");
        case.change(&served);
        case.disk.set_capacity(Some(case.disk.used() + room));
        let Rebuilt::Failed { error, .. } = case.first_outcome(&served) else {
            panic!("{what}: it fits")
        };
        assert!(error.is_full(), "{what}: {error}");
        case.check(&index, &what);
        case.disk.set_capacity(Some(case.disk.used()));
        let refused = append(&case.writer, "lines", &[Line { text: "refused".into() }]);
        assert!(refused.is_err_and(|error| error.is_full()), "{what}");
        case.check(&index, &what);
        case.disk.set_capacity(None);
        case.append(0..50);
        served.wait_beyond(FLOW, case.writer.upper() - 1).unwrap();
        assert!(matches!(case.first_outcome(&served), Rebuilt::Swapped { .. }), "{what}");
        case.check(&index, &what);
    }
    case.system.conclude(served).unwrap();
    case.check_files("at the end");
}
