//! Point reads over the Postgres protocol against PostgreSQL itself: the same million rows, the
//! same pgbench, prepared, over TCP on this machine, in turns.
//!
//! `cargo bench --features sql --bench pg_point_reads [-- SECONDS ROUNDS]`
//!
//! Skipped where PostgreSQL's programs are not found (in `PG_BIN`, `/usr/lib/postgresql/*/bin` or
//! the path).

mod diptych;
mod postgres;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Rows of the view and of the table.
const ROWS: u32 = 1_000_000;

/// A server that pgbench can ask.
trait Server {
    fn port(&self) -> u16;
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<u32>().ok());
    let seconds = numbers.next().unwrap_or(8);
    let rounds = numbers.next().unwrap_or(5);
    let Some(bin) = programs() else {
        println!("skipped: no PostgreSQL programs (set PG_BIN to the folder of initdb)");
        return;
    };
    let place = tempfile::tempdir().expect("a temporary directory");
    println!("loading {ROWS} rows into both");
    let postgres = postgres::Postgres::start(&bin, place.path());
    let diptych = diptych::Diptych::start(place.path());
    let script = place.path().join("read.sql");
    let text = format!(
        "\\set id random(0, {})\nSELECT account, credits FROM bank.credits WHERE account = :id;\n",
        ROWS - 1
    );
    std::fs::write(&script, text).expect("a script");
    println!("{seconds} s a run, {rounds} runs each, in turns; reads per second, median");
    println!("{:>8} {:>12} {:>12} {:>7}", "clients", "PostgreSQL", "Diptych", "ratio");
    for clients in [1, 4, 16] {
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            theirs.push(pgbench(&bin, &postgres, &script, clients, seconds));
            ours.push(pgbench(&bin, &diptych, &script, clients, seconds));
        }
        let (theirs, ours) = (median(theirs), median(ours));
        println!("{clients:>8} {theirs:>12.0} {ours:>12.0} {:>7.2}", ours / theirs);
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The folder of PostgreSQL's programs.
fn programs() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PG_BIN").map(PathBuf::from).into_iter().collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    let all = ["initdb", "postgres", "pgbench", "psql"];
    folders.into_iter().find(|folder| all.iter().all(|name| folder.join(name).exists()))
}

/// Reads per second.
fn pgbench(bin: &Path, server: &dyn Server, script: &Path, clients: u32, seconds: u32) -> f64 {
    let output = Command::new(bin.join("pgbench"))
        .args(["-n", "-M", "prepared", "-h", "127.0.0.1", "-U", "postgres", "-d", "postgres"])
        .args(["-p", &server.port().to_string(), "-T", &seconds.to_string()])
        .args(["-c", &clients.to_string(), "-j", &clients.min(2).to_string()])
        .arg("-f")
        .arg(script)
        .stdin(Stdio::null())
        .output()
        .expect("pgbench runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find_map(|line| line.strip_prefix("tps = "));
    let figure = line.and_then(|line| line.split(' ').next()).and_then(|word| word.parse().ok());
    figure.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
