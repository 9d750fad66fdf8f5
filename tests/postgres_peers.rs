//! A real PostgreSQL beside our Postgres port, with the same rows: the same statements have to give
//! the same values, types, names of columns, SQLSTATEs and command tags.
//!
//! The statements are built from templates over every type of column (`templates`), drawn at
//! random (`conditions`), and written down as clients send them (`written.sql`). They run over a
//! view, over the raw stream and at an earlier epoch, in the simple and the extended protocol, in
//! text and binary. A difference that is meant is in `meant.txt`, which is also the book's table;
//! one that is not mended yet is in `open.txt`. Any other one that is silent fails the test.
//!
//! Without a PostgreSQL the test is skipped with a printed reason. Each change runs a share of the
//! statements; `DIPTYCH_LONGTEST=1` runs all. `DIPTYCH_PEERS_REPORT=FILE` writes the differences
//! down, the most frequent class first; `RENEW_PEERS=1` adds the new ones to `open.txt`.

#[path = "postgres_peers/compare.rs"]
mod compare;
#[path = "postgres_peers/conditions.rs"]
mod conditions;
#[path = "postgres_peers/facts.rs"]
mod facts;
#[path = "postgres_peers/ours.rs"]
mod ours;
#[path = "postgres_peers/real.rs"]
mod real;
#[path = "postgres_peers/report.rs"]
mod report;
#[path = "postgres_peers/templates.rs"]
mod templates;
#[path = "postgres_peers/wire.rs"]
mod wire;

use std::time::{Duration, Instant};

use compare::{Difference, compare};
use conditions::Random;
use ours::Ours;
use real::PostgreSql;
use report::Report;
use wire::{Peer, Protocol};

/// A statement, with `{t}` in the place of its table.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// What it is about, such as `op + int2 int8`.
    pub(crate) class: String,
    pub(crate) sql: String,
}

/// One connection to each server, at the same state of the data.
struct Pair {
    place: &'static str,
    ours: Peer,
    real: Peer,
}

/// How long a statement may take before it is named.
const SLOW: Duration = Duration::from_secs(5);

impl Pair {
    /// Runs one statement on both servers in one way, and reports how the answers differ.
    fn run(&mut self, statement: &Statement, sql: &str, protocol: Protocol) -> Vec<Difference> {
        let begun = Instant::now();
        let of_ours = self.ours.ask(sql, protocol);
        if begun.elapsed() > SLOW {
            println!("{:?}: {sql}", begun.elapsed());
        }
        let of_real = self.real.ask(sql, protocol);
        compare(statement, sql, self.place, protocol, &of_ours, &of_real)
    }
}

/// Whether all statements run.
fn is_long() -> bool {
    std::env::var_os("DIPTYCH_LONGTEST").is_some()
}

/// Whether a statement is in the share of each change: one in eight, always the same ones.
fn is_chosen(sql: &str) -> bool {
    let hash = sql.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    is_long() || (hash >> 32).is_multiple_of(8)
}

fn pairs(ours: &Ours, real: &PostgreSql) -> Vec<(&'static str, Pair)> {
    let pair = |place: &'static str, database: &str, as_of: Option<u64>| {
        let mut of_ours = Peer::connect(ours.address, "diptych");
        if let Some(epoch) = as_of {
            of_ours.must(&format!("SET diptych.as_of = '{epoch}'"));
        }
        let mut of_real = Peer::connect(real.address, database);
        of_ours.must("SET statement_timeout = '20s'");
        of_real.must("SET statement_timeout = '20s'");
        Pair { place, ours: of_ours, real: of_real }
    };
    vec![
        ("peers.by_id", pair("view", "later", None)),
        ("streams.facts", pair("stream", "later", None)),
        ("peers.by_id", pair("view as_of", "earlier", Some(ours.earlier))),
        ("streams.facts", pair("stream as_of", "earlier", Some(ours.earlier))),
    ]
}

