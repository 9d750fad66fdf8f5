//! The freshness of reads: `cargo bench --bench freshness [-- PART…]`, the parts being
//! `word_count`, `tweets`, `readers`, `rebuilds` and `neighbours`; all by default.
//!
//! 20,000 events a second are appended to a log on disk in requests of 100, while one dataflow is
//! live on one worker. The benchmark measures, for every request, the time from its append and from
//! its acknowledgement until readers see its events, and prints beside them the time of one
//! fdatasync of as many bytes on the same disk.
//!
//! `readers` runs `word_count` quiet and under full read load over HTTP, in turns, `rebuilds` quiet
//! and beside recomputations of all of history, `neighbours` alone and beside a dataflow that is in
//! one epoch for half a minute; see their files.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, bounded};
use dataflows::{Line, Tweet, tweets, word_count};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::event::Timestamp;
use diptych::event::{Event, EventAppender as _};
use diptych::log::{Append, Pending, Writer};
use diptych::serving::Index;
use diptych::system::ServeOptions;

#[path = "../ratios/lines.rs"]
mod lines;
mod neighbours;
mod readers;
mod rebuilds;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RATE: usize = 20_000;
const REQUEST: usize = 100;
const SECONDS: usize = 10;
const HISTORY: usize = 200_000;
const SYNCS: usize = 200;

fn main() -> ExitCode {
    let filter: Vec<String> = std::env::args().skip(1).filter(|name| name != "--bench").collect();
    let wanted = |name: &str| filter.is_empty() || filter.iter().any(|word| word == name);
    let longest = [SECONDS, readers::SECONDS, rebuilds::SECONDS, neighbours::SECONDS];
    let longest = longest.into_iter().fold(0, usize::max);
    let lines = lines::lines(HISTORY + RATE * longest);
    let mut met = true;
    if wanted("word_count") {
        let rows = |lines: &[String]| batch(lines, |_, text| Line { text: text.to_owned() });
        met &= run(Definition::new("word_count", word_count), "lines", &lines, rows);
    }
    if wanted("tweets") {
        met &=
            run(Definition::new("tweets", tweets), "tweets", &lines, |lines| batch(lines, tweet));
    }
    if wanted("readers") {
        met &= readers::run(&lines);
    }
    if wanted("rebuilds") {
        met &= rebuilds::run(&lines);
    }
    if wanted("neighbours") {
        met &= neighbours::run(&lines);
    }
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A tweet with two of 3,000 tags; one in twenty is one to six hours late.
fn tweet(number: usize, text: &str) -> Tweet {
    let rank = |word: &str| word.trim_start_matches("word").parse::<usize>().unwrap_or(0) % 3_000;
    let tags = text.split(' ').take(2).map(|word| format!("#tag{}", rank(word)));
    let late = if number.is_multiple_of(20) { 1 + number as i64 / 20 % 6 } else { 0 };
    Tweet {
        publish_date: Timestamp::from_seconds(1_767_225_600 - late * 3600),
        author_id: format!("user{}", number % 1000),
        account_category: String::new(),
        region: "Europe".to_owned(),
        language: "English".to_owned(),
        followers: None,
        following: None,
        updates: None,
        post_type: String::new(),
        retweet: None,
        content: tags.collect::<Vec<_>>().join(" "),
    }
}

fn batch<E: Event + Named>(lines: &[String], event: impl Fn(usize, &str) -> E) -> Append {
    let mut rows = E::Appender::default();
    for (number, text) in lines.iter().enumerate() {
        rows.push(&event(number, text));
    }
    Append::rows(E::STREAM, rows.finish())
}

/// The stream of an event type.
trait Named {
    const STREAM: &'static str;
}

impl Named for Line {
    const STREAM: &'static str = "lines";
}

impl Named for Tweet {
    const STREAM: &'static str = "tweets";
}

/// A request: the time of its append, and its acknowledgement to come.
type Sent = (Instant, Pending);
type Durable = (Instant, Instant, u64);

fn run(
    flow: Definition,
    stream: &str,
    lines: &[String],
    request: impl Fn(&[String]) -> Append + Sync,
) -> bool {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (history, live) = lines[..HISTORY + RATE * SECONDS].split_at(HISTORY);
    let first = request(&live[..REQUEST]);
    let bytes = first.batches.iter().map(|(_, rows)| rows.get_array_memory_size()).sum::<usize>();
    let sync = fdatasync(directory.path(), bytes);
    let system = System::open(directory.path());
    let writer = system.writer().expect("a writer");
    for lines in history.chunks(20_000) {
        writer.append(request(lines)).expect("accepted").wait().expect("durable");
    }
    system.batch(&flow, &diptych::system::BatchOptions::default()).expect("a batch view");
    let options = ServeOptions::default().writer(&writer);
    let served = system.serve(std::slice::from_ref(&flow), options).expect("served");
    served.wait_beyond(flow.name(), writer.upper() - 1).expect("restored");
    let index = served.index(flow.name()).expect("an index");

    let (mut append, mut ack) = measure(&writer, &index, live, &request);
    append.sort_unstable();
    ack.sort_unstable();
    served.stop().expect("stopped");
    println!("{stream}: {RATE} events/s for {SECONDS} s, {} requests", append.len());
    report(&append, &ack, &sync)
}

/// Appends the lines at the rate, and gives the times from append and from acknowledgement until
/// readers see each request.
fn measure(
    writer: &Writer,
    index: &Index,
    live: &[String],
    request: &(impl Fn(&[String]) -> Append + Sync),
) -> (Vec<Duration>, Vec<Duration>) {
    let (sender, sent) = bounded::<Sent>(10_000);
    let (acks, durable) = bounded::<Durable>(10_000);
    thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            for (number, lines) in live.chunks(REQUEST).enumerate() {
                let due = Duration::from_secs_f64((number * REQUEST) as f64 / RATE as f64);
                thread::sleep(due.saturating_sub(begun.elapsed()));
                let request = request(lines);
                let now = Instant::now();
                let pending = writer.append(request).expect("accepted");
                sender.send((now, pending)).expect("the observer is there");
            }
            drop(sender);
        });
        scope.spawn(move || {
            for (appended, pending) in sent {
                let epoch = pending.wait().expect("durable").epoch;
                acks.send((appended, Instant::now(), epoch)).expect("the observer is there");
            }
        });
        observe(index, durable)
    })
}

