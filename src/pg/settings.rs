//! The settings in a startup packet, and the settings that clients are told without asking.
//!
//! The settings themselves are those of SQL, wherever they are set.

use std::collections::BTreeMap;

use bytes::BytesMut;

use super::backend;
use super::error::{Failure, write_warning};
pub(super) use diptych_sql::SERVER_VERSION;
use diptych_sql::Settings;

/// The name of the only database.
pub(super) const DATABASE: &str = "diptych";

/// The settings of a session of `user`, which begins with those in the startup packet.
///
/// # Errors
/// When one of them is refused.
pub(super) fn of_startup(user: &str, said: &BTreeMap<String, String>) -> Result<Settings, Failure> {
    let options = said.get("options").map(|text| options(text)).unwrap_or_default();
    let is_setting = |name: &str| !matches!(name, "user" | "database" | "replication" | "options");
    let plain = said.iter().filter(|(name, _)| is_setting(name));
    // What the packet names itself counts more than what is among its options.
    let given = options.iter().map(|(name, value)| (name, value)).chain(plain);
    let given = given.map(|(name, value)| (name.as_str(), value.as_str()));
    Ok(Settings::of(user, given)?)
}

/// The values that a client was told.
#[derive(Default)]
pub(super) struct ToldSettings {
    values: Vec<String>,
    /// The number of changes of the settings at that time.
    changes: Option<u64>,
}

impl ToldSettings {
    /// Whether nothing has changed since the client was told.
    pub(super) fn is_up_to_date(&self, settings: &Settings) -> bool {
        self.changes == Some(settings.changes())
    }

    /// Appends `ParameterStatus` for each setting that has changed since the client was told, and
    /// the warnings about what was set.
    pub(super) fn tell(&mut self, settings: &mut Settings, out: &mut BytesMut) {
        if self.is_up_to_date(settings) {
            return;
        }
        self.changes = Some(settings.changes());
        for warning in settings.take_warnings() {
            write_warning("01000", &warning, out);
        }
        for (at, (name, value)) in settings.told().enumerate() {
            match self.values.get_mut(at) {
                Some(told) if told == value => continue,
                Some(told) => value.clone_into(told),
                None => self.values.push(value.to_owned()),
            }
            backend::parameter_status(name, value, out);
        }
    }
}

/// Parses `-c name=value` and `--name=value`, as a client gives them on its command line. A
/// backslash takes the next character as it is.
fn options(text: &str) -> Vec<(String, String)> {
    let mut words = words(text).into_iter();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let pair = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => words.next().unwrap_or_default(),
            Some(pair) => pair.to_owned(),
            None => continue,
        };
        if let Some((name, value)) = pair.split_once('=') {
            found.push((name.replace('-', "_"), value.to_owned()));
        }
    }
    found
}

fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, words.last_mut()) {
            ('\\', Some(word)) => word.extend(rest.next()),
            (c, _) if c.is_ascii_whitespace() => words.push(String::new()),
            (c, Some(word)) => word.push(c),
            (_, None) => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(options: &str) -> Settings {
        let said = [("options", options), ("application_name", "x"), ("user", "ada")];
        let said = said.map(|(name, value)| (name.to_owned(), value.to_owned()));
        of_startup("ada", &BTreeMap::from(said)).unwrap_or_else(|_| panic!("{options}"))
    }

    #[test]
    fn the_startup_packet_sets() {
        let settings =
            settings("-c statement_timeout=2s --geqo=off -c search_path=a,\\ b -cas_of=7");
        assert_eq!(settings.get("statement_timeout"), Some("2s"));
        assert_eq!(settings.get("GEQO"), Some("off"));
        assert_eq!(settings.get("application_name"), Some("x"));
        assert_eq!(settings.get("session_authorization"), Some("ada"));
        assert_eq!(settings.get("search_path"), Some("a, b"));
        assert_eq!(settings.get("diptych.as_of"), Some("7"));
    }

    #[test]
    fn changes_are_told_once() {
        let mut settings = settings("");
        let mut told = ToldSettings::default();
        let mut out = BytesMut::new();
        told.tell(&mut settings, &mut out);
        assert!(!out.is_empty());
        out.clear();
        let session = diptych_sql::SettingScope::Session;
        settings.set("application_name", Some("y"), session).expect("anything goes");
        told.tell(&mut settings, &mut out);
        assert_eq!(&out[5..], b"application_name\0y\0");
        out.clear();
        settings.set("application_name", Some("y"), session).expect("anything goes");
        told.tell(&mut settings, &mut out);
        assert!(out.is_empty());
    }
}