/// Creates two databases with their tables: the rows of the earlier epoch, and all rows.
fn fill(real: &PostgreSql) {
    let mut peer = Peer::connect(real.address, "postgres");
    for database in ["earlier", "later"] {
        peer.must(&format!("CREATE DATABASE {database}"));
        let mut own = Peer::connect(real.address, database);
        for statement in facts::tables(database == "later") {
            own.must(&statement);
        }
        // A statement that writes is refused on both sides, and leaves the rows for the others.
        own.must(&format!("ALTER DATABASE {database} SET default_transaction_read_only = on"));
    }
}

#[test]
fn answers_are_those_of_postgresql() {
    let Some(real) = PostgreSql::start() else { return };
    let ours = Ours::start();
    fill(&real);
    let mut pairs = pairs(&ours, &real);
    let mut report = Report::read();
    let all = templates::all();
    for (at, statement) in all.iter().enumerate().filter(|(_, one)| is_chosen(&one.sql)) {
        for (number, (table, pair)) in pairs.iter_mut().enumerate() {
            // Each statement runs in every place and every way; a share of them takes turns.
            if !is_long() && number != at % 4 {
                continue;
            }
            let sql = statement.sql.replace("{t}", table);
            let ways = [Protocol::Simple, Protocol::ExtendedText, Protocol::ExtendedBinary];
            for (way, protocol) in ways.into_iter().enumerate() {
                if is_long() && number > 0 && way != (at + number) % 3 {
                    continue;
                }
                report.ran();
                report.add(pair.run(statement, &sql, protocol));
            }
        }
    }
    written(&ours, &real, &mut report);
    println!("{} statements, {} answers compared", all.len(), report.answers());
    report.end("statements");
}

/// Runs the statements that clients send, each on a connection of its own.
fn written(ours: &Ours, real: &PostgreSql, report: &mut Report) {
    for (at, line) in include_str!("postgres_peers/written.sql").lines().enumerate() {
        let sql = line.trim();
        if sql.is_empty() || sql.starts_with("--") || !is_chosen(sql) {
            continue;
        }
        let statement = Statement { class: format!("written {}", at + 1), sql: sql.to_owned() };
        for table in ["peers.by_id", "streams.facts"] {
            let sql = sql.replace("{t}", table);
            let mut pair = Pair {
                place: "session",
                ours: Peer::connect(ours.address, "diptych"),
                real: Peer::connect(real.address, "later"),
            };
            report.ran();
            report.add(pair.run(&statement, &sql, Protocol::Simple));
            if !sql.contains(';') {
                for protocol in [Protocol::ExtendedText, Protocol::ExtendedBinary] {
                    report.add(pair.run(&statement, &sql, protocol));
                }
            }
            if !statement.sql.contains("{t}") {
                break;
            }
        }
    }
}

#[test]
fn random_conditions_and_aggregates_are_those_of_postgresql() {
    let Some(real) = PostgreSql::start() else { return };
    let ours = Ours::start();
    fill(&real);
    let mut pairs = pairs(&ours, &real);
    let mut report = Report::read();
    let mut random = Random::new(0x5EED);
    let wanted = if is_long() { 20_000 } else { 1_200 };
    let mut drawn = 0;
    let mut at = 0;
    while drawn < wanted {
        let batch = conditions::batch(&mut random);
        let (table, pair) = &mut pairs[at % 4];
        at += 1;
        drawn += batch.parts.len();
        let statement = Statement { class: batch.class.to_owned(), sql: batch.sql(table) };
        let protocol =
            if at.is_multiple_of(2) { Protocol::Simple } else { Protocol::ExtendedBinary };
        let found = pair.run(&statement, &statement.sql, protocol);
        if found.is_empty() && !pair.real.last_failed() {
            batch.parts.iter().for_each(|_| report.ran());
            continue;
        }
        // One of them fails, or differs: each by itself says which.
        for part in &batch.parts {
            let sql = batch.one(part, table);
            let statement = Statement { class: batch.class.to_owned(), sql: sql.clone() };
            report.ran();
            report.add(pair.run(&statement, &sql, protocol));
        }
    }
    println!("{drawn} random conditions and aggregates, {} answers compared", report.answers());
    report.end("random");
}
