//! Parameters whose type the client leaves to the server, names of columns, and statements that
//! make others, as `PostgreSQL` has them.

use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::Type;

use crate::served::Site;

/// Statements, and the types that `PostgreSQL` 15 gives their parameters.
const INFERRED: &[(&str, &str)] = &[
    ("select $1", "text"),
    ("select $1 as x", "text"),
    ("select $1 + 1", "int4"),
    ("select $1 * 1.5", "numeric"),
    ("select $1 || $2", "text text"),
    ("select now() - $1", "timestamptz"),
    ("select at + $1 from t", "interval"),
    ("select day - $1 from t", "date"),
    ("select case when $1 then 1 else $2 end", "bool int4"),
    ("select case id when $1 then $2 when 2 then $3 end from t", "int8 text text"),
    ("select nullif($1, 1)", "int4"),
    ("select greatest($1, id), least($2, ratio) from t", "int8 float8"),
    ("select upper($1), length($2), substr($3, $4, $5)", "text text text int4 int4"),
    ("select abs($1), round($2), round($3, 2)", "float8 float8 numeric"),
    ("select id from t where id = any($1)", "int8[]"),
    ("select id from t where name like $1 and name ilike $2 and name ~ $3", "text text text"),
    ("select id from t where id = $1 or $1 is null", "int8"),
    ("select id from t where not $1", "bool"),
    ("select id from t where $1 and flag", "bool"),
    ("select id from t group by id having count(*) > $1", "int8"),
    ("select id from t where price > $1 and ratio < $2 and single < $3", "numeric float8 float4"),
    ("select sum(id) filter (where $1) from t", "bool"),
    ("select lag(id, $1, $2) over () from t", "int4 int8"),
    ("values ($1)", "text"),
    ("select 1 union select $1", "int4"),
    ("select id from t union select $1", "int8"),
    ("select array[$1, 1], array[$2]", "int4 text"),
    ("select coalesce($1, $2), coalesce($3, 5.5), coalesce($4, 5)", "text text numeric int4"),
    ("select $1 = $2", "text text"),
    ("select id from t limit $1", "int8"),
    ("select id from t offset $1", "int8"),
    ("select $1::int + 1, $2::numeric(10, 2), $3::timestamp", "int4 numeric timestamp"),
    ("select id % $1, id / $2, small - $3, $4 + price from t", "int8 int8 int2 numeric"),
    ("select exists (select 1 from t where id = $1), (select $2)", "int8 text"),
    ("select trim($1), position($2 in name), substring(name from $3) from t", "text text int4"),
    ("select to_char(at, $1), to_date($2, $3) from t", "text text text"),
    ("select string_agg(name, $1) from t", "text"),
    ("select id from t where name in ($1, 'a') and id not in (1, $2)", "text int8"),
    ("select id from t where at between $1 and $2", "timestamptz timestamptz"),
    ("select id from t where $1 between id and id", "int8"),
    ("select split_part($1, $2, $3), left($4, $5)", "text text int4 text int4"),
    ("select $1 is distinct from id from t", "int8"),
    ("select id from t where raw = $1 and day = $2", "bytea date"),
];

