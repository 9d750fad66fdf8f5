//! The settings of a session: those of `PostgreSQL` that drivers send, with the values that are
//! true here. Settings without effect here are accepted and stored; those that would promise a
//! behaviour that does not exist are refused.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;

use super::backend;
use super::error::{Failure, write_warning};

/// The version of `PostgreSQL` whose dialect and catalog clients may expect, with this product's
/// own.
pub(super) const SERVER_VERSION: &str = concat!("16.0 (Diptych ", env!("CARGO_PKG_VERSION"), ")");

/// The name of the only database.
#[cfg(feature = "sql")]
pub(super) const DATABASE: &str = "diptych";

/// The initial search path, in which every name is found.
pub(super) const SEARCH_PATH: &str = "\"$user\", public";

/// The rule for changes of a setting.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    /// Any value is accepted, without effect here.
    Free,
    /// The value cannot be changed.
    Fixed,
    /// One of these values, in any case; the first is the one shown.
    Only(&'static [&'static str]),
    /// A duration, in milliseconds when no unit is given; 0 means none.
    Time,
    /// UTC; any other zone is accepted with a warning.
    Zone,
}

/// Name, initial value, rule, and whether clients are told of changes.
type Known = (&'static str, &'static str, Rule, bool);

const ON: &[&str] = &["on", "true", "yes", "1", "t", "y"];

const KNOWN: &[Known] = &[
    ("application_name", "", Rule::Free, true),
    ("block_size", "8192", Rule::Fixed, false),
    ("bytea_output", "hex", Rule::Only(&["hex"]), false),
    ("check_function_bodies", "on", Rule::Free, false),
    ("client_encoding", "UTF8", Rule::Only(&["UTF8", "UTF-8", "UNICODE", "SQL_ASCII"]), true),
    ("client_min_messages", "notice", Rule::Free, false),
    (
        "DateStyle",
        "ISO, MDY",
        Rule::Only(&["ISO, MDY", "ISO", "ISO,MDY", "ISO, DMY", "ISO, YMD"]),
        true,
    ),
    ("default_table_access_method", "heap", Rule::Free, false),
    ("default_transaction_deferrable", "off", Rule::Free, false),
    ("default_transaction_isolation", "serializable", Rule::Free, false),
    ("default_transaction_read_only", "on", Rule::Free, true),
    ("enable_seqscan", "on", Rule::Free, false),
    ("extra_float_digits", "1", Rule::Free, false),
    ("geqo", "on", Rule::Free, false),
    ("idle_in_transaction_session_timeout", "0", Rule::Time, false),
    ("idle_session_timeout", "0", Rule::Time, false),
    ("in_hot_standby", "off", Rule::Fixed, true),
    ("integer_datetimes", "on", Rule::Fixed, true),
    ("IntervalStyle", "postgres", Rule::Only(&["postgres"]), true),
    ("is_superuser", "off", Rule::Fixed, true),
    ("jit", "off", Rule::Free, false),
    ("lc_collate", "C", Rule::Fixed, false),
    ("lc_ctype", "C.UTF-8", Rule::Fixed, false),
    ("lc_messages", "C", Rule::Free, false),
    ("lock_timeout", "0", Rule::Time, false),
    ("max_identifier_length", "63", Rule::Fixed, false),
    ("max_index_keys", "32", Rule::Fixed, false),
    ("max_parallel_workers_per_gather", "0", Rule::Free, false),
    ("password_encryption", "scram-sha-256", Rule::Free, false),
    ("role", "none", Rule::Free, false),
    ("row_security", "on", Rule::Free, false),
    ("search_path", SEARCH_PATH, Rule::Free, true),
    ("server_encoding", "UTF8", Rule::Fixed, true),
    ("server_version", SERVER_VERSION, Rule::Fixed, true),
    ("server_version_num", "160000", Rule::Fixed, false),
    ("session_authorization", "", Rule::Free, true),
    ("session_replication_role", "origin", Rule::Free, false),
    ("standard_conforming_strings", "on", Rule::Only(ON), true),
    ("statement_timeout", "0", Rule::Time, false),
    ("synchronize_seqscans", "on", Rule::Free, false),
    ("synchronous_commit", "on", Rule::Free, false),
    ("TimeZone", "UTC", Rule::Zone, true),
    ("transaction_deferrable", "off", Rule::Free, false),
    ("transaction_isolation", "serializable", Rule::Free, false),
    ("transaction_read_only", "on", Rule::Only(ON), false),
    ("wal_segment_size", "16777216", Rule::Fixed, false),
    ("work_mem", "4MB", Rule::Free, false),
    ("xmloption", "content", Rule::Free, false),
];

