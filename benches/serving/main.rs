//! Point reads over HTTP: a view of a million keys, against nginx with a static file of the same
//! size, and against Redis over its own protocol. `cargo bench --bench serving [-- SECONDS]`
//!
//! One client process runs on the first core and one server on the second, for all three alike,
//! with the same number of connections, kept alive, one request at a time on each. nginx and this
//! server get the very same requests from the same wrk with the same script (nginx ignores the
//! key). Rounds alternate, and the median counts. The benchmark also prints the server's processor
//! time per request, which a noisy neighbour changes less.

mod load;
mod rivals;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use diptych::dataflow::Definition;
use diptych::event::{Event, EventAppender as _};
use diptych::log::Append;
use diptych::system::BatchOptions;
use diptych::{Dataflow, System};

use load::{Figures, Running, has, median, pinned, wrk};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub(crate) const KEYS: u64 = 1_000_000;
pub(crate) const CONNECTIONS: u32 = 32;
const ROUNDS: usize = 5;
/// The address of the view, and of nginx's file.
pub(crate) const PATH: &str = "/v1/dataflows/keys/views/keys";

/// A key with its value.
#[derive(Event, Clone, Debug, PartialEq)]
struct Pair {
    key: u64,
    value: i64,
}

fn keys(df: &mut Dataflow) {
    let sums = df.events::<Pair>("pairs").map(|pair| (pair.key, pair.value)).sum("keys");
    df.view("keys", sums).columns(&["key", "value"]);
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|word| word == "serve") {
        return diptych::main([("keys", keys)]);
    }
    let seconds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(4);
    if !has("wrk") || !has("taskset") {
        println!("skipped: wrk or taskset is not installed");
        return ExitCode::SUCCESS;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    fill(&directory.path().join("D"));
    let (server, url) = serve(&directory.path().join("D"));
    let script = load::script(directory.path());
    let answer = ureq::get(format!("{url}{PATH}?key=777777")).call().expect("an answer");
    let answer = answer.into_body().read_to_string().expect("a body");
    println!("{KEYS} keys, {CONNECTIONS} connections, answers of {} bytes", answer.len());
    let nginx = rivals::nginx(directory.path(), &answer);
    let redis = rivals::redis(directory.path());
    let (mut own, mut file, mut store) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(wrk(&server, &url, &script, seconds));
        file.extend(nginx.as_ref().map(|(running, url)| wrk(running, url, &script, seconds)));
        store.extend(redis.as_ref().map(|(running, port)| rivals::ask(running, *port, seconds)));
    }
    let own = tell("diptych over HTTP", own, None);
    let met = own.zip(tell("nginx, a static file", file, own)).map(|(own, file)| {
        own.per_second >= file.per_second || own.micros_each <= file.micros_each
    });
    tell("Redis, its own protocol", store, own);
    if met == Some(false) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Prints the median of the rounds, and its ratio to `own`.
fn tell(name: &str, rounds: Vec<Figures>, own: Option<Figures>) -> Option<Figures> {
    if rounds.is_empty() {
        println!("{name}: skipped, not installed");
        return None;
    }
    let of = |part: fn(&Figures) -> f64| median(rounds.iter().map(part).collect());
    let figures = Figures {
        per_second: of(|f| f.per_second),
        micros_each: of(|f| f.micros_each),
        p99_ms: of(|f| f.p99_ms),
    };
    print!(
        "{name:24} {:8.0} requests/s, {:5.1} us of the server's core each, p99 {:.2} ms",
        figures.per_second, figures.micros_each, figures.p99_ms
    );
    if let Some(own) = own {
        print!(
            "; diptych answers {:.2} times as many, at {:.2} times the processor time",
            own.per_second / figures.per_second,
            own.micros_each / figures.micros_each
        );
    }
    println!();
    Some(figures)
}

/// Makes a log of a million keys, and its batch view.
fn fill(data: &Path) {
    let system = System::open(data);
    let writer = system.writer().expect("a writer");
    for start in (0..KEYS).step_by(50_000) {
        let mut rows = <Pair as Event>::Appender::default();
        for key in start..(start + 50_000).min(KEYS) {
            rows.push(&Pair { key, value: (key.wrapping_mul(0x9E37_79B9) % 1_000_000) as i64 });
        }
        let append = Append::rows("pairs", rows.finish());
        writer.append(append).expect("accepted").wait().expect("durable");
    }
    writer.close().expect("closed");
    let definition = Definition::new("keys", keys);
    system.batch(&definition, &BatchOptions::default()).expect("a batch view");
}

/// Starts this program as a server, on the second core.
fn serve(data: &Path) -> (Running, String) {
    let mut command = pinned(1, &std::env::current_exe().expect("this program"));
    command.args(["serve", "keys", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the server starts");
    let lines = BufReader::new(child.stderr.take().expect("its messages"));
    let mut lines = lines.lines().map_while(Result::ok);
    let url = lines
        .find_map(|line| Some(line.split_once("HTTP at ")?.1.trim_end_matches('/').to_owned()))
        .expect("the server's address");
    std::thread::spawn(move || lines.for_each(drop));
    while !ureq::get(format!("{url}/readyz")).call().is_ok_and(|ready| ready.status() == 200) {
        std::thread::sleep(Duration::from_millis(20));
    }
    (Running(child), url)
}

/// The command, without output.
pub(crate) fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
