//! The settings that a session has: name, first value, and the values that each of them takes.
//!
//! This is the only table of settings: HTTP, `SET`, `set_config`, `SHOW`, `pg_settings` and the
//! startup of the Postgres port all read it. Settings of `PostgreSQL` that have no effect here are
//! accepted and stored; those that would promise a behaviour that does not exist are refused.

use std::time::Duration;

use super::SqlError;
use diptych_base::time::At;
use diptych_event::Timestamp;

/// The version of `PostgreSQL` whose dialect and catalog clients may expect, with this product's
/// own.
pub const SERVER_VERSION: &str = concat!("15.18 (Diptych ", env!("CARGO_PKG_VERSION"), ")");

/// The setting with the epoch at which statements read.
pub(super) const AS_OF: &str = "diptych.as_of";
/// The setting with the epoch that statements wait for.
pub(super) const AT_LEAST: &str = "diptych.at_least";
/// The setting that lets statements answer while a dataflow catches up.
pub(super) const STALE: &str = "diptych.stale";
/// The setting that tells what the last answer was about.
pub(super) const EPOCH: &str = "diptych.epoch";
/// The setting with the schemas of names that have none.
pub(super) const SEARCH_PATH: &str = "search_path";
/// The setting with the user of the session.
pub(super) const USER: &str = "session_authorization";

/// The initial search path, in which every name is found.
pub(super) const SEARCH_PATH_FIRST: &str = "\"$user\", public";

/// Short names of this product's own settings.
const SHORT: &[(&str, &str)] =
    &[("as_of", AS_OF), ("at_least", AT_LEAST), ("stale", STALE), ("epoch", EPOCH)];

/// The rule for values of a setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rule {
    /// Any value is accepted, without effect here.
    Free,
    /// The value cannot be changed.
    Fixed,
    /// One of these values, in any case; the first is the one shown.
    Only(&'static [&'static str]),
    /// One of these values, in any case, without effect here.
    OneOf(&'static [&'static str]),
    /// A truth value, without effect here.
    Bool,
    /// A whole number in this range, without effect here.
    Int(i64, i64),
    /// A duration, in milliseconds when no unit is given; 0 means none.
    Time,
    /// UTC; any other zone is accepted with a warning.
    Zone,
    /// An epoch, an instant or `verified`.
    AsOf,
    /// An epoch.
    AtLeast,
}

/// A setting that every session has.
#[derive(Debug)]
pub(super) struct KnownSetting {
    /// The name in its proper spelling.
    pub(super) name: &'static str,
    /// The value before anything is set.
    pub(super) first: &'static str,
    pub(super) rule: Rule,
    /// Whether clients of the Postgres port are told of changes.
    pub(super) told: bool,
}

const fn row(name: &'static str, first: &'static str, rule: Rule, told: bool) -> KnownSetting {
    KnownSetting { name, first, rule, told }
}

const ISOLATIONS: &[&str] =
    &["serializable", "repeatable read", "read committed", "read uncommitted"];
const ENCODINGS: &[&str] = &["UTF8", "UTF-8", "UNICODE", "SQL_ASCII"];
const DATE_STYLES: &[&str] = &["ISO, MDY", "ISO", "ISO,MDY", "ISO, DMY", "ISO, YMD"];
const ON: &[&str] = &["on", "true", "yes", "1", "t", "y"];
const ANY_INT: Rule = Rule::Int(0, i32::MAX as i64);

