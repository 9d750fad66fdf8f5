//! Dataflows with rows of made-up events, served in this process.

use std::net::SocketAddr;
use std::sync::Arc;

use dataflows::{
    Customer, Line, Order, Transfer, Tweet, bank, orders, tweets, tweets_dedup, word_count,
};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::event::{Date, Decimal, Timestamp};
use diptych::log::Writer;
use diptych::row::ColumnType;
use diptych::servers::{self, Servers, ServersOptions};
use diptych::serving::{IndexOptions, Read};
use diptych::sources::append;
use diptych::system::{BatchOptions, ServeOptions, Served};
use serde_json::{Value, json};

use crate::flows::{Sample, types};

/// The served dataflows.
const FLOWS: [&str; 6] = ["types", "bank", "tweets", "tweets_dedup", "word_count", "orders"];

/// Seconds of 2026-01-01.
const NEW_YEAR: i64 = 1_767_225_600;

/// A served site; its servers end with it.
pub(crate) struct Site {
    url: String,
    writer: Arc<Writer>,
    served: Served,
    _servers: Servers,
    _directory: tempfile::TempDir,
}

/// A table in the form for `DuckDB`.
pub(crate) struct Table {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) columns: Vec<(String, String)>,
    pub(crate) rows: Vec<Vec<Value>>,
}

/// A number that looks random, and is the same in every run.
fn mixed(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 17
}

fn below(seed: u64, bound: u64) -> i64 {
    (mixed(seed) % bound) as i64
}

fn sample(id: u32) -> Sample {
    let seed = u64::from(id) * 16;
    let maybe = |salt: u64| !mixed(seed + salt).is_multiple_of(5);
    let micros = (NEW_YEAR + below(seed + 1, 400_000)) * 1_000_000 + below(seed + 2, 3) * 250_000;
    Sample {
        id,
        tiny: (below(seed + 3, 21) - 10) as i8,
        small: maybe(4).then(|| (below(seed + 5, 2000) - 1000) as i16),
        wide: mixed(seed + 6) << (id % 17),
        flag: maybe(7).then(|| mixed(seed + 8).is_multiple_of(2)),
        ratio: below(seed + 9, 100_000) as f64 / 7.0 - 5_000.0,
        single: below(seed + 10, 1_000) as f32 / 8.0,
        price: Decimal::new(i128::from(below(seed + 11, 50_000) - 10_000)).expect("small"),
        name: maybe(12).then(|| format!("name {}\"{},é", id % 37, id % 3)),
        raw: mixed(seed + 13).to_be_bytes()[8 - (id as usize % 4)..].to_vec(),
        day: Date::from_days((NEW_YEAR / 86_400) as i32 + (id % 9) as i32),
        at: maybe(14).then(|| Timestamp::from_micros(micros)),
    }
}

fn transfer(number: i64) -> Transfer {
    let seed = number as u64 * 4;
    let (from_account, to_account) = (below(seed, 40), below(seed + 1, 50));
    Transfer { id: number, from_account, to_account, amount: below(seed + 2, 1000), ts: number }
}

fn tweet(number: u64) -> Tweet {
    let tags = (0..mixed(number) % 4).map(|tag| format!("#t{}", mixed(number + tag * 7) % 60));
    Tweet {
        publish_date: Timestamp::from_seconds(NEW_YEAR + below(number, 200_000)),
        author_id: format!("author{}", mixed(number) % 50),
        account_category: ["Left", "Right", ""][(number % 3) as usize].to_owned(),
        region: "Europe".to_owned(),
        language: "English".to_owned(),
        followers: number.is_multiple_of(3).then_some(below(number, 10_000)),
        following: None,
        updates: Some(number as i64),
        post_type: String::new(),
        retweet: number.is_multiple_of(4).then_some(1),
        content: tags.collect::<Vec<_>>().join(" "),
    }
}

