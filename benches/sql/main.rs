//! Full-view aggregates by SQL against `DuckDB` on the same rows.
//! `cargo bench --bench sql --features sql [-- ROWS]`
//!
//! A server answers over HTTP from a view of a million rows; `DuckDB` has the same rows in a table
//! in memory and answers in its process, with one thread and with two. Then a hundred epochs of a
//! thousand updates each are applied, and all statements run again. The median of eleven answers
//! counts; the first answer of Diptych, which decodes columns, is printed beside it.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use diptych::dataflow::Definition;
use diptych::event::{Event, EventAppender as _};
use diptych::log::{Append, Writer};
use diptych::servers::{Servers, ServersOptions, Site};
use diptych::system::{ServeOptions, Served};
use diptych::{Dataflow, System};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: u64 = 1_000_000;
const SITES: u64 = 1_000;
const REPEATS: usize = 11;
const EPOCHS: u64 = 100;
const UPDATES: u64 = 1_000;
/// The greatest ratio that meets the target.
const RATIO_MAX: f64 = 3.0;

const QUESTIONS: &[(&str, &str)] = &[
    ("count and sum", "SELECT count(*), sum(n) FROM v"),
    ("group by text", "SELECT site, count(*), sum(n) FROM v GROUP BY site"),
    ("group by number", "SELECT id % 100, min(n), max(n), avg(n) FROM v GROUP BY 1"),
    ("filter", "SELECT count(*), sum(n) FROM v WHERE n > 500 AND site < 'site0500'"),
    ("top", "SELECT site, sum(n) AS s FROM v GROUP BY site ORDER BY s DESC, site LIMIT 10"),
];

/// An event: a count at a place.
#[derive(Event, Clone, Debug, PartialEq)]
struct Reading {
    id: u64,
    site: String,
    n: i64,
}

fn flow(df: &mut Dataflow) {
    let sums = df.events::<Reading>("readings").map(|r| ((r.id, r.site.to_owned()), r.n));
    df.view("v", sums.sum("v")).columns(&["id", "site", "n"]);
}

fn append(writer: &Writer, ids: impl Iterator<Item = u64>) {
    let mut rows = <Reading as Event>::Appender::default();
    for id in ids {
        let n = (id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) as i64 % 1_000;
        rows.push(&Reading { id, site: format!("site{:04}", id % SITES), n });
    }
    let append = Append::rows("readings", rows.finish());
    writer.append(append).expect("accepted").wait().expect("durable");
}

fn main() -> ExitCode {
    let rows = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(ROWS);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let flows = [Definition::new("flow", flow)];
    let system = System::open(directory.path());
    let writer = system.writer().expect("a writer");
    for start in (0..rows).step_by(50_000) {
        append(&writer, start..(start + 50_000).min(rows));
    }
    system.batch(&flows[0], &diptych::system::BatchOptions::default()).expect("a batch view");
    let served = system.serve(&flows, ServeOptions::default().writer(&writer)).expect("served");
    visible(&served, &writer);
    let site = Site::of(&system, &served, &flows, None).expect("a site");
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let options = ServersOptions { listen, ..ServersOptions::default() };
    let servers = Servers::start(site, &options).expect("listening");
    let url = format!("http://{}/v1/sql", servers.http().expect("an address"));
    println!("{rows} rows, from a batch view:");
    let mut met = compare(&url);
    for epoch in 0..EPOCHS {
        append(&writer, (0..UPDATES).map(|at| (at * 997 + epoch * 31) % rows));
    }
    visible(&served, &writer);
    println!("{rows} rows, {EPOCHS} epochs of {UPDATES} updates later:");
    met &= compare(&url);
    servers.stop();
    served.stop().expect("stopped");
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn visible(served: &Served, writer: &Writer) {
    served.wait_beyond("flow", writer.upper() - 1).expect("visible");
}

/// Measures both systems, and says whether all ratios meet the target.
fn compare(url: &str) -> bool {
    let mut own = Vec::new();
    for (_, question) in QUESTIONS {
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..=REPEATS {
            let begun = Instant::now();
            ask(url, question, "application/json");
            times.push(begun.elapsed());
        }
        let first = times.remove(0);
        own.push((first, median(times)));
    }
    let Some(duckdb) = duckdb(&ask(url, "SELECT * FROM v", "text/csv")) else {
        println!("  skipped: no Python with duckdb");
        return true;
    };
    let mut met = true;
    for (at, (name, _)) in QUESTIONS.iter().enumerate() {
        let (first, own) = own[at];
        let (one, two) = (duckdb[at], duckdb[QUESTIONS.len() + at]);
        let ratio = own.as_secs_f64() * 1e3 / two;
        met &= ratio <= RATIO_MAX;
        println!(
            "  {name:16} {:7.2} ms (first {:.0} ms); DuckDB {one:.2} ms with 1 thread, {two:.2} ms \
             with 2: ratio {:.2} and {ratio:.2}",
            own.as_secs_f64() * 1e3,
            first.as_secs_f64() * 1e3,
            own.as_secs_f64() * 1e3 / one,
        );
    }
    met
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ask(url: &str, question: &str, accept: &str) -> String {
    let mut answer =
        ureq::post(url).header("accept", accept).send(question).expect("an answer to SQL");
    answer.body_mut().with_config().limit(u64::MAX).read_to_string().expect("a body")
}

/// `DuckDB`'s median milliseconds: all statements with one thread, then with two.
fn duckdb(csv: &str) -> Option<Vec<f64>> {
    let script = format!(
        "import sys, time, tempfile, statistics\n\
         try:\n    import duckdb\nexcept ImportError:\n    sys.exit(3)\n\
         f = tempfile.NamedTemporaryFile('w', suffix='.csv')\n\
         f.write(sys.stdin.read()); f.flush()\n\
         c = duckdb.connect()\n\
         c.execute(f\"CREATE TABLE v AS SELECT id::UBIGINT AS id, site, n::BIGINT AS n FROM \
         read_csv('{{f.name}}', header=true)\")\n\
         for threads in (1, 2):\n\
         \x20   c.execute(f'SET threads = {{threads}}')\n\
         \x20   for q in {:?}:\n\
         \x20       times = []\n\
         \x20       for _ in range({}):\n\
         \x20           t = time.perf_counter(); c.execute(q).fetchall()\n\
         \x20           times.append((time.perf_counter() - t) * 1e3)\n\
         \x20       print(statistics.median(times[1:]))\n",
        QUESTIONS.iter().map(|(_, question)| *question).collect::<Vec<_>>(),
        REPEATS + 1,
    );
    let mut python = Command::new("python3")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    python.stdin.take()?.write_all(csv.as_bytes()).ok()?;
    let output = python.wait_with_output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().map(|line| line.parse().ok()).collect()
}
