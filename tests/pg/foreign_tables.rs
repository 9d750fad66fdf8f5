//! Views as foreign tables of a real PostgreSQL, through `postgres_fdw`. Skipped where there is
//! none.

use tokio_postgres::Config;

use crate::real::PostgreSql;
use crate::served::{Site, connect};

#[tokio::test(flavor = "multi_thread")]
async fn views_are_foreign_tables() {
    let Some(real) = tokio::task::spawn_blocking(PostgreSql::start).await.expect("no panic") else {
        return;
    };
    let site = Site::start();
    let mut config = Config::new();
    config.host("127.0.0.1").port(real.address.port()).user("postgres").dbname("postgres");
    let client = connect(&config).await.expect("a connection");
    if let Err(error) = client.batch_execute("CREATE EXTENSION postgres_fdw").await {
        println!("skipped: no postgres_fdw ({error})");
        return;
    }
    let port = site.address.port();
    let setup = format!(
        "CREATE SERVER views FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1',
             port '{port}', dbname 'diptych', fetch_size '700', use_remote_estimate 'false');
         CREATE USER MAPPING FOR postgres SERVER views OPTIONS (user 'ada');
         CREATE SCHEMA words; CREATE SCHEMA samples;
         IMPORT FOREIGN SCHEMA word_count FROM SERVER views INTO words;
         IMPORT FOREIGN SCHEMA types FROM SERVER views INTO samples;
         CREATE TABLE known (word text, meaning text);
         INSERT INTO known VALUES ('w7', 'seven'), ('often', 'many times'), ('none', 'no');"
    );
    client.batch_execute(&setup).await.expect("views are imported");
    let one = |sql: &'static str| {
        let client = &client;
        async move { client.query_one(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}")) }
    };
    let row = one("SELECT n FROM words.counts WHERE word = 'often'").await;
    assert_eq!(row.get::<_, i64>(0), 3000);
    // Every row in pieces of the fetch size, then an aggregate that is computed over there.
    let row = one("SELECT count(word || '!'), sum(n)::bigint FROM words.counts").await;
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (3001, 6000));
    let row = one("SELECT count(*), max(n) FROM words.counts WHERE word LIKE 'w1%'").await;
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1111, 1));
    let joined = "SELECT string_agg(meaning, ', ' ORDER BY meaning)
                  FROM known JOIN words.counts USING (word)";
    let row = one(joined).await;
    assert_eq!(row.get::<_, String>(0), "many times, seven");
    // Values of every type arrive as they are.
    let row = one("SELECT price::text, day::text, raw::text FROM samples.samples WHERE key = 6");
    let row = row.await;
    let ours = site.client().await;
    let direct = "SELECT price::text, day::text, raw::text FROM types.samples WHERE key = 6";
    let direct = ours.query_one(direct, &[]).await.expect("a row");
    for column in 0..3 {
        assert_eq!(row.get::<_, Option<String>>(column), direct.get::<_, Option<String>>(column));
    }
    let refused = client.execute("DELETE FROM words.counts WHERE word = 'w1'", &[]).await;
    let refused = refused.expect_err("views are read only");
    println!("a write is refused: {}", refused.as_db_error().expect("by the server").message());
    drop(client);
    tokio::task::spawn_blocking(move || drop(real)).await.expect("no panic");
}
