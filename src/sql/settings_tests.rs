//! Tests of the settings: where a value holds, and what takes it back.

use super::*;
use SettingScope::{Session, Transaction};

fn settings() -> Settings {
    let given = [("statement_timeout", "2s"), ("geqo", "off"), ("application_name", "x")];
    Settings::of("ada", given).expect("the settings are known")
}

fn set(settings: &mut Settings, name: &str, value: &str, scope: SettingScope) {
    settings.set(name, Some(value), scope).expect("the value is allowed");
}

#[test]
fn a_session_begins_with_its_own_values_and_returns_to_them() {
    let mut settings = settings();
    assert_eq!(settings.time("statement_timeout"), Some(Duration::from_secs(2)));
    assert_eq!(settings.get("GEQO"), Some("off"));
    assert_eq!(settings.get(USER), Some("ada"));
    set(&mut settings, "application_name", "y", Session);
    settings.set("application_name", None, Session).expect("a reset");
    assert_eq!(settings.get("application_name"), Some("x"));
    set(&mut settings, "jit", "on", Session);
    settings.reset_all();
    assert_eq!(settings.get("jit"), Some("off"));
    assert_eq!(settings.get("geqo"), Some("off"));
}

#[test]
fn values_for_the_transaction_end_with_it() {
    let mut settings = settings();
    set(&mut settings, "as_of", "0", Transaction);
    assert_eq!(settings.mode(), Mode::AsOf(0.into()));
    settings.end_transaction();
    assert_eq!(settings.mode(), Mode::Latest);
    assert_eq!(settings.show("diptych.as_of").expect("known").1, "");
    set(&mut settings, "as_of", "1", Transaction);
    set(&mut settings, "as_of", "2", Session);
    settings.end_transaction();
    assert_eq!(settings.get("as_of"), Some("2"));
    set(&mut settings, "as_of", "3", Transaction);
    settings.end_transaction();
    assert_eq!(settings.get("as_of"), Some("2"));
}

#[test]
fn a_mark_brings_back_what_was_set() {
    let mut settings = settings();
    set(&mut settings, "at_least", "1", Session);
    let mark = settings.mark();
    set(&mut settings, "at_least", "2", Session);
    set(&mut settings, "my.own", "a", Transaction);
    let changes = settings.changes();
    settings.return_to(&mark);
    assert!(settings.changes() > changes);
    assert_eq!(settings.get("diptych.at_least"), Some("1"));
    // PostgreSQL, too, knows the name of a custom setting from then on.
    assert_eq!(settings.get("my.own"), Some(""));
}

#[test]
fn unknown_and_reserved_names_are_refused() {
    let mut settings = settings();
    let mut state =
        |name, value| settings.set(name, value, Session).map_err(|error| error.sqlstate);
    assert_eq!(state("nonsense", Some("1")), Err("42704"));
    assert_eq!(state("my.own", None), Err("42704"));
    assert_eq!(state("diptych.asof", Some("1")), Err("42602"));
    assert_eq!(state("my..own", Some("1")), Err("42602"));
    assert_eq!(state("MY.own", Some("1")), Ok(()));
    assert_eq!(state("my.own", None), Ok(()));
    assert_eq!(settings.show("My.Own").expect("it was set").1, "");
    assert!(settings.show("no.such").is_err());
}

#[test]
fn what_a_session_keeps_is_bounded() {
    let mut settings = settings();
    let long = "x".repeat(SQL_SETTINGS_BYTES_MAX / 2);
    set(&mut settings, "my.own", &long, Transaction);
    let more = settings.set("my.own", Some(&long), Transaction).map_err(|error| error.sqlstate);
    assert_eq!(more, Err("53400"));
    settings.end_transaction();
    set(&mut settings, "my.own", &long, Session);
    for number in 1..SQL_CUSTOM_SETTINGS_MAX {
        set(&mut settings, &format!("my.n{number}"), "", Session);
    }
    assert!(settings.set("my.last", Some(""), Session).is_err());
}

#[test]
fn an_initial_path_finds_every_name() {
    let mut settings = settings();
    assert!(settings.search_path().is_empty());
    assert_eq!(settings.schemas(), ["$user", "public"]);
    set(&mut settings, "search_path", "bank, \"Other\", public", Session);
    assert_eq!(settings.search_path(), ["bank", "Other"]);
}
