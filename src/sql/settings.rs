//! The settings of a session, with what a transaction or savepoint takes back.
//!
//! A value is looked for in four places: set for this transaction only, set for the session, set
//! when the session began, and the first value of the setting. A mark remembers the first two, so
//! that a rollback is the return to a mark, and the end of a transaction drops the first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::SqlError;
use super::known_settings::{
    AS_OF, AT_LEAST, EPOCH, KNOWN, KnownSetting, Rule, SEARCH_PATH, SEARCH_PATH_FIRST, STALE, USER,
    instant, known, parse_time, unknown,
};
use diptych_base::limits::{self, SQL_CUSTOM_SETTINGS_MAX, SQL_SETTINGS_BYTES_MAX};
use diptych_site::read_mode::Mode;

type Values = BTreeMap<Arc<str>, Arc<str>>;

/// How long a value that is set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingScope {
    /// To the end of the session.
    Session,
    /// To the end of the transaction.
    Transaction,
}

/// The settings of a session.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The values that the session began with.
    start: Values,
    set: SettingsMark,
    /// Names with a point that were set once: they are known from then on.
    custom: BTreeSet<Arc<str>>,
    /// The bytes of the values set since no mark was kept.
    bytes: usize,
    /// What the last answer was about.
    read_at: String,
    warnings: Vec<String>,
    changes: u64,
}

/// The values that are set at one moment, to which the settings can return.
#[derive(Clone, Debug, Default)]
pub struct SettingsMark {
    session: Arc<Values>,
    local: Arc<Values>,
}

/// A setting as `SHOW ALL` and `pg_settings` show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownSetting {
    /// Its name in the proper spelling.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Its value in `unit`, as `pg_settings` has it.
    pub raw: String,
    /// The unit of `raw`; none for values without one.
    pub unit: Option<&'static str>,
    /// Its value before anything was set.
    pub first: String,
    /// The value that RESET restores.
    pub reset: String,
    /// What it is about; empty for those of `PostgreSQL`.
    pub about: &'static str,
    /// The type of its values in `PostgreSQL`'s words: bool, integer, enum, string.
    pub kind: &'static str,
    /// Whether it can be set.
    pub is_settable: bool,
}

