//! The cost of a restart, and what it saves: `cargo bench --bench restart [-- MILLIONS…]`
//!
//! A process is started on a data directory, opens the log for writing as a server does, and is
//! timed from its start until a client has a first answer over HTTP, from the files of the batch
//! view (and, beside it, were they loaded first), and until readers see the last epoch; its views
//! are then compared, by digest, with those of a process that had no batch view.
//!
//! - **History grows, state does not**: the words of 1, 5 and 10 million lines (or as many millions
//!   as are given; 50 take 3 GB of disk), all of one vocabulary of 50,000. The last 1,000 lines,
//!   in one epoch, are behind the newest batch view; each such epoch adds what it costs live.
//! - **State grows with history**: `tweets_dedup` keeps every id that it has seen.
//!
//! `killed.rs` measures what a kill costs the next start.
//!
//! Files are in the page cache, for both. Prints tables and JSON, and draws `target/restart.svg`.

mod killed;
#[path = "../ratios/lines.rs"]
mod lines;
mod plot;
mod process;

use std::process::ExitCode;

use dataflows::{IdentifiedTweet, Line};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::event::Event;
use diptych::event::Timestamp;
use diptych::log::{Append, Pending, Writer};
use diptych::system::BatchOptions;
use lines::Lines;
use plot::Plot;
use process::{Start, Started, flow, start};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SVG: &str = "target/restart.svg";
/// Events of one append while history is written.
const CHUNK: usize = 50_000;
/// Events of the one epoch behind the batch view.
const TAIL: usize = 1_000;
const RESTARTS: usize = 7;
/// Ids of `tweets_dedup`.
const IDS: [usize; 4] = [50_000, 100_000, 200_000, 400_000];

/// The targets.
const FLAT: f64 = 1.5;
const CHEAPER: f64 = 100.0;

/// A history, with the times of starts on it.
struct Row {
    events: usize,
    keys: u64,
    /// Bytes of the batch view.
    state: u64,
    /// The least of several times, in seconds.
    first_answer: f64,
    /// The same when the batch view is loaded first.
    loaded_answer: f64,
    restart: f64,
    recompute: f64,
    /// Processor time of both.
    cpu: (f64, f64),
}

impl Row {
    fn ratio(&self) -> f64 {
        self.recompute / self.restart
    }

    fn cpu_ratio(&self) -> f64 {
        self.cpu.1 / self.cpu.0
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "events": self.events, "keys": self.keys, "state_bytes": self.state,
            "first_answer_s": self.first_answer, "loaded_answer_s": self.loaded_answer,
            "restart_s": self.restart,
            "recompute_s": self.recompute, "ratio": self.ratio(),
            "restart_cpu_s": self.cpu.0, "recompute_cpu_s": self.cpu.1,
            "cpu_ratio": self.cpu_ratio(),
        })
    }
}

fn main() -> ExitCode {
    if process::work_if_started() || killed::work_if_started() {
        return ExitCode::SUCCESS;
    }
    let mut arguments =
        std::env::args().skip(1).filter(|argument| argument != "--bench").peekable();
    if arguments.next_if(|argument| argument == "kill").is_some() {
        return killed::main(arguments.next().map(|epochs| epochs.parse().expect("a number")));
    }
    let mut sizes: Vec<usize> =
        arguments.map(|size| size.parse().expect("millions of events")).collect();
    if sizes.is_empty() {
        sizes = vec![1, 5, 10];
    }
    sizes.sort_unstable();
    let counts = histories(&sizes);
    let tweets = states();
    let json = |rows: &[Row]| rows.iter().map(Row::json).collect::<Vec<_>>();
    println!(
        "{}",
        serde_json::json!({ "word_count": json(&counts), "tweets_dedup": json(&tweets) })
    );
    draw(&counts, &tweets);
    conclude(&counts)
}

/// Histories with the same keys and ever more events.
fn histories(sizes: &[usize]) -> Vec<Row> {
    println!("word_count: the same words, ever more lines");
    head();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut lines = Lines::new();
    let mut written = 0;
    let mut rows = Vec::new();
    for size in sizes {
        let events = size * 1_000_000;
        let append = |writer: &Writer, count: usize| {
            let texts = lines.by_ref().take(count);
            append(writer, "lines", texts.map(|text| Line { text }))
        };
        grow(&directory, &flow("word_count"), events - written, append);
        written = events;
        let recomputes = if *size > 10 { 1 } else { 3 };
        rows.push(measure("word_count", &directory, events, recomputes));
    }
    rows
}

/// Histories with as many ids as events.
fn states() -> Vec<Row> {
    println!("\ntweets_dedup: each tweet has an id of its own, and ids are kept");
    head();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut tweets = Lines::new().zip(0_i64..).map(tweet);
    let mut written = 0;
    let mut rows = Vec::new();
    for events in IDS {
        let append = |writer: &Writer, count: usize| {
            append(writer, "tweets_with_id", tweets.by_ref().take(count))
        };
        grow(&directory, &flow("tweets_dedup"), events - written, append);
        written = events;
        rows.push(measure("tweets_dedup", &directory, events, 1));
    }
    rows
}

/// A tweet with two of 3,000 tags, of one of a hundred hours.
fn tweet((text, id): (String, i64)) -> IdentifiedTweet {
    let rank = |word: &str| word.trim_start_matches("word").parse::<usize>().unwrap_or(0) % 3_000;
    let tags: Vec<_> = text.split(' ').take(2).map(|word| format!("#tag{}", rank(word))).collect();
    IdentifiedTweet {
        id,
        publish_date: Timestamp::from_seconds(1_767_225_600 + id % 100 * 3600),
        author_id: format!("user{}", id % 1000),
        content: tags.join(" "),
    }
}