/// The most custom settings of a session.
const CUSTOM_MAX: usize = 100;

/// The settings of one session.
#[derive(Clone, Debug)]
pub(super) struct PgSettings {
    /// The user of the session.
    pub(super) user: String,
    /// The changed values, by name in lower case.
    changed: BTreeMap<String, String>,
}

impl PgSettings {
    /// The settings of `user`, with those in the startup packet.
    ///
    /// # Errors
    /// When one of them is refused.
    pub(super) fn new(user: &str, said: &BTreeMap<String, String>) -> Result<PgSettings, Failure> {
        let mut settings = PgSettings { user: user.to_owned(), changed: BTreeMap::new() };
        settings.changed.insert("session_authorization".into(), user.to_owned());
        let mut unheard = BytesMut::new();
        for (name, value) in said {
            match name.as_str() {
                "user" | "database" | "replication" => {}
                "options" => {
                    for (name, value) in options(value) {
                        settings.set(&name, Some(&value), &mut unheard)?;
                    }
                }
                _ => settings.set(name, Some(value), &mut unheard)?,
            }
        }
        Ok(settings)
    }

    /// Sets `name`, or resets it, and reports the change to the client where that is due.
    ///
    /// # Errors
    /// When there is no such setting, or the value is not allowed.
    pub(super) fn set(
        &mut self,
        name: &str,
        value: Option<&str>,
        out: &mut BytesMut,
    ) -> Result<(), Failure> {
        let key = name.to_ascii_lowercase();
        let Some((shown, first, rule, told)) = known(&key) else {
            return self.set_custom(key, value);
        };
        let value = match value {
            None if key == "session_authorization" => self.user.clone(),
            None => (*first).to_owned(),
            Some(value) => checked(shown, value, *rule, out)?,
        };
        if *told && self.get(&key) != Some(&value) {
            backend::parameter_status(shown, &value, out);
        }
        self.changed.insert(key, value);
        Ok(())
    }

    fn set_custom(&mut self, key: String, value: Option<&str>) -> Result<(), Failure> {
        // A point in its name is how PostgreSQL recognises a custom setting.
        if !key.contains('.') {
            return Err(unknown(&key));
        }
        match value {
            None => drop(self.changed.remove(&key)),
            Some(_) if self.changed.len() >= KNOWN.len() + CUSTOM_MAX => {
                return Err(Failure::new("53400", "too many settings in this session"));
            }
            Some(value) => drop(self.changed.insert(key, value.to_owned())),
        }
        Ok(())
    }

    /// Resets all settings except the user.
    pub(super) fn reset(&mut self, out: &mut BytesMut) {
        let changed: Vec<_> = self.changed.keys().cloned().collect();
        for name in changed {
            // A changed setting can always be reset.
            let _ = self.set(&name, None, out);
        }
    }

    /// Restores the settings of `before`.
    pub(super) fn become_again(&mut self, before: PgSettings, out: &mut BytesMut) {
        for (name, ..) in KNOWN.iter().filter(|known| known.3) {
            let value = before.get(name).unwrap_or_default();
            if self.get(name) != Some(value) {
                backend::parameter_status(name, value, out);
            }
        }
        *self = before;
    }

    /// The value of `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let key = name.to_ascii_lowercase();
        self.changed.get(&key).map(String::as_str).or_else(|| known(&key).map(|known| known.1))
    }

    /// The value of `name`, with the name in its proper spelling.
    ///
    /// # Errors
    /// When there is no such setting.
    pub(super) fn show(&self, name: &str) -> Result<(String, String), Failure> {
        let key = name.to_ascii_lowercase();
        let value = self.get(&key).ok_or_else(|| unknown(name))?.to_owned();
        let shown = known(&key).map_or(key.as_str(), |known| known.0).to_owned();
        Ok((shown, value))
    }

    /// All settings with their values.
    pub(super) fn all(&self) -> Vec<(String, String)> {
        let custom = self.changed.iter().filter(|(name, _)| known(name).is_none());
        let custom = custom.map(|(name, value)| (name.clone(), value.clone()));
        let known = KNOWN.iter().map(|(name, first, ..)| {
            ((*name).to_owned(), self.get(name).unwrap_or(first).to_owned())
        });
        known.chain(custom).collect()
    }

    /// Appends `ParameterStatus` for each setting that a new client is told.
    pub(super) fn tell(&self, out: &mut BytesMut) {
        for (name, first, ..) in KNOWN.iter().filter(|known| known.3) {
            backend::parameter_status(name, self.get(name).unwrap_or(first), out);
        }
    }

    /// The duration that `name` is set to; none when it is off.
    pub(super) fn time(&self, name: &str) -> Option<Duration> {
        let time = self.get(name).and_then(parse_time)?;
        (!time.is_zero()).then_some(time)
    }
}