impl Settings {
    /// The settings of a session of `user`, which begins with the values of `given`.
    ///
    /// # Errors
    /// When one of them is refused.
    pub fn of<'v>(
        user: &str,
        given: impl IntoIterator<Item = (&'v str, &'v str)>,
    ) -> Result<Settings, SqlError> {
        let mut settings = Settings::default();
        settings.start.insert(USER.into(), user.into());
        for (name, value) in given {
            settings.set(name, Some(value), SettingScope::Session)?;
        }
        let given = std::mem::take(&mut settings.set);
        settings.start.extend(Arc::unwrap_or_clone(given.session));
        Ok(settings)
    }

    /// Sets `name`, or resets it to the value that the session began with.
    ///
    /// # Errors
    /// When there is no such setting, or the value is not allowed.
    pub fn set(
        &mut self,
        name: &str,
        value: Option<&str>,
        scope: SettingScope,
    ) -> Result<(), SqlError> {
        let (name, value) = match known(name) {
            Some(known) => (known.name.into(), self.value_of(known, value)?),
            None => self.custom_value(name, value)?,
        };
        self.bytes += value.as_ref().map_or(0, |value| value.len()) + name.len();
        if self.bytes > SQL_SETTINGS_BYTES_MAX {
            let message = format!(
                "the settings of this session have more than {SQL_SETTINGS_BYTES_MAX} bytes (end \
                 the transaction, or DISCARD ALL)"
            );
            return Err(SqlError::new("53400", message));
        }
        let local = Arc::make_mut(&mut self.set.local);
        let session = Arc::make_mut(&mut self.set.session);
        match (scope, value) {
            (SettingScope::Session, Some(value)) => {
                local.remove(&name);
                session.insert(name, value);
            }
            (SettingScope::Session, None) => {
                local.remove(&name);
                session.remove(&name);
            }
            (SettingScope::Transaction, value) => {
                let start = || self.start.get(&name).cloned();
                let first = || known(&name).map_or("", |known| known.first).into();
                let value = value.or_else(start).unwrap_or_else(first);
                local.insert(name, value);
            }
        }
        self.changes += 1;
        Ok(())
    }

    /// The value as it is stored; none for the value that the session began with.
    fn value_of(
        &mut self,
        known: &'static KnownSetting,
        value: Option<&str>,
    ) -> Result<Option<Arc<str>>, SqlError> {
        let is_own = matches!(known.name, AS_OF | AT_LEAST | STALE);
        let value = match value {
            Some("") if is_own => return Ok(Some("".into())),
            Some(value) => value,
            None => return Ok(None),
        };
        let (value, warning) = known.checked(value)?;
        if let Some(warning) = warning.filter(|warning| !self.warnings.contains(warning)) {
            self.warnings.push(warning);
        }
        Ok(Some(value.into()))
    }

    fn custom_value(
        &mut self,
        name: &str,
        value: Option<&str>,
    ) -> Result<(Arc<str>, Option<Arc<str>>), SqlError> {
        // A point in its name is how PostgreSQL recognises a custom setting.
        if !name.contains('.') {
            return Err(unknown(name));
        }
        let name: Arc<str> = name.to_ascii_lowercase().into();
        let Some(value) = value else {
            let is_known = self.custom.contains(&name);
            return if is_known { Ok((name, None)) } else { Err(unknown(&name)) };
        };
        let is_word = |part: &str| {
            let mut letters = part.chars();
            letters.next().is_some_and(|c| c.is_alphabetic() || c == '_')
                && letters.all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
        };
        if name.starts_with("diptych.") || !name.split('.').all(is_word) {
            let message = format!(
                "invalid configuration parameter name \"{name}\" (write words with points \
                 between them; names that begin with \"diptych.\" are reserved)"
            );
            return Err(SqlError::new("42602", message));
        }
        if !self.custom.contains(&name) && self.custom.len() >= SQL_CUSTOM_SETTINGS_MAX {
            let message = format!(
                "{SQL_CUSTOM_SETTINGS_MAX} custom settings are in this session already (use fewer)"
            );
            return Err(SqlError::new("53400", message));
        }
        self.custom.insert(Arc::clone(&name));
        Ok((name, Some(value.into())))
    }

    /// Resets all settings to the values that the session began with.
    pub fn reset_all(&mut self) {
        self.return_to(&SettingsMark::default());
        self.bytes = 0;
    }

    /// The values that are set now.
    pub fn mark(&self) -> SettingsMark {
        self.set.clone()
    }

    /// Restores the values that were set at `mark`.
    pub fn return_to(&mut self, mark: &SettingsMark) {
        self.set = mark.clone();
        self.changes += 1;
    }

    /// Drops the values that were set for the transaction.
    pub fn end_transaction(&mut self) {
        if !self.set.local.is_empty() {
            self.set.local = Arc::default();
            self.changes += 1;
        }
        if self.bytes > 0 {
            let length = |(name, value): (&Arc<str>, &Arc<str>)| name.len() + value.len();
            self.bytes = self.set.session.iter().map(length).sum();
        }
    }

    /// The number of changes so far: who has seen it need not look again while it stays.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The value of `name`, if there is such a setting.
    pub fn get(&self, name: &str) -> Option<&str> {
        if let Some(known) = known(name) {
            return Some(self.value(known));
        }
        let name = name.to_ascii_lowercase();
        let name = self.custom.get(name.as_str())?;
        Some(self.stored(name).unwrap_or_default())
    }

    fn stored(&self, name: &str) -> Option<&str> {
        let places = [&*self.set.local, &*self.set.session, &self.start];
        places.into_iter().find_map(|values| values.get(name)).map(|value| &**value)
    }

    fn value(&self, known: &'static KnownSetting) -> &str {
        match known.name {
            EPOCH => &self.read_at,
            name => self.stored(name).unwrap_or(known.first),
        }
    }

    /// The value of `name`, with the name in its proper spelling.
    ///
    /// # Errors
    /// When there is no such setting.
    pub fn show(&self, name: &str) -> Result<(String, String), SqlError> {
        let value = self.get(name).ok_or_else(|| unknown(name))?.to_owned();
        let shown = known(name).map_or_else(|| name.to_ascii_lowercase(), |k| k.name.to_owned());
        Ok((shown, value))
    }

    /// All settings.
    pub fn all(&self) -> Vec<ShownSetting> {
        let start = |name: &str| self.start.get(name).map(ToString::to_string);
        let shown = |known: &'static KnownSetting| ShownSetting {
            name: known.name.to_owned(),
            value: self.value(known).to_owned(),
            raw: raw(known.rule, self.value(known)),
            unit: (known.rule == Rule::Time).then_some("ms"),
            first: known.first.to_owned(),
            reset: start(known.name).unwrap_or_else(|| known.first.to_owned()),
            about: about(known.name),
            kind: kind(known.rule),
            is_settable: known.rule != Rule::Fixed,
        };
        let custom = |name: &Arc<str>| ShownSetting {
            name: name.to_string(),
            value: self.stored(name).unwrap_or_default().to_owned(),
            raw: self.stored(name).unwrap_or_default().to_owned(),
            unit: None,
            first: String::new(),
            reset: start(name).unwrap_or_default(),
            about: "",
            kind: "string",
            is_settable: true,
        };
        KNOWN.iter().map(shown).chain(self.custom.iter().map(custom)).collect()
    }

    /// The settings that clients of the Postgres port are told, and told of again when they change.
    pub fn told(&self) -> impl Iterator<Item = (&'static str, &str)> {
        KNOWN.iter().filter(|known| known.told).map(|known| (known.name, self.value(known)))
    }

    /// The duration that `name` is set to; none when it is off.
    pub fn time(&self, name: &str) -> Option<Duration> {
        let time = self.get(name).and_then(parse_time)?;
        (!time.is_zero()).then_some(time)
    }

    /// The user of the session.
    pub fn user(&self) -> &str {
        self.start.get(USER).map_or("", |user| user)
    }

    /// The text that SHOW epoch shows, to be written anew.
    pub fn read_at(&mut self) -> &mut String {
        &mut self.read_at
    }

    /// Takes the warnings about what was set since the last call.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// The schemas in which names without one are looked up first; none while the path is the
    /// initial one.
    pub fn search_path(&self) -> Vec<String> {
        if self.stored(SEARCH_PATH).is_none_or(|path| path == SEARCH_PATH_FIRST) {
            return Vec::new();
        }
        self.schemas().into_iter().filter(|schema| schema != "public").collect()
    }

    /// The schemas of the search path as it is set.
    pub fn schemas(&self) -> Vec<String> {
        let path = self.stored(SEARCH_PATH).unwrap_or(SEARCH_PATH_FIRST);
        let unquoted = |part: &str| part.trim().trim_matches('"').to_owned();
        path.split(',').map(unquoted).filter(|schema| !schema.is_empty()).collect()
    }

    /// The epoch at which the session reads.
    pub fn mode(&self) -> Mode {
        let of = |name| self.stored(name).filter(|value| !value.is_empty());
        // The values were checked when they were set.
        if let Some(value) = of(AS_OF) {
            let time = || instant(value).map(|at| Mode::AsOfTime(at.micros()));
            return match value.parse() {
                Ok(at) => Mode::AsOf(at),
                Err(_) => time().unwrap_or(Mode::Verified),
            };
        }
        if let Some(at) = of(AT_LEAST).and_then(|value| value.parse().ok()) {
            return Mode::AtLeast(at, limits::SQL_AT_LEAST_WAIT);
        }
        if of(STALE).is_some() { Mode::Stale } else { Mode::Latest }
    }
}

fn raw(rule: Rule, value: &str) -> String {
    let time = if rule == Rule::Time { parse_time(value) } else { None };
    time.map_or_else(|| value.to_owned(), |time| time.as_millis().to_string())
}

fn about(name: &str) -> &'static str {
    match name {
        AS_OF => "The epoch, instant or 'verified' that is answered at",
        AT_LEAST => "The epoch that statements wait for",
        STALE => "'ok' answers while the process catches up after a start",
        EPOCH => "What the last answer was about",
        _ => "",
    }
}

fn kind(rule: Rule) -> &'static str {
    match rule {
        Rule::Bool => "bool",
        Rule::Int(..) | Rule::Time => "integer",
        Rule::Only(_) | Rule::OneOf(_) => "enum",
        _ => "string",
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