fn fill(writer: &Writer) {
    for part in 0..12_u32 {
        let samples: Vec<_> = (part * 60..(part + 1) * 60).map(sample).collect();
        append(writer, "samples", &samples).expect("durable");
        let from = i64::from(part) * 50;
        let transfers: Vec<_> = (from..from + 50).map(transfer).collect();
        append(writer, "transfers", &transfers).expect("durable");
        let some: Vec<_> = (from as u64 * 4..(from as u64 + 50) * 4).map(tweet).collect();
        append(writer, "tweets", &some).expect("durable");
        // More words than a block has rows, some of them again and again.
        let line = |n: u64| Line { text: format!("w{} again{}", n, n % 10) };
        let lines: Vec<_> = (from as u64 * 20..(from as u64 + 50) * 20).map(line).collect();
        append(writer, "lines", &lines).expect("durable");
        let order = |n: i64| Order {
            id: n,
            customer: below(n as u64, 30),
            amount: Decimal::new(i128::from(below(n as u64 + 1, 100_000))).expect("small"),
            at: Timestamp::from_seconds(NEW_YEAR + below(n as u64 + 2, 864_000)),
        };
        let some: Vec<_> = (from..from + 50).map(order).collect();
        append(writer, "orders", &some).expect("durable");
        let customer = |n: i64| Customer {
            id: n,
            name: format!("customer {n}"),
            country: ["DE", "FR", "ES"][(n % 3) as usize].to_owned(),
            at: Timestamp::from_seconds(NEW_YEAR + i64::from(part)),
        };
        let some: Vec<_> = (0..25).map(customer).collect();
        append(writer, "customers", &some).expect("durable");
    }
}

impl Site {
    /// Everything is in memory.
    pub(crate) fn start() -> Site {
        Site::with(false)
    }

    /// The earlier rows of all views are in the files of batch views.
    pub(crate) fn over_files() -> Site {
        Site::with(true)
    }

    fn with(views_in_files: bool) -> Site {
        let directory = tempfile::tempdir().expect("a directory");
        let flows = [
            Definition::new("types", types),
            Definition::new("bank", bank),
            Definition::new("tweets", tweets),
            Definition::new("tweets_dedup", tweets_dedup),
            Definition::new("word_count", word_count),
            Definition::new("orders", orders),
        ];
        let system = System::open(directory.path());
        let writer = Arc::new(system.writer().expect("a writer"));
        fill(&writer);
        if views_in_files {
            let options = BatchOptions::default();
            flows.iter().for_each(|flow| drop(system.batch(flow, &options).expect("a batch view")));
        }
        let index = IndexOptions { views_in_files, ..IndexOptions::default() };
        let served = system.serve(&flows, ServeOptions::default().writer(&writer).index(index));
        let served = served.expect("served");
        let site = servers::Site::of(&system, &served, &flows, None).expect("a site");
        let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let options = ServersOptions { listen, ..ServersOptions::default() };
        let servers = Servers::start(site, &options).expect("listening");
        let url = format!("http://{}/v1/sql", servers.http().expect("an address"));
        let site = Site { url, writer, served, _servers: servers, _directory: directory };
        site.visible();
        // Later epochs, whose updates meet the rows of earlier ones.
        site.more_transfers();
        site
    }

    fn visible(&self) {
        for name in FLOWS {
            self.served.wait_beyond(name, self.writer.upper() - 1).expect("visible");
        }
    }

    /// Appends some epochs of transfers, and one line of known words.
    pub(crate) fn more_transfers(&self) {
        for part in 0..3 {
            let transfers: Vec<_> = (0..20).map(|n| transfer(10_000 + part * 20 + n)).collect();
            append(&self.writer, "transfers", &transfers).expect("durable");
        }
        let line = Line { text: "w1 w2 w3 again1".to_owned() };
        append(&self.writer, "lines", &[line]).expect("durable");
        self.visible();
    }

    fn post(&self, body: &str, accept: &str) -> (u16, Vec<u8>) {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let sent = agent.post(&self.url).header("accept", accept).send(body);
        let mut answer = sent.expect("an answer");
        let bytes = answer.body_mut().with_config().limit(1 << 30).read_to_vec();
        (answer.status().as_u16(), bytes.expect("a body"))
    }

    /// The URL for SQL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Runs a statement; returns status and document.
    pub(crate) fn sql(&self, sql: &str) -> (u16, Value) {
        self.ask(&json!({ "sql": sql }))
    }

    pub(crate) fn ask(&self, request: &Value) -> (u16, Value) {
        let (status, bytes) = self.post(&request.to_string(), "application/json");
        (status, serde_json::from_slice(&bytes).expect("JSON"))
    }