#[tokio::test(flavor = "multi_thread")]
async fn parameters_have_the_types_of_postgres() {
    let site = Site::start();
    let client = site.client().await;
    let table = "(select cast(key as bigint) as id, * from types.samples) as t";
    let mut failed = Vec::new();
    for (sql, expected) in INFERRED {
        let sql = sql.replace("from t", &format!("from {table}"));
        let found = match client.prepare(&sql).await {
            Ok(prepared) => {
                let name = |of: &Type| match of.name().strip_prefix('_') {
                    Some(element) => format!("{element}[]"),
                    None => of.name().to_owned(),
                };
                prepared.params().iter().map(name).collect::<Vec<_>>().join(" ")
            }
            Err(error) => format!("{:?}", error.as_db_error().map(ToString::to_string)),
        };
        if found != *expected {
            failed.push(format!("{sql}: {found} instead of {expected}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_may_have_one_name() {
    let site = Site::start();
    let client = site.client().await;
    for (sql, names) in [
        ("select key, key::text from types.samples", "key key"),
        ("select null, null::int", "?column? int4"),
        ("select n.oid, n.* from pg_catalog.pg_namespace n", "oid oid nspname nspowner nspacl"),
        ("select *, n.oid from pg_catalog.pg_namespace n", "oid nspname nspowner nspacl oid"),
        ("select n + 1, n - 1, * from counts", "?column? ?column? word n"),
        ("select a.*, b.* from counts a join counts b on a.word = b.word", "word n word n"),
        ("select * from counts a join counts b using (word)", "word n n"),
        ("select * from (select * from counts a cross join counts b) x", "word n word n"),
        ("select * from (select n, n::text from counts) x", "n n"),
        ("select count from (select count(*) from counts) x", "count"),
        ("select *, 1 as n from counts", "word n n"),
        ("select count(*), count(n), max(n)::int from counts", "count count max"),
        ("with a as (select 1, 2) select * from a", "?column? ?column?"),
        ("select 1, 2 union select 3, 4", "?column? ?column?"),
        ("select word, count(*) from counts group by word order by count, word", "word count"),
        ("select n::text from counts order by n", "n"),
        ("select true, 'a', date '2024-01-01'", "bool ?column? date"),
    ] {
        let prepared = client.prepare(sql).await;
        let prepared = prepared.unwrap_or_else(|error| panic!("{sql}: {:?}", error.as_db_error()));
        let found: Vec<_> = prepared.columns().iter().map(tokio_postgres::Column::name).collect();
        assert_eq!(found.join(" "), names, "{sql}");
        client.query(&prepared, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    // A name alone in ORDER BY is the column of the answer: texts are ordered as texts.
    let rows = client.query("select n::text from (values (9), (10)) v(n) order by n", &[]).await;
    let rows: Vec<String> = rows.expect("rows").iter().map(|row| row.get(0)).collect();
    assert_eq!(rows, ["10", "9"]);
}

/// The first column of the rows of a text's last statements, and the tags, in short.
async fn said(client: &tokio_postgres::Client, sql: &str) -> String {
    let messages = match client.simple_query(sql).await {
        Ok(messages) => messages,
        Err(error) => return error.code().map_or("?", |code| code.code()).to_owned(),
    };
    let told = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
        SimpleQueryMessage::CommandComplete(count) => Some(format!("#{count}")),
        _ => None,
    };
    messages.iter().filter_map(told).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_prepared_in_sql() {
    let site = Site::start();
    let client = site.client().await;
    for (sql, expected) in [
        ("prepare p(int8) as select n from counts where n > $1 order by n limit 1", "#0"),
        ("execute p(2)", "3000 #1"),
        ("execute p(1 + 1)", "3000 #1"),
        ("execute p('2')", "3000 #1"),
        ("execute p('x')", "22P02"),
        ("execute p", "42601"),
        ("execute p(1, 2)", "42601"),
        ("prepare p as select 1", "42P05"),
        ("prepare q(text, date) as select $1 || '-' || $2", "#0"),
        ("execute q('it''s', '2024-02-29')", "it's-2024-02-29 #1"),
        ("execute q(upper('a'), null)", "NULL #1"),
        ("prepare r as select $1::int + 1; execute r(41)", "#0 42 #1"),
        ("prepare s(nonsense) as select 1", "42704"),
        ("prepare s as commit", "42601"),
        ("execute nobody", "26000"),
        ("deallocate p; execute p(1)", "26000"),
        ("deallocate all", "#0"),
        ("execute q('a', null)", "26000"),
    ] {
        assert_eq!(said(&client, sql).await, expected, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_go_every_way() {
    let site = Site::start();
    let client = site.client().await;
    let numbers = "select * from (values (1), (2), (3), (4), (5)) v(n) order by n";
    let declare = |how: &str| format!("declare c {how} for {numbers}");
    assert_eq!(said(&client, &declare("cursor")).await, "25P01");
    said(&client, "begin").await;
    said(&client, &declare("scroll cursor")).await;
    for (sql, expected) in [
        ("fetch 2 c", "1 2 #2"),
        ("fetch prior c", "1 #1"),
        ("fetch prior c", "#0"),
        ("fetch all c", "1 2 3 4 5 #5"),
        ("fetch backward 2 from c", "5 4 #2"),
        ("fetch absolute 2 c", "2 #1"),
        ("fetch relative 2 c", "4 #1"),
        ("fetch relative -3 c", "1 #1"),
        ("fetch last c", "5 #1"),
        ("fetch first c", "1 #1"),
        ("fetch absolute -2 c", "4 #1"),
        ("fetch 0 c", "4 #1"),
        ("move backward all c", "#3"),
        ("fetch c", "1 #1"),
        ("move 2 c", "#2"),
        ("fetch relative 0 c", "3 #1"),
        ("fetch absolute 9 c", "#0"),
        ("fetch backward all c", "5 4 3 2 1 #5"),
        ("close c", "#0"),
        ("fetch c", "34000"),
        ("rollback", "#0"),
    ] {
        assert_eq!(said(&client, sql).await, expected, "{sql}");
    }
    said(&client, "begin").await;
    said(&client, &declare("no scroll cursor")).await;
    for (sql, expected) in [
        ("fetch absolute 2 c", "2 #1"),
        ("move relative 1 c", "#1"),
        ("fetch forward all c", "4 5 #2"),
        ("fetch c", "#0"),
        ("savepoint s", "#0"),
        ("fetch prior c", "55000"),
        ("rollback", "#0"),
    ] {
        assert_eq!(said(&client, sql).await, expected, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn held_cursors_outlive_their_transaction() {
    let site = Site::start();
    let client = site.client().await;
    let declare = "declare h cursor with hold for select n from (values (1), (2), (3)) v(n)";
    for (sql, expected) in [
        (&format!("begin; {declare}; fetch h; commit")[..], "#0 #0 1 #1 #0"),
        ("fetch h", "2 #1"),
        ("begin; fetch h; rollback", "#0 3 #1 #0"),
        ("fetch h", "#0"),
        ("close h", "#0"),
        (&format!("begin; {declare}; rollback"), "#0 #0 #0"),
        ("fetch h", "34000"),
        (declare, "#0"),
        ("fetch all h", "1 2 3 #3"),
        ("close all", "#0"),
    ] {
        assert_eq!(said(&client, sql).await, expected, "{sql}");
    }
    // A cursor with parameters: the protocol binds them.
    let mut client = client;
    let transaction = client.transaction().await.expect("a transaction");
    let declared =
        "declare p cursor for select n from (values (1), (2), (3)) v(n) where n > $1::int";
    transaction.execute(declared, &[&1i32]).await.expect("declared");
    let rows = transaction.query("fetch all p", &[]).await.expect("rows");
    assert_eq!(rows.len(), 2);
}
