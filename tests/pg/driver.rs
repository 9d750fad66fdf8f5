//! The answers that tokio-postgres gets.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, pin_mut};
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, Row, SimpleQueryMessage};

use crate::served::{SAMPLES, Site, connect};

/// A value in its raw bytes.
#[derive(Debug, PartialEq, Clone)]
struct Raw(Option<Vec<u8>>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Raw, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(Some(raw.to_vec())))
    }
    fn from_sql_null(_: &Type) -> Result<Raw, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(None))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

fn raw(row: &Row) -> Vec<Raw> {
    (0..row.len()).map(|at| row.get(at)).collect()
}

/// The rows of a statement in the simple protocol.
async fn texts(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.simple_query(sql).await.expect(sql);
    let row = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
        }
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

fn state(error: &tokio_postgres::Error) -> &str {
    error.code().unwrap_or_else(|| panic!("no SQLSTATE: {error:?}")).code()
}

/// The first and only number of an answer.
async fn number(client: &Client, sql: &str) -> i64 {
    texts(client, sql).await[0][0].as_ref().expect("a number").parse().expect("a number")
}

#[tokio::test]
async fn a_point_read_and_the_planner_give_the_same_bytes() {
    let site = Site::start();
    let client = site.client().await;
    let point = client.prepare("SELECT * FROM types.samples WHERE key = $1").await.expect("point");
    let planned = "SELECT * FROM types.samples WHERE key = $1 AND key >= 0";
    let planned = client.prepare(planned).await.expect("planned");
    let columns = |columns: &[tokio_postgres::Column]| {
        columns.iter().map(|c| (c.name().to_owned(), c.type_().oid())).collect::<Vec<_>>()
    };
    assert_eq!(columns(point.columns()), columns(planned.columns()));
    assert_eq!(point.params(), [Type::INT8]);
    for id in (0..i64::from(SAMPLES)).chain([-1, 1 << 40]) {
        let of_point = client.query(&point, &[&id]).await.expect("an answer");
        assert_eq!(of_point.len(), usize::from((0..i64::from(SAMPLES)).contains(&id)));
        if id % 7 == 0 || id < 10 {
            let of_planner = client.query(&planned, &[&id]).await.expect("an answer");
            let rows = |rows: &[Row]| rows.iter().map(raw).collect::<Vec<_>>();
            assert_eq!(rows(&of_point), rows(&of_planner), "id {id}");
            let sql = format!("SELECT * FROM types.samples WHERE key = {id}");
            let of_point = texts(&client, &sql).await;
            let of_planner = texts(&client, &format!("{sql} AND key >= 0")).await;
            assert_eq!(of_point, of_planner, "id {id}");
        }
    }
}

#[tokio::test]
async fn keys_of_every_type_are_found() {
    let site = Site::start();
    let client = site.client().await;
    for (view, keys) in [
        ("by_name", &["name"][..]),
        ("by_day", &["day", "id"]),
        ("by_price", &["price", "flag"]),
        ("by_at", &["at"]),
        ("by_raw", &["raw", "small"]),
        ("often", &["tiny"]),
    ] {
        let rows = texts(&client, &format!("SELECT * FROM types.{view}")).await;
        assert!(!rows.is_empty(), "{view}");
        let some: Vec<_> = rows.iter().step_by(7).collect();
        for row in some.into_iter().filter(|row| row[..keys.len()].iter().all(Option::is_some)) {
            for given in 1..=keys.len() {
                let (mut conditions, mut values) = (Vec::new(), Vec::new());
                for (at, (key, value)) in keys[..given].iter().zip(row).enumerate() {
                    conditions.push(format!("{key} = ${}", at + 1));
                    values.push(value.as_deref().expect("a value"));
                }
                let conditions = conditions.join(" AND ");
                let sql = format!("SELECT * FROM types.{view} WHERE {conditions}");
                let expected = rows.iter().filter(|other| other[..given] == row[..given]).count();
                let found = text_parameters(&client, &sql, &values).await;
                assert_eq!(found, expected, "{sql} {values:?}");
            }
        }
    }
}

/// The number of rows of a statement whose parameters the client writes into it as text, as drivers
/// without binary formats do.
async fn text_parameters(client: &Client, sql: &str, values: &[&str]) -> usize {
    let statement = client.prepare(sql).await.expect(sql);
    let values: Vec<Text> = values.iter().map(|value| Text((*value).to_owned())).collect();
    let rows = client.query_raw(&statement, values).await.expect(sql);
    rows.try_collect::<Vec<_>>().await.expect(sql).len()
}

/// A parameter that is sent as text, whatever its type.
#[derive(Debug)]
struct Text(String);