    pub(crate) fn bytes(&self, sql: &str, accept: &str) -> Vec<u8> {
        self.post(sql, accept).1
    }

    pub(crate) fn text(&self, sql: &str, accept: &str) -> String {
        String::from_utf8(self.bytes(sql, accept)).expect("text")
    }

    /// All views, read row by row from the index, and all streams, read epoch by epoch.
    pub(crate) fn tables(&self) -> Vec<Table> {
        let mut tables = Vec::new();
        for flow in FLOWS {
            let snapshot = self.served.index(flow).expect("an index").snapshot(Read::Latest);
            let snapshot = snapshot.expect("a snapshot");
            for (number, view) in snapshot.views().iter().enumerate() {
                let kind = |ty: ColumnType| match ty {
                    ColumnType::U8 => "UTINYINT".into(),
                    ColumnType::U16 => "USMALLINT".into(),
                    ColumnType::U32 => "UINTEGER".into(),
                    ColumnType::U64 => "UBIGINT".into(),
                    ColumnType::I8 => "TINYINT".into(),
                    ColumnType::I16 => "SMALLINT".into(),
                    ColumnType::I32 => "INTEGER".into(),
                    ColumnType::I64 => "BIGINT".into(),
                    ColumnType::F32 => "REAL".into(),
                    ColumnType::F64 => "DOUBLE".into(),
                    ColumnType::Bool => "BOOLEAN".into(),
                    ColumnType::String => "VARCHAR".into(),
                    ColumnType::Bytes => "BLOB".into(),
                    ColumnType::Decimal { scale } => format!("DECIMAL(38, {scale})"),
                    ColumnType::Timestamp => "TIMESTAMP".into(),
                    ColumnType::Date => "DATE".into(),
                };
                let mut rows = Vec::new();
                for row in snapshot.scan(number) {
                    let row = row.expect("a row");
                    let values = view.schema.decode(&row.key, &row.value).expect("of the schema");
                    let values: Vec<_> = values.iter().map(plain).collect();
                    let times = usize::try_from(row.multiplicity).unwrap_or(0);
                    rows.extend(std::iter::repeat_n(values, times));
                }
                let columns = view.schema.columns();
                let columns = columns.map(|c| (c.name.clone(), kind(c.ty))).collect();
                let (schema, name) = (flow.to_owned(), view.name.clone());
                tables.push(Table { schema, name, columns, rows });
            }
        }
        tables.push(self.transfers());
        tables
    }

    fn transfers(&self) -> Table {
        let reader = self.served.reader();
        let upper = reader.upper().expect("an upper");
        let mut rows = Vec::new();
        for sealed in reader.epochs(0, upper).expect("epochs") {
            let sealed = sealed.expect("an epoch");
            for chunk in sealed.chunks.iter().filter(|chunk| &*chunk.stream == "transfers") {
                for row in 0..chunk.len() {
                    let cell = |at: usize| {
                        use arrow_array::cast::AsArray;
                        let column = chunk.rows.column(at);
                        json!(column.as_primitive::<arrow_array::types::Int64Type>().value(row))
                    };
                    let mut cells: Vec<_> = (0..5).map(cell).collect();
                    cells.push(json!(sealed.epoch));
                    rows.push(cells);
                }
            }
        }
        let names = ["id", "from_account", "to_account", "amount", "ts"];
        let mut columns: Vec<(String, String)> =
            names.iter().map(|name| ((*name).to_owned(), "BIGINT".to_owned())).collect();
        columns.push(("_epoch".to_owned(), "UBIGINT".to_owned()));
        Table { schema: "streams".to_owned(), name: "transfers".to_owned(), columns, rows }
    }
}

/// Sends a statement and hangs up.
pub(crate) fn give_up(url: &str, sql: &str, after: std::time::Duration) {
    let timeout = ureq::Agent::config_builder().timeout_global(Some(after));
    let sent = timeout.build().new_agent().post(url).send(sql);
    assert!(sent.is_err(), "it was answered");
}

/// A value in the form for `DuckDB`'s reader.
fn plain(value: &diptych::row::Datum) -> Value {
    let json = value.to_json();
    match json {
        Value::String(text) => Value::String(text.trim_end_matches('Z').to_owned()),
        Value::Bool(flag) => Value::String(flag.to_string()),
        other => other,
    }
}