/// Appends history, with a batch view before its last epochs.
fn grow(
    directory: &tempfile::TempDir,
    flow: &Definition,
    events: usize,
    mut append: impl FnMut(&Writer, usize) -> Pending,
) {
    let system = System::open(directory.path());
    let writer = system.writer().expect("a writer");
    let mut left = events - TAIL;
    let mut waiting = None::<Pending>;
    while left > 0 {
        let count = left.min(CHUNK);
        // One request is encoded while the previous one is written.
        let pending = append(&writer, count);
        if let Some(pending) = waiting.replace(pending) {
            pending.wait().expect("durable");
        }
        left -= count;
    }
    waiting.map(Pending::wait).transpose().expect("durable");
    writer.seal().expect("sealed");
    let options = BatchOptions { incremental: true, ..BatchOptions::default() };
    system.batch(flow, &options).expect("a batch view");
    append(&writer, TAIL).wait().expect("durable");
    writer.close().expect("closed");
}

fn append<E: Event>(writer: &Writer, stream: &str, events: impl Iterator<Item = E>) -> Pending {
    use diptych::event::EventAppender as _;
    let mut rows = E::Appender::default();
    events.for_each(|event| rows.push(&event));
    writer.append(Append::rows(stream, rows.finish())).expect("accepted")
}

fn head() {
    println!(
        "{:>12} {:>9} {:>11} {:>15} {:>15} {:>11} {:>13} {:>8} {:>10}",
        "events",
        "keys",
        "state MB",
        "first answer s",
        "after loading s",
        "restart s",
        "recompute s",
        "ratio",
        "CPU ratio"
    );
}

fn measure(name: &str, directory: &tempfile::TempDir, events: usize, recomputes: usize) -> Row {
    let path = directory.path();
    let restarts: Vec<_> = (0..RESTARTS).map(|_| start(name, path, Start::Restart)).collect();
    let loaded: Vec<_> = (0..RESTARTS).map(|_| start(name, path, Start::Loaded)).collect();
    let recomputed: Vec<_> = (0..recomputes).map(|_| start(name, path, Start::Recompute)).collect();
    for other in restarts.iter().chain(&loaded).chain(&recomputed) {
        assert_eq!(other.digests, recomputed[0].digests, "restart and recompute differ");
    }
    // The least of all: other load on the machine only adds to it.
    let least = |runs: &[Started], time: fn(&Started) -> f64| {
        runs.iter().map(time).fold(f64::MAX, f64::min)
    };
    let described = flow(name).describe().expect("it compiles");
    let newest = System::open(path).newest(&described, u64::MAX).expect("read").0;
    let row = Row {
        events,
        keys: recomputed[0].keys,
        state: newest.expect("a batch view").bytes(),
        first_answer: least(&restarts, |run| run.first_answer),
        loaded_answer: least(&loaded, |run| run.first_answer),
        restart: least(&restarts, |run| run.served),
        recompute: least(&recomputed, |run| run.served),
        cpu: (least(&restarts, |run| run.cpu), least(&recomputed, |run| run.cpu)),
    };
    println!(
        "{:>12} {:>9} {:>11.1} {:>15.3} {:>15.3} {:>11.3} {:>13.3} {:>8.1} {:>10.1}",
        row.events,
        row.keys,
        row.state as f64 / 1e6,
        row.first_answer,
        row.loaded_answer,
        row.restart,
        row.recompute,
        row.ratio(),
        row.cpu_ratio()
    );
    row
}

fn draw(counts: &[Row], tweets: &[Row]) {
    let line = |name, colour, points| plot::Line { name, colour, points };
    let events = |rows: &[Row], y: fn(&Row) -> f64| {
        rows.iter().map(|row| (row.events as f64 / 1e6, y(row))).collect()
    };
    let state =
        |y: fn(&Row) -> f64| tweets.iter().map(|row| (row.state as f64 / 1e6, y(row))).collect();
    let plots = [
        Plot {
            title: "word_count: 50,000 keys, ever more events",
            x: "millions of events",
            y: "seconds",
            logarithmic: true,
            lines: vec![
                line("recompute", "#c33", events(counts, |row| row.recompute)),
                line("restart", "#36c", events(counts, |row| row.restart)),
            ],
        },
        Plot {
            title: "tweets_dedup: state grows with every id",
            x: "megabytes of state",
            y: "seconds",
            logarithmic: false,
            lines: vec![
                line("recompute", "#c33", state(|row| row.recompute)),
                line("restart", "#36c", state(|row| row.restart)),
            ],
        },
    ];
    std::fs::create_dir_all("target").expect("a directory");
    std::fs::write(SVG, plot::svg(&plots)).expect("a file");
    println!("drawn: {SVG}");
}

/// Says which targets are met; fails when one is missed.
fn conclude(rows: &[Row]) -> ExitCode {
    let times = || rows.iter().map(|row| row.restart);
    let spread = times().fold(0.0, f64::max) / times().fold(f64::MAX, f64::min);
    let mut checks = vec![(format!("restart within {FLAT} times, {spread:.2}"), spread <= FLAT)];
    for row in rows.iter().filter(|row| row.events >= 10_000_000) {
        let (millions, ratio) = (row.events / 1_000_000, row.ratio());
        let what = format!("{millions} M events: {CHEAPER} times cheaper, {ratio:.0}");
        checks.push((what, ratio >= CHEAPER));
    }
    for (what, met) in &checks {
        println!("{what:<50} {}", if *met { "met" } else { "MISSED" });
    }
    if checks.iter().all(|(_, met)| *met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