impl tokio_postgres::types::ToSql for Text {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(tokio_postgres::types::IsNull::No)
    }
    fn accepts(_: &Type) -> bool {
        true
    }
    fn encode_format(&self, _: &Type) -> tokio_postgres::types::Format {
        tokio_postgres::types::Format::Text
    }
    tokio_postgres::types::to_sql_checked!();
}

#[tokio::test]
async fn values_arrive_as_their_types() {
    let site = Site::start();
    let client = site.client().await;
    let sql = "SELECT tiny, small, flag, ratio, single, name, raw, wide FROM types.samples \
               WHERE key = $1";
    let row = client.query_one(sql, &[&7i64]).await.expect("a row");
    assert_eq!(row.get::<_, i16>(0), -3);
    assert_eq!(row.get::<_, Option<i16>>(1), Some(259 - 1000));
    assert_eq!(row.get::<_, Option<bool>>(2), Some(false));
    assert!(row.get::<_, f64>(3).is_nan());
    assert_eq!(row.get::<_, f32>(4).to_bits(), (7.0f32 / 8.0).exp2().to_bits());
    assert_eq!(row.get::<_, Option<String>>(5), None);
    assert_eq!(row.get::<_, Vec<u8>>(6), [0, 0, 7]);
    assert_eq!(row.columns()[7].type_(), &Type::NUMERIC);
    let row = client.query_one("SELECT at FROM types.samples WHERE key = $1", &[&2i64]).await;
    let at: std::time::SystemTime = row.expect("a row").get(0);
    let micros = 2 * 86_400_123_456u64;
    let expected = std::time::UNIX_EPOCH + Duration::from_micros(micros);
    assert_eq!(at + Duration::from_micros(7_777_777_777_777), expected);
    let words = vec!["w1", "w2"];
    let rows = client.query("SELECT word FROM counts WHERE word = ANY($1)", &[&words]).await;
    assert_eq!(rows.expect("two").len(), 2);
    let count = client.query_one("SELECT count(*) FROM counts", &[]).await.expect("a row");
    assert_eq!((count.get::<_, i64>(0), count.columns()[0].name()), (3001, "count"));
}

#[tokio::test]
async fn a_transaction_reads_one_epoch() {
    let site = Site::start();
    let mut client = site.client().await;
    let other = site.client().await;
    let balance = "SELECT credits FROM bank.credits WHERE account = 2";
    let planned = "SELECT CAST(sum(credits) AS bigint) FROM bank.credits WHERE account > 1";
    let transaction = client.transaction().await.expect("begun");
    let read = transaction.query_one(balance, &[]).await.expect("a row").get::<_, i64>(0);
    assert_eq!(read, 100);
    site.transfer(1, 2, 11);
    let read = transaction.query_one(balance, &[]).await.expect("a row").get::<_, i64>(0);
    assert_eq!(read, 100);
    let read = transaction.query_one(planned, &[]).await.expect("a row").get::<_, i64>(0);
    assert_eq!(read, 100);
    assert_eq!(number(&other, balance).await, 111);
    assert_eq!(number(&other, planned).await, 111);
    transaction.commit().await.expect("committed");
    assert_eq!(number(&client, balance).await, 111);
    let epoch = texts(&client, "SHOW epoch").await[0][0].clone().expect("an epoch");
    let (_, epoch) = epoch.rsplit_once(':').expect("dataflow, version, epoch");
    site.transfer(1, 2, 1);
    client.batch_execute(&format!("SET as_of = {epoch}")).await.expect("set");
    assert_eq!(number(&client, balance).await, 111);
    assert_eq!(number(&client, planned).await, 111);
    client.batch_execute("RESET as_of").await.expect("reset");
    assert_eq!(number(&client, balance).await, 112);
}