fn known(key: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.0.eq_ignore_ascii_case(key))
}

fn unknown(name: &str) -> Failure {
    Failure::new("42704", format!("unrecognized configuration parameter \"{name}\""))
        .hint("SHOW ALL lists the settings there are")
}

fn checked(name: &str, value: &str, rule: Rule, out: &mut BytesMut) -> Result<String, Failure> {
    // Some drivers send a value in the quotes that SET would need.
    let bare = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    let value = bare.unwrap_or(value);
    let refuse = |why: String| {
        Failure::new("22023", format!("\"{name}\" cannot be \"{value}\" here")).hint(why)
    };
    match rule {
        Rule::Free => Ok(value.to_owned()),
        Rule::Time if parse_time(value).is_some() => Ok(value.to_owned()),
        Rule::Time => Err(refuse("give milliseconds, or a number with ms, s, min, h or d".into())),
        Rule::Fixed => {
            Err(Failure::new("55P02", format!("parameter \"{name}\" cannot be changed")))
        }
        Rule::Only(values) if values.iter().any(|known| known.eq_ignore_ascii_case(value)) => {
            Ok(values[0].to_owned())
        }
        Rule::Only(values) => Err(refuse(format!("it is always {}", values[0]))),
        Rule::Zone => {
            let utc = ["UTC", "GMT", "Etc/UTC", "Etc/GMT", "Z", "0", "+00:00", "+00", "Zulu"];
            if !utc.iter().any(|utc| utc.eq_ignore_ascii_case(value)) {
                let message = "instants are shown in UTC, whatever the time zone is set to";
                write_warning("01000", message, out);
            }
            Ok("UTC".to_owned())
        }
    }
}

fn parse_time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit_ms: u64 = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms).map(Duration::from_millis)
}

/// Parses `-c name=value` and `--name=value`, as a client gives them on its command line.
fn options(text: &str) -> Vec<(String, String)> {
    let mut words = text.split_ascii_whitespace();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let pair = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => words.next().unwrap_or_default(),
            Some(pair) => pair,
            None => continue,
        };
        if let Some((name, value)) = pair.split_once('=') {
            found.push((name.replace('-', "_"), value.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> PgSettings {
        let said = [("options", "-c statement_timeout=2s --geqo=off"), ("application_name", "x")];
        let said = said.map(|(name, value)| (name.to_owned(), value.to_owned()));
        PgSettings::new("ada", &BTreeMap::from(said)).expect("the settings are known")
    }

    #[test]
    fn the_startup_packet_sets() {
        let settings = settings();
        assert_eq!(settings.time("statement_timeout"), Some(Duration::from_secs(2)));
        assert_eq!(settings.get("GEQO"), Some("off"));
        assert_eq!(settings.get("application_name"), Some("x"));
        assert_eq!(settings.get("session_authorization"), Some("ada"));
    }

    #[test]
    fn what_is_not_done_is_refused_and_changes_are_told() {
        let mut settings = settings();
        let mut out = BytesMut::new();
        for (name, value) in [
            ("client_encoding", "LATIN1"),
            ("server_version", "9"),
            ("statement_timeout", "soon"),
            ("transaction_read_only", "off"),
            ("nonsense", "1"),
        ] {
            assert!(settings.set(name, Some(value), &mut out).is_err(), "{name}");
        }
        assert!(out.is_empty());
        settings.set("application_name", Some("y"), &mut out).expect("anything goes");
        assert_eq!(&out[5..], b"application_name\0y\0");
        settings.reset(&mut out);
        assert_eq!(settings.get("application_name"), Some(""));
        assert_eq!(settings.get("session_authorization"), Some("ada"));
        assert!(settings.show("no.such").is_err());
        settings.set("my.own", Some("1"), &mut out).expect("a point in its name");
        assert_eq!(settings.show("MY.OWN").expect("it was set").1, "1");
    }
}
