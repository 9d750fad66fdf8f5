//! The effect of readers on the worker: 20,000 events a second, quiet and under full read load.
//!
//! The worker, the log and the clients that append run on one core; the HTTP server and its
//! clients (`wrk`, point reads of random words, keep-alive) on the other, which they fill. The
//! phases take turns, so that a noisy moment meets both.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use dataflows::{Line, word_count};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::servers::{Servers, ServersOptions, Site};
use diptych::system::{BatchOptions, ServeOptions};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::{HISTORY, RATE, batch, measure, ms};

const TURNS: usize = 6;
const TURN_SECONDS: usize = 5;
/// Seconds that all turns take.
pub(crate) const SECONDS: usize = 2 * TURNS * TURN_SECONDS;
const CLIENTS: &str = "16";

/// Binds this thread, and the threads that it starts from now on, to one core.
fn on_core(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    if let Err(error) = sched_setaffinity(None, &cores) {
        println!("  (not pinned to core {core}: {error})");
    }
}

/// Measures, and says whether the worker's p99 rose by at most a fifth.
pub(crate) fn run(lines: &[String]) -> bool {
    if Command::new("wrk").arg("-v").output().is_err() {
        println!("readers: skipped, wrk is not installed");
        return true;
    }
    on_core(0);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (history, live) = lines.split_at(HISTORY);
    let request = |lines: &[String]| batch(lines, |_, text| Line { text: text.to_owned() });
    let flows = [Definition::new("word_count", word_count)];
    let system = System::open(directory.path());
    let writer = Arc::new(system.writer().expect("a writer"));
    for lines in history.chunks(20_000) {
        writer.append(request(lines)).expect("accepted").wait().expect("durable");
    }
    system.batch(&flows[0], &BatchOptions::default()).expect("a batch view");
    let options = ServeOptions::default().writer(&writer);
    let served = system.serve(&flows, options).expect("served");
    served.wait_beyond("word_count", writer.upper() - 1).expect("restored");
    let index = served.index("word_count").expect("an index");
    let site = Site::of(&system, &served, &flows, None).expect("a site");
    on_core(1);
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let options = ServersOptions { listen, ..ServersOptions::default() };
    let servers = Servers::start(site, &options).expect("listening");
    let address = servers.http().expect("an address");
    on_core(0);
    let script = directory.path().join("reads.lua");
    std::fs::write(&script, LUA).expect("a script");

    let (mut quiet, mut loaded) = (Vec::new(), Vec::new());
    for (turn, lines) in live.chunks(RATE * TURN_SECONDS).take(2 * TURNS).enumerate() {
        let clients = (turn % 2 == 1).then(|| start(address, &script));
        let (_, ack) = measure(&writer, &index, lines, &request);
        if let Some(clients) = clients {
            let output = clients.wait_with_output().expect("wrk ends");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let wanted = ["50%", "99%", "Requests/sec", "Non-2xx"];
            let shown = text.lines().filter(|line| wanted.iter().any(|word| line.contains(word)));
            println!("  reads: {}", shown.map(str::trim).collect::<Vec<_>>().join(", "));
            loaded.extend(ack);
        } else {
            quiet.extend(ack);
        }
    }
    servers.stop();
    served.stop().expect("stopped");
    quiet.sort_unstable();
    loaded.sort_unstable();
    conclude(&quiet, &loaded)
}

fn start(address: SocketAddr, script: &std::path::Path) -> Child {
    let seconds = format!("{TURN_SECONDS}s");
    let url = format!("http://{address}");
    Command::new("taskset")
        .args(["-c", "1", "wrk", "-t1", "-c", CLIENTS, "-d", &seconds, "--latency", "-s"])
        .arg(script)
        .arg(url)
        .stdout(Stdio::piped())
        .spawn()
        .expect("wrk starts")
}

fn conclude(quiet: &[Duration], loaded: &[Duration]) -> bool {
    for (what, times) in [("quiet", quiet), ("under load", loaded)] {
        let (p50, p99, count) = (ms(times, 0.5), ms(times, 0.99), times.len());
        println!("  {what:<11} ack to visible p50 {p50:>6.2} ms   p99 {p99:>6.2} ms   of {count}");
    }
    let ratio = ms(loaded, 0.99) / ms(quiet, 0.99);
    let met = ratio <= 1.2;
    println!(
        "  p99 under load / quiet {ratio:.2} (<= 1.2: {})",
        if met { "met" } else { "MISSED" }
    );
    met
}

/// The wrk script: point reads of random words that occur in the histories.
const LUA: &str = r#"
request = function()
    local word = math.random(0, 2000)
    return wrk.format("GET", "/v1/dataflows/word_count/views/counts?key=word" .. word)
end
"#;