#[tokio::test]
async fn what_fails_says_why_and_harms_nothing() {
    let site = Site::start();
    let client = site.client().await;
    for (sql, expected) in [
        ("SELECT nope FROM counts", "42703"),
        ("SELECT * FROM nope", "42P01"),
        ("SELEC 1", "42601"),
        ("SELECT 1/0 FROM counts", "22012"),
        ("SELECT no_such(1)", "42883"),
        ("INSERT INTO counts VALUES ('a', 1)", "25006"),
        ("CREATE TABLE x (y int)", "25006"),
        ("DELETE FROM counts", "25006"),
        ("WITH x AS (DELETE FROM counts RETURNING *) SELECT * FROM x", "0A000"),
        ("COPY counts FROM STDIN", "25006"),
        ("SELECT * INTO y FROM counts", "25006"),
        ("SET no_such_setting = 1", "42704"),
        ("SET client_encoding = 'LATIN1'", "22023"),
        ("SET as_of = 999999999", "72000"),
        ("FETCH 1 FROM nothing", "34000"),
        ("SAVEPOINT a", "25P01"),
        ("LISTEN x", "0A000"),
        ("SELECT $1", "42P02"),
    ] {
        // What is wrong with an epoch is seen when it is read.
        let text =
            if expected == "72000" { format!("{sql}; SELECT * FROM counts") } else { sql.into() };
        let error = client.simple_query(&text).await.expect_err(sql);
        let found = state(&error);
        let is_epoch = expected == "72000" && found == "22023";
        assert!(found == expected || is_epoch, "{sql}: {found} {error:?}");
        client.batch_execute("RESET ALL").await.expect("it goes on");
        assert_eq!(number(&client, "SELECT 1").await, 1);
    }
    let error = client.simple_query("SELECT 1; SELECT é, wrong FROM counts").await;
    let error = error.expect_err("no such column");
    let place = error.as_db_error().and_then(|error| error.position().cloned());
    assert!(place.is_none_or(|place| {
        place == tokio_postgres::error::ErrorPosition::Original(18)
            || place == tokio_postgres::error::ErrorPosition::Original(21)
    }));
    let error = client.simple_query("SELECT 1; SELEC 2").await.expect_err("no such word");
    let place = error.as_db_error().and_then(|error| error.position().cloned());
    assert_eq!(place, Some(tokio_postgres::error::ErrorPosition::Original(11)));
    let error = client.query("SELECT 1; SELECT 2", &[]).await.expect_err("two in one");
    assert_eq!(state(&error), "42601");
    let error = client.query("SELECT n FROM counts WHERE word = $1", &[&1i64]).await;
    assert!(error.is_err(), "the driver refuses a number for a text");
}

#[tokio::test]
async fn a_text_without_a_statement_is_prepared_and_does_nothing() {
    let site = Site::start();
    let client = site.client().await;
    for text in ["", "-- only a comment", " /* and */ ; "] {
        let prepared = client.prepare(text).await.expect(text);
        assert!(prepared.columns().is_empty(), "{text}");
    }
    assert_eq!(number(&client, "SELECT 1").await, 1);
}

#[tokio::test]
async fn a_failed_transaction_waits_for_its_end() {
    let site = Site::start();
    let client = site.client().await;
    let run = async |sql: &str| client.simple_query(sql).await;
    run("BEGIN").await.expect("begun");
    run("SAVEPOINT a").await.expect("saved");
    run("SELECT nope FROM counts").await.expect_err("no such column");
    assert_eq!(state(&run("SELECT 1").await.expect_err("failed")), "25P02");
    run("ROLLBACK TO a").await.expect("back");
    run("SELECT 1").await.expect("it goes on");
    run("SELECT nope FROM counts").await.expect_err("no such column");
    run("COMMIT").await.expect("ended");
    run("SELECT 1").await.expect("it goes on");
    run("BEGIN; SET LOCAL statement_timeout = '5s'; SET geqo = off").await.expect("set");
    assert_eq!(texts(&client, "SHOW statement_timeout").await[0][0].as_deref(), Some("5s"));
    run("COMMIT").await.expect("ended");
    assert_eq!(texts(&client, "SHOW statement_timeout").await[0][0].as_deref(), Some("0"));
    assert_eq!(texts(&client, "SHOW geqo").await[0][0].as_deref(), Some("off"));
    run("BEGIN; SET geqo = on; ROLLBACK").await.expect("ended");
    assert_eq!(texts(&client, "SHOW geqo").await[0][0].as_deref(), Some("off"));
    run("DISCARD ALL").await.expect("reset");
    assert_eq!(texts(&client, "SHOW geqo").await[0][0].as_deref(), Some("on"));
}

#[tokio::test]
async fn rows_come_a_few_at_a_time() {
    let site = Site::start();
    let mut client = site.client().await;
    let transaction = client.transaction().await.expect("begun");
    for sql in [
        "SELECT word FROM counts ORDER BY word",
        "SELECT id FROM types.by_day WHERE day = '2020-01-01' OR true",
    ] {
        let statement = transaction.prepare(sql).await.expect(sql);
        let portal = transaction.bind(&statement, &[]).await.expect(sql);
        let all = transaction.query(&statement, &[]).await.expect(sql);
        let mut rows = Vec::new();
        loop {
            let some = transaction.query_portal(&portal, 100).await.expect(sql);
            assert!(some.len() <= 100);
            if some.is_empty() {
                break;
            }
            rows.extend(some.iter().map(raw));
        }
        assert_eq!(rows, all.iter().map(raw).collect::<Vec<_>>(), "{sql}");
    }
    // A point read, one row at a time: all rows of the start of a key.
    let sql = "SELECT id FROM types.by_name WHERE name = $1";
    let statement = transaction.prepare(sql).await.expect(sql);
    let name = "name 1\"1,\\é{}";
    let all = transaction.query(&statement, &[&name]).await.expect(sql);
    let portal = transaction.bind(&statement, &[&name]).await.expect(sql);
    let mut rows = Vec::new();
    while let [row] = &transaction.query_portal(&portal, 1).await.expect(sql)[..] {
        rows.push(raw(row));
    }
    assert!(!rows.is_empty());
    assert_eq!(rows, all.iter().map(raw).collect::<Vec<_>>());
    // The same as a cursor.
    transaction.batch_execute("DECLARE c CURSOR FOR SELECT word FROM counts").await.expect("one");
    let mut count = 0;
    loop {
        let rows = transaction.query("FETCH FORWARD 1000 FROM c", &[]).await.expect("some");
        count += rows.len();
        if rows.is_empty() {
            break;
        }
    }
    assert_eq!(count, 3001);
    transaction.batch_execute("CLOSE c").await.expect("closed");
    transaction.rollback().await.expect("rolled back");
}

