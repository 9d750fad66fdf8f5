//! A session: its tables, functions, settings and transaction, and the preparation of statements.

use std::sync::{Arc, Mutex, MutexGuard};

use datafusion::catalog::SchemaProvider;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::ScalarUDF;

use super::SqlError;
use super::catalog::Catalog;
use super::engine::Engine;
use super::prepared::{PlanningHints, Prepared};
use super::settings::{SettingScope, Settings};
use super::spawn_abortable;
use super::statement_parser;
use super::tx_snapshots::{self, Pins};
use super::{flow_snapshot, session_functions};
use diptych_base::lock_mutex::lock;
use diptych_serving::Snapshot;
use diptych_site::read_mode::Mode;

/// A session of one connection or request, with its settings. Clones are the same session.
#[derive(Clone)]
pub struct Session {
    pub(super) engine: Engine,
    catalog: Catalog,
    functions: Arc<Mutex<Vec<Arc<ScalarUDF>>>>,
    pub(super) pins: Arc<Pins>,
}

impl Session {
    pub(super) fn new(engine: Engine, settings: Settings) -> Session {
        let tables = engine.tables();
        let settings = Arc::new(Mutex::new(settings));
        let functions = session_functions::all(&settings, &engine);
        let functions = Arc::new(Mutex::new(functions));
        let catalog = Catalog { tables, settings, extra: Arc::default() };
        Session { engine, catalog, functions, pins: Arc::default() }
    }

    /// Adds a schema of tables, such as `pg_catalog`, to this session.
    pub fn add_schema(&self, name: &str, schema: Arc<dyn SchemaProvider>) {
        let mut extra = lock(&self.catalog.extra);
        extra.insert(name.to_owned(), schema);
    }

    /// Adds a function to this session.
    pub fn add_function(&self, function: ScalarUDF) {
        lock(&self.functions).push(Arc::new(function));
    }

    /// Prepares one statement, which may have parameters `$1`, `$2`, …
    ///
    /// # Errors
    /// Syntax errors, unknown tables, columns and functions, and every statement that is not read
    /// only.
    pub async fn prepare(&self, sql: &str) -> Result<Prepared, SqlError> {
        self.prepare_as(sql, PlanningHints::default()).await
    }

    /// Prepares one statement of which a server knows more than its text.
    ///
    /// # Errors
    /// As [`Session::prepare`].
    pub async fn prepare_as(&self, sql: &str, asked: PlanningHints) -> Result<Prepared, SqlError> {
        let session = self.clone();
        let sql = sql.to_owned();
        let threads = self.engine.core.threads()?;
        // Parsing and planning recurse: they run on the threads with the large stack.
        spawn_abortable::run(&threads, async move {
            let statement = statement_parser::read(&sql)?;
            Prepared::of(session, sql, statement, asked).await
        })
        .await
    }

    /// The settings of this session. Hold them for no longer than a look or a change.
    pub fn settings(&self) -> MutexGuard<'_, Settings> {
        lock(&self.catalog.settings)
    }

    /// The settings of this session, for whoever looks later.
    pub fn shared_settings(&self) -> Arc<Mutex<Settings>> {
        Arc::clone(&self.catalog.settings)
    }

    /// Sets a setting; an empty value or `default` resets it.
    ///
    /// # Errors
    /// When there is no such setting, or the value is not allowed.
    pub fn set(&self, name: &str, value: &str) -> Result<(), SqlError> {
        let is_reset = value.is_empty() || value.eq_ignore_ascii_case("default");
        self.settings().set(name, (!is_reset).then_some(value), SettingScope::Session)
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
        let mode = self.mode();
        if let Some(pinned) = self.pins.held(site, mode).await {
            return tx_snapshots::of(&pinned, flow);
        }
        flow_snapshot::take(site, &site.flows[flow], mode).await
    }

    /// Resets the setting called `name`, or all settings for `all`.
    pub(super) fn reset(&self, name: &str) -> Result<(), SqlError> {
        let mut settings = self.settings();
        if name == "all" {
            settings.reset_all();
            return Ok(());
        }
        settings.set(name, None, SettingScope::Session)
    }

    /// The value of the setting called `name`, or of all settings for `all`.
    pub(super) fn show(&self, name: &str) -> Result<Vec<(String, String)>, SqlError> {
        let settings = self.settings();
        if name == "all" {
            let all = settings.all().into_iter();
            return Ok(all.map(|setting| (setting.name, setting.value)).collect());
        }
        Ok(vec![settings.show(name)?])
    }

    /// The epoch at which the session reads.
    pub(super) fn mode(&self) -> Mode {
        self.settings().mode()
    }

    /// `DataFusion`'s state with this session's tables and functions.
    pub(super) fn state(&self) -> Result<SessionState, SqlError> {
        let mut state = self.engine.core.state()?;
        let tables = self.engine.tables();
        state.register_catalog_list(Arc::new(Catalog { tables, ..self.catalog.clone() }));
        for function in lock(&self.functions).iter() {
            state
                .register_udf(Arc::clone(function))
                .map_err(|error| super::df_error::of("", &error))?;
        }
        Ok(state)
    }
}
