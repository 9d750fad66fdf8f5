//! The effect of a slow dataflow on its neighbours: 20,000 events a second into `word_count`, which
//! takes about a millisecond for each epoch: alone, and beside a dataflow that is in one epoch for
//! half a minute. The two take turns.
//!
//! The slow dataflow waits, as for a device, in one part, and computes in the other, which takes a
//! core of the machine all that time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use dataflows::{Line, word_count};
use diptych::dataflow::Definition;
use diptych::system::ServeOptions;
use diptych::{Dataflow, System};

use crate::{HISTORY, RATE, REQUEST, batch, measure, ms};

/// The number of turns of each.
const TURNS: usize = 2;
/// Seconds of each turn; all append the same lines.
pub(crate) const SECONDS: usize = 20;
/// How long the slow dataflow is in its epoch: beyond the end of a turn.
const EPOCH: Duration = Duration::from_secs(30);
/// The text of the slow event.
const SLOW: &str = "take your time";
/// The number of slow events met.
static MET: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Copy)]
enum Beside {
    Nobody,
    Waiting,
    Computing,
}

fn waiting(df: &mut Dataflow) {
    slow(df, || thread::sleep(EPOCH));
}

fn computing(df: &mut Dataflow) {
    slow(df, || {
        let begun = Instant::now();
        while begun.elapsed() < EPOCH {
            std::hint::spin_loop();
        }
    });
}

fn slow(df: &mut Dataflow, work: fn()) {
    let lines = df.events::<Line>("lines").map(move |line| {
        if line.text == SLOW {
            MET.fetch_add(1, Relaxed);
            work();
        }
        line.text.len() as u64
    });
    df.view("lengths", lines.count("lengths")).columns(&["length", "n"]);
}

/// Measures, and says whether the worker's p99 rose by at most a fifth beside a dataflow that
/// waits.
pub(crate) fn run(lines: &[String]) -> bool {
    let beside = [Beside::Nobody, Beside::Waiting, Beside::Computing];
    let mut times: [(Vec<Duration>, Vec<Duration>); 3] = Default::default();
    for _ in 0..TURNS {
        for (beside, times) in beside.into_iter().zip(&mut times) {
            let (append, ack) = turn(lines, beside);
            times.0.extend(append);
            times.1.extend(ack);
        }
    }
    let names = ["alone", "beside one that waits", "beside one that computes"];
    let (mut p99, mut durable) = ([0.0; 3], [0.0; 3]);
    for (number, (append, ack)) in times.iter_mut().enumerate() {
        // From an append to its acknowledgement: the difference of the two times.
        let mut synced: Vec<Duration> = Vec::with_capacity(append.len());
        synced.extend(append.iter().zip(ack.iter()).map(|(all, ack)| all.saturating_sub(*ack)));
        for times in [&mut *append, &mut *ack, &mut synced] {
            times.sort_unstable();
        }
        (p99[number], durable[number]) = (ms(append, 0.99), ms(&synced, 0.99));
        println!(
            "  {:<24} append to ack p50 {:>6.2} ms p99 {:>6.2} ms; to visible p50 {:>6.2} ms \
             p99 {:>6.2} ms, of {}",
            names[number],
            ms(&synced, 0.5),
            durable[number],
            ms(append, 0.5),
            p99[number],
            append.len()
        );
    }
    let mut met = true;
    for number in 1..3 {
        let ratios = [durable[number] / durable[0], p99[number] / p99[0]];
        // A dataflow that computes takes a core, whichever process it is in: there is no target.
        let verdict = match (number, ratios.iter().all(|ratio| *ratio <= 1.2)) {
            (1, true) => "<= 1.2: met",
            (1, false) => {
                met = false;
                "<= 1.2: MISSED"
            }
            _ => "no target: it has one core less",
        };
        println!(
            "  {} / alone: p99 of ack {:.2}, of visible {:.2} ({verdict})",
            names[number], ratios[0], ratios[1]
        );
    }
    met
}

/// Runs one system from its first event to its stop; gives the times from append and from
/// acknowledgement to visible, request by request.
fn turn(lines: &[String], beside: Beside) -> (Vec<Duration>, Vec<Duration>) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (history, live) = lines.split_at(HISTORY);
    let live = &live[..RATE * SECONDS];
    let request = |lines: &[String]| batch(lines, |_, text| Line { text: text.to_owned() });
    let mut flows = vec![Definition::new("word_count", word_count)];
    match beside {
        Beside::Nobody => {}
        Beside::Waiting => flows.push(Definition::new("slow", waiting)),
        Beside::Computing => flows.push(Definition::new("slow", computing)),
    }
    let system = System::open(directory.path());
    let writer = system.writer().expect("a writer");
    for lines in history.chunks(20_000) {
        writer.append(request(lines)).expect("accepted").wait().expect("durable");
    }
    let served = system.serve(&flows, ServeOptions::default().writer(&writer)).expect("served");
    for flow in &flows {
        served.wait_beyond(flow.name(), writer.upper() - 1).expect("restored");
    }
    let index = served.index("word_count").expect("an index");
    let before = MET.load(Relaxed);
    let begun = Instant::now();
    let epoch = writer.append(request(&[SLOW.to_owned()])).expect("accepted").wait();
    let epoch = epoch.expect("durable").epoch;
    if !matches!(beside, Beside::Nobody) {
        while MET.load(Relaxed) == before {
            thread::sleep(Duration::from_millis(1));
        }
    }
    let times = measure(&writer, &index, live, &request);
    assert_eq!(times.0.len(), live.len() / REQUEST);
    if !matches!(beside, Beside::Nobody) {
        let slow = served.index("slow").expect("an index");
        let seen = slow.wait_beyond(epoch, Duration::ZERO);
        assert!(seen <= epoch, "it was to be in its epoch all the time: {seen}, {epoch}");
        // The next turn needs the machine for itself.
        let rest = EPOCH + Duration::from_secs(1);
        thread::sleep(rest.saturating_sub(begun.elapsed()));
    }
    served.stop().expect("stopped");
    times
}