#[tokio::test]
async fn a_statement_can_be_cancelled_or_time_out() {
    let site = Site::start();
    let client = site.client().await;
    let long = "SELECT count(*) FROM counts a, counts b, counts c WHERE a.n + b.n + c.n < 0";
    let token = client.cancel_token();
    let begun = std::time::Instant::now();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        token.cancel_query(tokio_postgres::NoTls).await.expect("asked");
    };
    let (outcome, ()) = tokio::join!(client.simple_query(long), cancel);
    assert_eq!(state(&outcome.expect_err("cancelled")), "57014");
    client.batch_execute("SET statement_timeout = 300").await.expect("set");
    let error = client.query(long, &[]).await.expect_err("late");
    assert_eq!(state(&error), "57014");
    client.batch_execute("RESET statement_timeout").await.expect("reset");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(number(&client, "SELECT 1").await, 1);
}

#[tokio::test]
async fn an_answer_can_be_copied_out() {
    let site = Site::start();
    let client = site.client().await;
    let copy = async |sql: &str| {
        let rows = client.copy_out(sql).await.expect(sql);
        pin_mut!(rows);
        let mut text = Vec::new();
        while let Some(part) = rows.next().await {
            text.extend_from_slice(&part.expect(sql));
        }
        String::from_utf8(text).expect("text")
    };
    let all = copy("COPY (SELECT word, n FROM counts WHERE n > 1) TO STDOUT").await;
    assert_eq!(all, "often\t3000\n");
    let all = copy("COPY word_count.counts TO STDOUT WITH (FORMAT csv, HEADER)").await;
    assert_eq!(all.lines().count(), 3002);
    assert!(all.starts_with("word,n\n"));
    assert_eq!(number(&client, "SELECT 1").await, 1);
}

#[tokio::test]
async fn a_password_is_proved() {
    let site = Site::guarded(
        "[[user]]\nname = \"ada\"\npassword = \"right\"\nroles = [\"read\"]\n\
         [[user]]\nname = \"eve\"\npassword = \"right\"\nroles = [\"append\"]\n",
    );
    let mut config = site.config();
    let client = connect(config.password("right")).await.expect("she may");
    assert_eq!(number(&client, "SELECT 1").await, 1);
    assert_eq!(texts(&client, "SELECT current_user").await[0][0].as_deref(), Some("ada"));
    for (user, password) in [("ada", "wrong"), ("ada", ""), ("eve", "right"), ("bob", "right")] {
        let error = connect(config.user(user).password(password)).await.expect_err(user);
        assert_eq!(state(&error), "28P01", "{user}: {error:?}");
    }
    assert!(connect(&site.config()).await.is_err(), "no password at all");
}

#[tokio::test]
async fn idle_sessions_and_one_too_many_are_told() {
    let site = Site::with(|_, options| options.max_connections = Some(3));
    let first = site.client().await;
    let (_second, third) = (site.client().await, site.client().await);
    let error = connect(&site.config()).await.expect_err("a fourth");
    assert_eq!(state(&error), "53300");
    third.batch_execute("SET idle_session_timeout = '200ms'").await.expect("set");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(third.simple_query("SELECT 1").await.is_err(), "it was ended");
    let again = site.client().await;
    assert_eq!(number(&again, "SELECT 1").await + number(&first, "SELECT 1").await, 2);
}

#[test]
fn a_stop_finishes_what_runs_and_ends_what_is_idle() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut site = Site::start();
    let (idle, busy) = runtime.block_on(async { (site.client().await, site.client().await) });
    let long = "SELECT count(*) FROM counts a, counts b WHERE a.n + b.n < 0";
    let running = runtime.spawn(async move { number(&busy, long).await });
    std::thread::sleep(Duration::from_millis(200));
    site.stop();
    assert_eq!(runtime.block_on(running).expect("it was answered"), 0);
    runtime.block_on(async {
        assert!(idle.simple_query("SELECT 1").await.is_err());
        assert!(connect(&site.config()).await.is_err());
    });
}