/// All settings, in the order of SHOW ALL.
pub(super) const KNOWN: &[KnownSetting] = &[
    row(AS_OF, "", Rule::AsOf, false),
    row(AT_LEAST, "", Rule::AtLeast, false),
    row(STALE, "", Rule::Only(&["ok"]), false),
    row(EPOCH, "", Rule::Fixed, false),
    row("application_name", "", Rule::Free, true),
    row("block_size", "8192", Rule::Fixed, false),
    row("bytea_output", "hex", Rule::Only(&["hex"]), false),
    row("check_function_bodies", "on", Rule::Bool, false),
    row("client_encoding", "UTF8", Rule::Only(ENCODINGS), true),
    row("client_min_messages", "notice", Rule::Free, false),
    row("DateStyle", "ISO, MDY", Rule::Only(DATE_STYLES), true),
    row("default_table_access_method", "heap", Rule::Free, false),
    row("default_transaction_deferrable", "off", Rule::Bool, false),
    row("default_transaction_isolation", "serializable", Rule::Free, false),
    row("default_transaction_read_only", "on", Rule::Bool, true),
    row("enable_seqscan", "on", Rule::Bool, false),
    row("extra_float_digits", "1", Rule::Int(-15, 3), false),
    row("geqo", "on", Rule::Bool, false),
    row("idle_in_transaction_session_timeout", "0", Rule::Time, false),
    row("idle_session_timeout", "0", Rule::Time, false),
    row("in_hot_standby", "off", Rule::Fixed, true),
    row("integer_datetimes", "on", Rule::Fixed, true),
    row("IntervalStyle", "postgres", Rule::Only(&["postgres"]), true),
    row("is_superuser", "off", Rule::Fixed, true),
    row("jit", "off", Rule::Bool, false),
    row("lc_collate", "C", Rule::Fixed, false),
    row("lc_ctype", "C.UTF-8", Rule::Fixed, false),
    row("lc_messages", "C", Rule::Free, false),
    row("lc_monetary", "C", Rule::Free, false),
    row("lc_numeric", "C", Rule::Free, false),
    row("lc_time", "C", Rule::Free, false),
    row("lock_timeout", "0", Rule::Time, false),
    row("max_identifier_length", "63", Rule::Fixed, false),
    row("max_index_keys", "32", Rule::Fixed, false),
    row("max_parallel_workers_per_gather", "0", ANY_INT, false),
    row("password_encryption", "scram-sha-256", Rule::Free, false),
    row("role", "none", Rule::Free, false),
    row("row_security", "on", Rule::Bool, false),
    row(SEARCH_PATH, SEARCH_PATH_FIRST, Rule::Free, true),
    row("server_encoding", "UTF8", Rule::Fixed, true),
    row("server_version", SERVER_VERSION, Rule::Fixed, true),
    row("server_version_num", "150018", Rule::Fixed, false),
    row(USER, "", Rule::Free, true),
    row("session_replication_role", "origin", Rule::Free, false),
    row("standard_conforming_strings", "on", Rule::Only(ON), true),
    row("statement_timeout", "0", Rule::Time, false),
    row("synchronize_seqscans", "on", Rule::Bool, false),
    row("synchronous_commit", "on", Rule::Free, false),
    row("TimeZone", "UTC", Rule::Zone, true),
    row("transaction_deferrable", "off", Rule::Bool, false),
    row("transaction_isolation", "serializable", Rule::OneOf(ISOLATIONS), false),
    row("transaction_read_only", "on", Rule::Only(ON), false),
    row("wal_segment_size", "16777216", Rule::Fixed, false),
    row("work_mem", "4MB", Rule::Free, false),
    row("xmloption", "content", Rule::Free, false),
];

/// The setting called `name`, in any case, or by its short name.
pub(super) fn known(name: &str) -> Option<&'static KnownSetting> {
    let short = SHORT.iter().find(|(short, _)| short.eq_ignore_ascii_case(name));
    let name = short.map_or(name, |(_, name)| name);
    KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

/// The error for a setting that is not there.
pub(super) fn unknown(name: &str) -> SqlError {
    let message = format!(
        "unrecognized configuration parameter \"{name}\" (SHOW ALL lists the settings there are)"
    );
    SqlError::new("42704", message)
}

impl KnownSetting {
    /// The value as it is stored and shown, with a warning where it does less than it says.
    ///
    /// # Errors
    /// When the setting does not take this value.
    pub(super) fn checked(&self, value: &str) -> Result<(String, Option<String>), SqlError> {
        // Some drivers send a value in the quotes that SET would need.
        let bare = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
        let value = bare.unwrap_or(value);
        let name = self.name;
        let refuse = |why: &str| {
            let message = format!("invalid value for parameter \"{name}\": \"{value}\" ({why})");
            Err(SqlError::new("22023", message))
        };
        let plain = |value: &str| Ok((value.to_owned(), None));
        match self.rule {
            Rule::Free => plain(value),
            Rule::Fixed => {
                let message = format!(
                    "parameter \"{name}\" cannot be changed (it tells what this server is)"
                );
                Err(SqlError::new("55P02", message))
            }
            Rule::Bool => match truth(value) {
                Some(true) => plain("on"),
                Some(false) => plain("off"),
                None => refuse("it takes on or off"),
            },
            Rule::Int(least, most) => match value.trim().parse::<i64>() {
                Ok(number) if (least..=most).contains(&number) => plain(&number.to_string()),
                _ => refuse(&format!("it takes a whole number from {least} to {most}")),
            },
            Rule::Time => match parse_time(value) {
                Some(time) => Ok((shown_time(time), None)),
                None => refuse("give milliseconds, or a number with ms, s, min, h or d"),
            },
            Rule::Only(values) => {
                match values.iter().find(|known| known.eq_ignore_ascii_case(value)) {
                    Some(_) => plain(values[0]),
                    None => refuse(&format!("it is always {} here", values[0])),
                }
            }
            Rule::OneOf(values) => {
                match values.iter().find(|known| known.eq_ignore_ascii_case(value)) {
                    Some(known) => plain(known),
                    None => refuse(&format!("it takes {}", values.join(", "))),
                }
            }
            Rule::Zone => Ok(("UTC".to_owned(), zone_warning(value))),
            Rule::AsOf | Rule::AtLeast => {
                let epoch = value.trim();
                let is_epoch = epoch.parse::<At>().is_ok();
                let is_time = self.rule == Rule::AsOf
                    && (epoch.eq_ignore_ascii_case("verified") || instant(epoch).is_some());
                if is_epoch || is_time {
                    return plain(epoch);
                }
                let more = match self.rule {
                    Rule::AsOf => ", an instant such as '2026-01-31T12:00:00Z', or 'verified'",
                    _ => "",
                };
                let message = format!(
                    "{name} = {value:?} is no epoch (write a number, or EPOCH~BRANCH as an answer \
                     said{more})"
                );
                Err(SqlError::new("22023", message))
            }
        }
    }
}

