//! The live part of `demo`: a generator appends, two observers measure freshness, a screen reads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};

use super::screen::Screen;
use super::timed_disk::TimedDisk;
use super::{STREAM, signal};
use crate::args::DemoArgs;
use crate::made_up_events::EventSource;
use diptych_base::error::{Error, Result};
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;
use diptych_dataflow::Definition;
use diptych_event::Timestamp;
use diptych_log::{Append, Pending, Writer};
use diptych_serving::Index;
use diptych_system::{ServeOptions, Served, System};

/// How often the generator appends the events that are due; requests that meet share an epoch and a
/// sync.
const PACE: Duration = Duration::from_millis(2);
/// Events of one request at most, when the generator is behind.
const REQUEST_MAX: u64 = 20_000;
/// How often failures, signals and the deadline are checked.
const LOOK: Duration = Duration::from_millis(20);
/// Capacity of the queue between generator and observer.
const QUEUE: usize = 1_000;

/// A request that is not acknowledged yet.
struct Sent {
    events: u64,
    appended: Instant,
    pending: Pending,
}

/// A request that is durable.
struct Durable {
    events: u64,
    appended: Instant,
    acked: Instant,
    epoch: Epoch,
}

/// The freshness of one request.
#[derive(Clone, Copy)]
pub(super) struct FreshnessSample {
    pub(super) visible: Instant,
    pub(super) events: u64,
    /// The time from the append until readers see its events.
    pub(super) append_to_visible: Duration,
    /// The time from the acknowledgement until readers see its events.
    pub(super) ack_to_visible: Duration,
}

/// The state that the threads share.
pub(super) struct Stage {
    stop: AtomicBool,
    now_us: AtomicI64,
    samples: Mutex<Vec<FreshnessSample>>,
    failure: Mutex<Option<Error>>,
}

impl Stage {
    /// The time of the newest event.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now_us.load(Ordering::Relaxed))
    }

    /// All samples from number `from` on.
    pub(super) fn samples(&self, from: usize) -> Vec<FreshnessSample> {
        let samples = lock(&self.samples);
        samples.get(from..).unwrap_or_default().to_vec()
    }

    fn fail(&self, error: Error) {
        lock(&self.failure).get_or_insert(error);
        self.stop.store(true, Ordering::Release);
    }

    fn has_failed(&self) -> bool {
        lock(&self.failure).is_some()
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// Restores the dataflow, runs it on the generated events, and returns the index when all of them
/// are visible.
pub(super) fn run(
    system: &System,
    writer: &Writer,
    flow: &Definition,
    source: Box<dyn EventSource>,
    args: &DemoArgs,
    disk: &TimedDisk,
) -> Result<Index> {
    let begun = Instant::now();
    let options = ServeOptions::default().cluster(args.workers.cluster()).writer(writer);
    let served = system.serve(std::slice::from_ref(flow), options)?;
    let index = served.index(flow.name())?;
    if let Some(last) = writer.upper().checked_sub(1) {
        served.wait_beyond(flow.name(), last)?;
    }
    let boundary = index.boundary();
    eprintln!(
        "speed: restored at F = {boundary} after {:.2} s, continuing live",
        begun.elapsed().as_secs_f64()
    );
    let stage = Stage {
        stop: AtomicBool::new(false),
        now_us: AtomicI64::new(source.now().micros()),
        samples: Mutex::default(),
        failure: Mutex::default(),
    };
    let mut screen = Screen::new(&index)?;
    thread::scope(|scope| {
        let (sender, sent) = bounded(QUEUE);
        let (acks, durable) = bounded(QUEUE);
        scope.spawn(|| generate(writer, source, args.rate, &stage, sender));
        scope.spawn(|| await_acks(&stage, sent, acks));
        let observer = scope.spawn(|| await_visible(&stage, &index, durable));
        let begun = Instant::now();
        let over = || stage.stopped() || signal::stopped() || begun.elapsed() >= args.time;
        let mut drawn = begun;
        // The observer ends last: when all appended events are visible, or a part has failed.
        while !observer.is_finished() {
            thread::sleep(LOOK);
            if over() {
                stage.stop.store(true, Ordering::Release);
            }
            let mut outcome = check(&served, flow.name());
            if !stage.stopped() && drawn.elapsed() >= screen.pause() {
                drawn = Instant::now();
                outcome = outcome.and_then(|()| screen.draw(&index, &stage, disk));
            }
            if let Err(error) = outcome {
                stage.fail(error);
            }
        }
    });
    if let Some(error) = lock(&stage.failure).take() {
        return Err(error);
    }
    if let Some(last) = writer.upper().checked_sub(1) {
        served.wait_beyond(flow.name(), last)?;
    }
    screen.finish(&index, &stage, disk)?;
    served.stop()?;
    Ok(index)
}

/// An error when the dataflow, or the reading of the log, has failed.
fn check(served: &Served, flow: &str) -> Result<()> {
    served.check()?;
    served.failure(flow).map_or(Ok(()), Err)
}

/// Appends the events that are due, every few milliseconds.
fn generate(
    writer: &Writer,
    mut source: Box<dyn EventSource>,
    rate: u64,
    stage: &Stage,
    sender: Sender<Sent>,
) {
    let begun = Instant::now();
    let mut sent = 0;
    while !stage.stopped() {
        let due = (begun.elapsed().as_secs_f64() * rate as f64) as u64;
        let events = (due - sent).min(REQUEST_MAX);
        if events > 0 {
            let request = Append::rows(STREAM, source.rows(events));
            let appended = Instant::now();
            match writer.append(request) {
                // The observers end early only after a failure, which is reported already.
                Ok(pending) => drop(sender.send(Sent { events, appended, pending })),
                Err(error) => return stage.fail(error),
            }
            sent += events;
            stage.now_us.store(source.now().micros(), Ordering::Relaxed);
        }
        thread::sleep(PACE);
    }
}

fn await_acks(stage: &Stage, sent: Receiver<Sent>, acks: Sender<Durable>) {
    for Sent { events, appended, pending } in sent {
        match pending.wait() {
            Ok(ack) => {
                let acked = Instant::now();
                let epoch = ack.epoch;
                // As in `generate`.
                let _ = acks.send(Durable { events, appended, acked, epoch });
            }
            Err(error) => return stage.fail(error),
        }
    }
}

fn await_visible(stage: &Stage, index: &Index, durable: Receiver<Durable>) {
    for Durable { events, appended, acked, epoch } in durable {
        while index.wait_beyond(epoch, Duration::from_millis(100)) <= epoch {
            if stage.has_failed() {
                return;
            }
        }
        let visible = Instant::now();
        let sample = FreshnessSample {
            visible,
            events,
            append_to_visible: visible - appended,
            ack_to_visible: visible.saturating_duration_since(acked),
        };
        lock(&stage.samples).push(sample);
    }
}
