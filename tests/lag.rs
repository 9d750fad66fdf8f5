//! A dataflow that is slow in an epoch delays only its own readers: appends are answered, other
//! dataflows are fresh, a stop ends, and in the end the slow one is exact.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use dataflows::Line;
use diptych::dataflow::Definition;
use diptych::limits::{EPOCHS_IN_FLIGHT_MAX, EPOCHS_QUEUED_MAX, FOLLOWER_EPOCHS_MAX};
use diptych::log::Writer;
use diptych::serving::Read;
use diptych::sources::append;
use diptych::system::{Cluster, ServeOptions, Served};
use diptych::{Dataflow, System};

const PATIENCE: Duration = Duration::from_mins(2);

/// More epochs than can wait for a dataflow anywhere in memory.
const EPOCHS: u64 = (FOLLOWER_EPOCHS_MAX + EPOCHS_QUEUED_MAX + EPOCHS_IN_FLIGHT_MAX + 400) as u64;

/// A gate that blocks threads while it is closed.
#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    changed: Condvar,
    /// Whether a thread was blocked.
    held: AtomicBool,
}

impl Gate {
    fn closed() -> Arc<Gate> {
        Arc::new(Gate { closed: Mutex::new(true), ..Gate::default() })
    }

    fn pass(&self) {
        let closed = self.closed.lock().expect("no panic");
        self.held.fetch_or(*closed, Ordering::SeqCst);
        drop(self.changed.wait_while(closed, |closed| *closed).expect("no panic"));
    }

    fn open(&self) {
        *self.closed.lock().expect("no panic") = false;
        self.changed.notify_all();
    }

    fn wait_held(&self) {
        while !self.held.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Opens the gate however a test ends: threads wait there.
struct Opened(Arc<Gate>);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// The place where the slow dataflow is slow.
#[derive(Clone, Copy, Debug)]
enum Slow {
    Front,
    Behind,
}

/// Counts words; does not get past `gate` while that is closed.
fn slow(gate: &Arc<Gate>, place: Slow) -> Definition {
    let gate = Arc::clone(gate);
    Definition::new("slow", move |df: &mut Dataflow<'_>| {
        let (front, behind) = (Arc::clone(&gate), Arc::clone(&gate));
        let lines = df.events::<Line>("lines").map(move |line| {
            if matches!(place, Slow::Front) {
                front.pass();
            }
            line.text.to_owned()
        });
        let counts = lines.count("counts").map(move |row| {
            if matches!(place, Slow::Behind) {
                behind.pass();
            }
            row
        });
        df.view("counts", counts);
    })
}

fn fast() -> Definition {
    Definition::new("fast", |df: &mut Dataflow<'_>| {
        let lines = df.events::<Line>("lines").map(|line| line.text.to_owned());
        df.view("counts", lines.count("counts"));
    })
}

fn line(number: u64) -> [Line; 2] {
    let text = |n: u64| Line { text: format!("line {}", n % 97) };
    [text(number), text(number * 7)]
}

/// Runs `run`, which must not take longer than a generous time.
fn within<T>(what: &'static str, run: impl FnOnce() -> T) -> T {
    let (over, watched) = mpsc::channel::<()>();
    thread::spawn(move || {
        if watched.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{what} does not end");
            std::process::abort();
        }
    });
    let outcome = run();
    drop(over);
    outcome
}

/// Checks that the rows of `dataflow` equal those computed from the events.
fn is_exact(system: &System, served: &Served, definition: &Definition, upper: u64) {
    served.wait_beyond(definition.name(), upper - 1).expect("it gets there");
    let index = served.index(definition.name()).expect("served");
    let shown = index.snapshot(Read::AsOf(upper - 1)).expect("there").digest(0).expect("fresh");
    let again = system.recompute(definition, upper, Cluster::local(1), true).expect("recomputed");
    let again = again.snapshot(Read::AsOf(upper - 1)).expect("there").digest(0).expect("fresh");
    assert_eq!(shown, again, "{}", definition.name());
}

fn append_all(writer: &Writer, epochs: std::ops::Range<u64>) {
    for number in epochs {
        append(writer, "lines", &line(number)).expect("answered");
    }
}

fn beside_a_slow_one(workers: usize, place: Slow) {
    let system = System::in_memory();
    let writer = system.writer().expect("a writer");
    let gate = Gate::closed();
    let _opened = Opened(Arc::clone(&gate));
    let flows = [slow(&gate, place), fast()];
    let options = ServeOptions::default().writer(&writer).cluster(Cluster::local(workers));
    let served = system.serve(&flows, options).expect("served");
    within("an append", || append_all(&writer, 0..1));
    gate.wait_held();
    within("appends", || append_all(&writer, 1..EPOCHS));
    within("the fast one", || served.wait_beyond("fast", EPOCHS - 1).expect("visible"));
    assert_eq!(served.index("slow").expect("served").frontier(), 0, "{place:?} is in its epoch");
    gate.open();
    for flow in &flows {
        within("both", || is_exact(&system, &served, flow, EPOCHS));
    }
    // It is back at the writer's side.
    within("one more", || append_all(&writer, EPOCHS..EPOCHS + 1));
    within("one more", || is_exact(&system, &served, &flows[0], EPOCHS + 1));
    served.stop().expect("stopped");
}

/// With one worker and with several, slow in the front and behind the accumulation.
#[test]
fn appends_and_the_fast_one_wait_for_no_slow_dataflow() {
    for (workers, place) in [(1, Slow::Front), (3, Slow::Front), (1, Slow::Behind)] {
        beside_a_slow_one(workers, place);
    }
}

/// A stop in the middle of an epoch ends; the other dataflow leaves its checkpoint, and after a
/// restart the slow one is exact.
#[test]
fn a_stop_does_not_wait_for_a_slow_dataflow() {
    let system = System::in_memory();
    let writer = system.writer().expect("a writer");
    let gate = Gate::closed();
    let _opened = Opened(Arc::clone(&gate));
    let flows = [slow(&gate, Slow::Front), fast()];
    let options = ServeOptions::default().writer(&writer).cluster(Cluster::local(2));
    let served = system.serve(&flows, options.clone()).expect("served");
    within("appends", || append_all(&writer, 0..EPOCHS));
    within("the fast one", || served.wait_beyond("fast", EPOCHS - 1).expect("visible"));
    gate.wait_held();
    let left = within("the stop", || system.conclude(served)).expect("concluded");
    let left: Vec<_> = left.iter().map(|one| (one.dataflow.as_str(), one.boundary)).collect();
    assert_eq!(left, [("fast", EPOCHS)]);
    gate.open();
    let served = system.serve(&flows, options).expect("served");
    within("more appends", || append_all(&writer, EPOCHS..EPOCHS + 10));
    for flow in &flows {
        within("both", || is_exact(&system, &served, flow, EPOCHS + 10));
    }
    let left = system.conclude(served).expect("concluded");
    assert_eq!(left.len(), 2, "{left:?}");
}