/// The truth value that a text means, in any unique beginning of its words.
pub(crate) fn truth(value: &str) -> Option<bool> {
    let value = value.trim().to_ascii_lowercase();
    match value.as_str() {
        "on" | "1" | "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" => Some(true),
        "of" | "off" | "0" | "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" => Some(false),
        _ => None,
    }
}

fn zone_warning(value: &str) -> Option<String> {
    let utc = ["UTC", "GMT", "Etc/UTC", "Etc/GMT", "Z", "0", "+00:00", "+00", "Zulu"];
    let is_utc = utc.iter().any(|utc| utc.eq_ignore_ascii_case(value.trim()));
    (!is_utc).then(|| "instants are shown in UTC, whatever the time zone is set to".to_owned())
}

/// The instant that a text such as `2026-01-31T12:00:00Z` names.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// The duration that a text such as `2s` or `1500` names.
pub(super) fn parse_time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, unit_ms) = UNITS_MS.iter().find(|(name, _)| *name == unit.trim())?;
    let ms = number.parse::<u64>().ok()?.checked_mul(*unit_ms)?;
    i32::try_from(ms).is_ok().then(|| Duration::from_millis(ms))
}

/// Units of durations, with their milliseconds; the greatest come first.
const UNITS_MS: &[(&str, u64)] =
    &[("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1), ("", 1)];

/// A duration in the greatest unit of which it is a multiple, as `PostgreSQL` shows it.
fn shown_time(time: Duration) -> String {
    let ms = time.as_millis() as u64;
    if ms == 0 {
        return "0".to_owned();
    }
    let unit = UNITS_MS.iter().find(|(_, unit_ms)| ms.is_multiple_of(*unit_ms));
    unit.map_or_else(String::new, |(unit, unit_ms)| format!("{}{unit}", ms / unit_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, value: &str) -> Result<String, &'static str> {
        let known = known(name).expect("the setting is known");
        known.checked(value).map(|(value, _)| value).map_err(|error| error.sqlstate)
    }

    #[test]
    fn values_are_shown_as_postgres_shows_them() {
        assert_eq!(value("statement_timeout", "2000").as_deref(), Ok("2s"));
        assert_eq!(value("statement_timeout", "1500").as_deref(), Ok("1500ms"));
        assert_eq!(value("LOCK_TIMEOUT", "120 s").as_deref(), Ok("2min"));
        assert_eq!(value("jit", "TRUE").as_deref(), Ok("on"));
        assert_eq!(value("datestyle", "iso").as_deref(), Ok("ISO, MDY"));
        assert_eq!(value("as_of", " 7 ").as_deref(), Ok("7"));
    }

    #[test]
    fn values_that_would_promise_too_much_are_refused() {
        for (name, wrong) in [
            ("client_encoding", "LATIN1"),
            ("statement_timeout", "soon"),
            ("statement_timeout", "99999999999999999999"),
            ("transaction_read_only", "off"),
            ("extra_float_digits", "4"),
            ("jit", "maybe"),
            ("diptych.as_of", "yesterday"),
            ("diptych.at_least", "verified"),
            ("diptych.stale", "no"),
        ] {
            assert_eq!(value(name, wrong), Err("22023"), "{name}");
        }
        assert_eq!(value("server_version", "9"), Err("55P02"));
        assert!(known("nonsense").is_none());
    }

    #[test]
    fn other_time_zones_are_warned_of() {
        let zone = known("timezone").expect("the setting is known");
        assert!(zone.checked("Europe/Berlin").is_ok_and(|(_, warning)| warning.is_some()));
        assert!(zone.checked("etc/utc").is_ok_and(|(_, warning)| warning.is_none()));
    }
}