/// Times from append and from acknowledgement until readers see each request.
fn observe(index: &Index, durable: Receiver<Durable>) -> (Vec<Duration>, Vec<Duration>) {
    let (mut append, mut ack) = (Vec::new(), Vec::new());
    for (appended, acked, epoch) in durable {
        while index.wait_beyond(epoch, Duration::from_secs(1)) <= epoch {}
        let visible = Instant::now();
        append.push(visible - appended);
        ack.push(visible.saturating_duration_since(acked));
    }
    (append, ack)
}

/// The sorted times of syncs of `bytes` each, on an otherwise idle disk.
fn fdatasync(directory: &std::path::Path, bytes: usize) -> Vec<Duration> {
    let file = File::create(directory.join("sync")).expect("a file");
    let block = vec![7; bytes];
    let mut times: Vec<_> = (0..SYNCS)
        .map(|number| {
            file.write_all_at(&block, (number * bytes) as u64).expect("written");
            let begun = Instant::now();
            file.sync_data().expect("synced");
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times
}

/// The time in milliseconds that this share of the sorted times does not exceed.
fn ms(times: &[Duration], share: f64) -> f64 {
    let rank = ((times.len() as f64 * share) as usize).min(times.len() - 1);
    times[rank].as_secs_f64() * 1e3
}

fn report(append: &[Duration], ack: &[Duration], sync: &[Duration]) -> bool {
    for (what, times) in
        [("append to visible", append), ("ack to visible", ack), ("fdatasync", sync)]
    {
        println!("  {what:<18} p50 {:>7.2} ms   p99 {:>7.2} ms", ms(times, 0.5), ms(times, 0.99));
    }
    let limit = 2.0 * ms(sync, 0.5) + 3.0;
    let checks = [
        ("ack to visible p50 <= 3 ms", ms(ack, 0.5) <= 3.0),
        ("ack to visible p99 <= 10 ms", ms(ack, 0.99) <= 10.0),
        ("append to visible p50 <= 2 fdatasync + 3 ms", ms(append, 0.5) <= limit),
    ];
    for (what, met) in checks {
        println!("  {what:<44} {}", if met { "met" } else { "MISSED" });
    }
    checks.iter().all(|(_, met)| *met)
}
