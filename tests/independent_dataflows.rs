//! Dataflows of one process start, go live and leave checkpoints independently of one another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use dataflows::{Line, word_count};
use diptych::dataflow::Definition;
use diptych::log::Writer;
use diptych::serving::Read;
use diptych::sources::append;
use diptych::system::{
    BatchOptions, Checkpoints, RebuildOptions, Rebuilds, Rebuilt, ServeOptions, Served,
};
use diptych::{Dataflow, System};

const PATIENCE: Duration = Duration::from_mins(1);

/// Events of the stream `slow` wait here while it is closed.
struct Gate(AtomicBool);

impl Gate {
    fn pass(&self) {
        while self.0.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn set(&self, closed: bool) {
        self.0.store(closed, Ordering::Release);
    }
}

/// Opens the gate when a test ends, however it does.
struct Closed(&'static Gate);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

fn slow(gate: &'static Gate) -> Definition {
    Definition::new("slow", move |df: &mut Dataflow| {
        let lines = df.events::<Line>("slow").map(move |line| {
            gate.pass();
            line.text.to_owned()
        });
        df.view("lines", lines.count("lines"));
    })
}

fn add(writer: &Writer, stream: &str, text: &str) {
    append(writer, stream, &[Line { text: text.to_owned() }]).expect("appended");
}

/// Makes checkpoints as often as it can, and tells of them.
fn keep(system: &System, served: &Served, flows: &[Definition]) -> (Rebuilds, Receiver<Rebuilt>) {
    let options = RebuildOptions {
        checkpoints: Checkpoints::Every(Duration::from_millis(1)),
        look: Duration::from_millis(2),
        ..RebuildOptions::default()
    };
    let (tell, told) = channel();
    let tell = move |outcome| {
        // The test may have seen enough.
        let _ = tell.send(outcome);
    };
    (system.rebuild_under_readers(served, flows, options, tell).expect("started"), told)
}

/// Waits until a checkpoint of `word_count` at or beyond `boundary` is the base of its index.
fn wait_for_checkpoint(told: &Receiver<Rebuilt>, at_least: u64) {
    loop {
        match told.recv_timeout(PATIENCE).expect("a checkpoint while the other dataflow is busy") {
            Rebuilt::Swapped { dataflow, boundary, .. }
                if dataflow == "word_count" && boundary >= at_least =>
            {
                return;
            }
            Rebuilt::Swapped { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

fn count(served: &Served, dataflow: &str, view: &str, key: &str) -> i64 {
    let snapshot = served.serving(dataflow).expect("served").snapshot(Read::Latest).expect("rows");
    let rows = snapshot.lookup::<String, i64>(view, &key.to_owned()).expect("a lookup");
    rows.first().map_or(0, |(count, _)| *count)
}

#[test]
fn a_dataflow_that_feeds_its_history_keeps_no_other_from_its_readers() {
    static GATE: Gate = Gate(AtomicBool::new(true));
    let open_at_end = Closed(&GATE);
    let flows = [slow(&GATE), Definition::new("word_count", word_count)];
    let system = System::in_memory();
    let writer = system.writer().expect("a writer");
    for text in ["to be", "or not"] {
        add(&writer, "slow", "line");
        add(&writer, "lines", text);
    }
    system.batch(&flows[1], &BatchOptions::default()).expect("a batch view");
    add(&writer, "lines", "to be");

    let served = system.serve(&flows, ServeOptions::default().writer(&writer)).expect("served");
    let (rebuilds, told) = keep(&system, &served, &flows);
    served.wait_beyond("word_count", 4).expect("restored");
    assert_eq!(count(&served, "word_count", "counts", "be"), 2);
    for n in 0..20 {
        add(&writer, "lines", "be");
        served.wait_beyond("word_count", 5 + n).expect("live");
    }
    assert_eq!(count(&served, "word_count", "counts", "be"), 22);
    wait_for_checkpoint(&told, 20);
    assert_eq!(served.index("slow").expect("served").frontier(), 0, "it has fed its history");

    drop(open_at_end);
    served.wait_beyond("slow", 24).expect("it has history, too");
    assert_eq!(count(&served, "slow", "lines", "line"), 2);
    drop(rebuilds);
    served.stop().expect("stopped");
}

#[test]
fn a_checkpoint_that_takes_long_holds_up_no_other() {
    static GATE: Gate = Gate(AtomicBool::new(false));
    let flows = [slow(&GATE), Definition::new("word_count", word_count)];
    let system = System::in_memory();
    let writer = system.writer().expect("a writer");
    add(&writer, "slow", "line");
    let served = system.serve(&flows, ServeOptions::default().writer(&writer)).expect("served");
    for flow in &flows {
        served.wait_beyond(flow.name(), 0).expect("live");
    }
    add(&writer, "slow", "line");
    served.wait_beyond("slow", 1).expect("live");
    GATE.set(true);
    let open_at_end = Closed(&GATE);
    // The batch run that shall leave a checkpoint of `slow` stands at the gate from now on.
    let (rebuilds, told) = keep(&system, &served, &flows);
    for n in 0..20 {
        add(&writer, "lines", "be");
        served.wait_beyond("word_count", 2 + n).expect("live");
    }
    wait_for_checkpoint(&told, 20);

    drop(open_at_end);
    drop(rebuilds);
    served.wait_beyond("slow", 21).expect("live again");
    assert_eq!(count(&served, "slow", "lines", "line"), 2);
    served.stop().expect("stopped");
}

/// What is asked of one dataflow is answered while another one's is being made.
#[test]
fn rebuilds_that_are_asked_for_do_not_wait_for_one_another() {
    static GATE: Gate = Gate(AtomicBool::new(false));
    let flows = [slow(&GATE), Definition::new("word_count", word_count)];
    let system = System::in_memory();
    let writer = system.writer().expect("a writer");
    add(&writer, "slow", "line");
    add(&writer, "lines", "to be");
    let served = system.serve(&flows, ServeOptions::default().writer(&writer)).expect("served");
    for flow in &flows {
        served.wait_beyond(flow.name(), 1).expect("live");
    }
    add(&writer, "lines", "or not");
    served.wait_beyond("word_count", 2).expect("live");
    let look = Duration::from_millis(2);
    let options = RebuildOptions { look, ..RebuildOptions::default() };
    let rebuilds = system.rebuild_under_readers(&served, &flows, options, |_| {}).expect("started");
    let control = &system.control(&served, &flows, None).expect("a port").control;
    GATE.set(true);
    thread::scope(|scope| {
        let open_at_end = Closed(&GATE);
        let one = scope.spawn(|| control.rebuild("slow", false));
        control.rebuild("word_count", false).expect("while the other stands at the gate");
        assert!(!one.is_finished());
        let error = control.rebuild("nothing", false).expect_err("it is not served");
        assert!(error.to_string().contains("nothing"), "{error}");
        drop(open_at_end);
        one.join().expect("no panic").expect("rebuilt");
    });
    drop(rebuilds);
    served.stop().expect("stopped");
}
