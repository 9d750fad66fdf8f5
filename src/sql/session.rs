//! Sessions: settings, and the preparation of statements.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use datafusion::catalog::SchemaProvider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::ScalarUDF;

use super::SqlError;
use super::catalog::Catalog;
use super::engine::Engine;
use super::prepared::Prepared;
use super::spawn;
use super::statement;
use super::tx_snapshots::{self, Pins};
use diptych_base::limits;
use diptych_base::lock::lock;
use diptych_base::time::At;
use diptych_event::Timestamp;
use diptych_serving::Snapshot;
use diptych_site::read_mode::Mode;

/// Settings that change what is read.
const AS_OF: &str = "diptych.as_of";
const AT_LEAST: &str = "diptych.at_least";
const STALE: &str = "diptych.stale";
const SEARCH_PATH: &str = "search_path";

/// `PostgreSQL`'s settings that clients set on their own; stored and shown, without effect.
const KEPT: &[(&str, &str)] = &[
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("datestyle", "ISO, MDY"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_read_only", "on"),
    ("extra_float_digits", "1"),
    ("idle_in_transaction_session_timeout", "0"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("row_security", "on"),
    ("server_encoding", "UTF8"),
    ("server_version", "16.0 (Diptych)"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("timezone", "UTC"),
    ("transactionisolationlevel", "serializable"),
    ("transaction_isolation", "serializable"),
    ("transaction_read_only", "on"),
];

/// The settings of a session, by lower-case name.
#[derive(Debug, Default)]
pub(super) struct SqlSettings(BTreeMap<String, String>);

/// A session of one connection or request, with its settings. Clones are the same session.
#[derive(Clone)]
pub struct Session {
    pub(super) engine: Engine,
    catalog: Catalog,
    functions: Arc<Mutex<Vec<ScalarUDF>>>,
    pub(super) pins: Arc<Pins>,
}

impl SqlSettings {
    /// The schemas in which names without one are looked up, in order.
    pub(super) fn search_path(&self) -> Vec<String> {
        let path = self.0.get(SEARCH_PATH).map(String::as_str).unwrap_or_default();
        let unquoted = |part: &str| part.trim().trim_matches('"').to_owned();
        path.split(',').map(unquoted).filter(|part| !part.is_empty()).collect()
    }

    fn get(&self, name: &str) -> Option<String> {
        let kept = KEPT.iter().find(|(kept, _)| *kept == name).map(|(_, value)| *value);
        let usual = match name {
            AS_OF | AT_LEAST | STALE => Some(""),
            SEARCH_PATH => Some("public"),
            _ => kept,
        };
        self.0.get(name).cloned().or_else(|| usual.map(str::to_owned))
    }

    /// Checks the value and sets the setting.
    fn set(&mut self, name: &str, value: &str) -> Result<(), SqlError> {
        let known = matches!(name, AS_OF | AT_LEAST | STALE | SEARCH_PATH)
            || KEPT.iter().any(|(kept, _)| *kept == name);
        if !known {
            let message = format!(
                "setting {name:?} is not known (there are {AS_OF}, {AT_LEAST}, {STALE}, \
                 {SEARCH_PATH} and those that PostgreSQL's clients set by themselves)"
            );
            return Err(SqlError::new("42704", message));
        }
        if value.eq_ignore_ascii_case("default") || (value.is_empty() && name != "application_name")
        {
            self.0.remove(name);
            return Ok(());
        }
        match name {
            AS_OF => drop(as_of(value)?),
            AT_LEAST => drop(at_least(value)?),
            STALE if value != "ok" => {
                let message = format!("{STALE} = {value:?} is not known (write 'ok', or RESET it)");
                return Err(SqlError::new("22023", message));
            }
            _ => {}
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// The epoch at which the session reads.
    fn mode(&self) -> Result<Mode, SqlError> {
        match (self.0.get(AS_OF), self.0.get(AT_LEAST)) {
            (Some(value), _) => as_of(value),
            (None, Some(value)) => Ok(Mode::AtLeast(at_least(value)?, limits::SQL_AT_LEAST_WAIT)),
            (None, None) if self.0.contains_key(STALE) => Ok(Mode::Stale),
            (None, None) => Ok(Mode::Latest),
        }
    }
}

fn as_of(value: &str) -> Result<Mode, SqlError> {
    let value = value.trim();
    if value.eq_ignore_ascii_case("verified") {
        return Ok(Mode::Verified);
    }
    if let Ok(at) = value.parse::<At>() {
        return Ok(Mode::AsOf(at));
    }
    value.parse::<Timestamp>().map(|at| Mode::AsOfTime(at.micros())).map_err(|_| {
        let message = format!(
            "{AS_OF} = {value:?} is no epoch (write a number, EPOCH~BRANCH as an answer said, \
             an instant such as '2026-01-31T12:00:00Z', or 'verified')"
        );
        SqlError::new("22023", message)
    })
}

fn at_least(value: &str) -> Result<At, SqlError> {
    value.trim().parse().map_err(|_| {
        let message = format!(
            "{AT_LEAST} = {value:?} is no epoch (write a number, or EPOCH~BRANCH as an answer said)"
        );
        SqlError::new("22023", message)
    })
}

impl Session {
    pub(super) fn new(engine: Engine) -> Session {
        let tables = engine.tables();
        let catalog = Catalog { tables, settings: Arc::default(), extra: Arc::default() };
        Session { engine, catalog, functions: Arc::default(), pins: Arc::default() }
    }

    /// Adds a schema of tables, such as `pg_catalog`, to this session.
    pub fn add_schema(&self, name: &str, schema: Arc<dyn SchemaProvider>) {
        let mut extra = lock(&self.catalog.extra);
        extra.insert(name.to_owned(), schema);
    }

    /// Adds a function to this session.
    pub fn add_function(&self, function: ScalarUDF) {
        lock(&self.functions).push(function);
    }

    /// Prepares one statement, which may have parameters `$1`, `$2`, …
    ///
    /// # Errors
    /// Syntax errors, unknown tables, columns and functions, and every statement that is not read
    /// only.
    pub async fn prepare(&self, sql: &str) -> Result<Prepared, SqlError> {
        let session = self.clone();
        let sql = sql.to_owned();
        let threads = self.engine.core.threads()?;
        // Parsing and planning recurse: they run on the threads with the large stack.
        spawn::run(&threads, async move {
            let statement = statement::read(&sql)?;
            Prepared::of(session, sql, statement).await
        })
        .await
    }

    fn settings(&self) -> MutexGuard<'_, SqlSettings> {
        lock(&self.catalog.settings)
    }

    /// Sets a setting; an empty value resets it.
    ///
    /// # Errors
    /// When there is no such setting, or the value is not allowed.
    pub fn set(&self, name: &str, value: &str) -> Result<(), SqlError> {
        let name = name.to_lowercase();
        self.settings().set(&name, value)?;
        if matches!(name.as_str(), AS_OF | AT_LEAST) {
            self.pins.move_on();
        }
        Ok(())
    }

    /// Begins a transaction: until [`Session::end`] all statements read at the epoch of the first.
    pub fn begin(&self) {
        self.pins.ask();
    }

    /// Ends the transaction: each statement reads at the epoch of its moment again.
    pub fn end(&self) {
        self.pins.drop_all();
    }

    /// The snapshot that a statement on dataflow number `flow` would read now.
    ///
    /// # Errors
    /// When the epoch that the session asks for is not there.
    pub async fn snapshot(&self, flow: usize) -> Result<Arc<Snapshot>, SqlError> {
        let site = &self.engine.site;
        let mode = self.mode()?;
        if let Some(pinned) = self.pins.held(site, mode).await {
            return tx_snapshots::of(&pinned, flow);
        }
        let snapshot = site.snapshot(&site.flows[flow], mode).await;
        snapshot.map_err(|error| super::df_error::of_own(&error))
    }

    /// The value of the setting called `name`, if there is one.
    pub fn setting(&self, name: &str) -> Option<String> {
        self.settings().get(&name.to_lowercase())
    }

    /// Resets the setting called `name`, or all settings for `all`.
    pub(super) fn reset(&self, name: &str) -> Result<(), SqlError> {
        if name == "all" {
            self.settings().0.clear();
            return Ok(());
        }
        self.set(name, "")
    }

    /// The value of the setting called `name`, or of all settings for `all`.
    pub(super) fn show(&self, name: &str) -> Result<Vec<(String, String)>, SqlError> {
        let settings = self.settings();
        if name == "all" {
            let own = [AS_OF, AT_LEAST, SEARCH_PATH];
            let names = own.into_iter().chain(KEPT.iter().map(|(name, _)| *name));
            let show = |name: &str| Some((name.to_owned(), settings.get(name)?));
            return Ok(names.filter_map(show).collect());
        }
        let value = settings.get(name);
        let value = value.ok_or_else(|| {
            SqlError::new("42704", format!("setting {name:?} is not known (see SHOW ALL)"))
        })?;
        Ok(vec![(name.to_owned(), value)])
    }

    /// The epoch at which the session reads.
    pub(super) fn mode(&self) -> Result<Mode, SqlError> {
        self.settings().mode()
    }

    /// `DataFusion`'s state with this session's tables and functions.
    pub(super) fn state(&self) -> Result<SessionState, SqlError> {
        let mut state = self.engine.core.state()?;
        let tables = self.engine.tables();
        state.register_catalog_list(Arc::new(Catalog { tables, ..self.catalog.clone() }));
        let functions = lock(&self.functions);
        for function in functions.iter() {
            use datafusion::execution::FunctionRegistry;
            state
                .register_udf(Arc::new(function.clone()))
                .map_err(|error| super::df_error::of("", &error))?;
        }
        Ok(state)
    }
}
