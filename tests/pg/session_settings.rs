//! Settings of a session: what transactions, savepoints and failed exchanges take back, and that
//! all ways of asking see the same ones.

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::served::Site;

/// The last value that the statements answer with; the SQLSTATE when one of them fails.
async fn last(client: &Client, sql: &str) -> String {
    match client.simple_query(sql).await {
        Ok(messages) => {
            let rows = messages.into_iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
                _ => None,
            });
            rows.last().unwrap_or_default()
        }
        Err(error) => error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned()),
    }
}

#[tokio::test]
async fn a_transaction_takes_its_settings_with_it() {
    let site = Site::start();
    let client = site.client().await;
    for (sql, expected) in [
        ("begin; set local diptych.as_of = '0'; select 1; commit; show diptych.as_of", ""),
        ("begin; set local diptych.as_of = '0'; show diptych.as_of", "0"),
        ("rollback; show as_of", ""),
        ("begin; set diptych.at_least = '1'; rollback; show diptych.at_least", ""),
        ("begin; set diptych.at_least = '1'; commit; show diptych.at_least", "1"),
        ("reset diptych.at_least; show at_least", ""),
        ("begin; set as_of = '0'; savepoint a; set as_of = '1'; rollback to a; show as_of", "0"),
        ("commit; show as_of", "0"),
        ("discard all", ""),
        ("show as_of", ""),
        ("set application_name = 'x'; select 1/0", "22012"),
        ("show application_name", ""),
        ("begin; set local search_path = bank; commit; show search_path", "\"$user\", public"),
        ("select set_config('diptych.as_of', '0', true); show diptych.as_of", "0"),
        ("show diptych.as_of", ""),
        ("select set_config('diptych.as_of', '0', false)", "0"),
        ("select current_setting('diptych.as_of')", "0"),
        ("select setting from pg_settings where name = 'diptych.as_of'", "0"),
        ("reset all; show diptych.as_of", ""),
        ("select set_config('nosuch', '1', false)", "42704"),
        ("select set_config('diptych.as_of', 'soon', false)", "22023"),
        ("set diptych.asof = 1", "42602"),
        ("select current_setting('nosuch', true)", "NULL"),
        ("set statement_timeout = 2000; show statement_timeout", "2s"),
        ("select setting from pg_settings where name = 'statement_timeout'", "2000"),
        ("set search_path = bank; select current_schema()", "bank"),
        ("set search_path = nosuch, bank; select current_schemas(true)", "{pg_catalog,bank}"),
    ] {
        assert_eq!(last(&client, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn a_savepoint_brings_back_the_epoch_before_it() {
    let site = Site::start();
    let client = site.client().await;
    let balance = "SELECT credits FROM bank.credits WHERE account = 2";
    let begun = last(&client, &format!("BEGIN; {balance}")).await;
    let epoch = last(&client, "SHOW epoch").await;
    let (_, epoch) = epoch.rsplit_once(':').expect("dataflow, version, epoch");
    site.transfer(1, 2, 11);
    assert_eq!(last(&client, balance).await, begun);
    let earlier = epoch.parse::<u64>().expect("a number") - 1;
    let then = last(&client, &format!("SAVEPOINT a; SET as_of = '{earlier}'; {balance}")).await;
    assert_ne!(then, begun);
    assert_eq!(last(&client, &format!("ROLLBACK TO a; {balance}")).await, begun);
    assert_ne!(last(&client, &format!("COMMIT; {balance}")).await, begun);
}

#[tokio::test]
async fn the_startup_packet_sets_what_a_reset_restores() {
    let site = Site::start();
    let mut config = site.config();
    config.application_name("mine").options("-c diptych.as_of=0");
    let client = crate::served::connect(&config).await.expect("a connection");
    assert_eq!(last(&client, "SHOW diptych.as_of").await, "0");
    let sql = "SET application_name = 'other'; SET as_of = '1'; RESET ALL; SHOW application_name";
    assert_eq!(last(&client, sql).await, "mine");
    assert_eq!(last(&client, "SHOW diptych.as_of").await, "0");
}
