//! The SQL engine of a site: threads, memory, permits, decoded columns and `DataFusion`'s state,
//! which all sessions share.
//!
//! Statements are planned and run on threads of their own, so that a long one never holds up the
//! servers' other requests. The memory of all statements together, and the number that run at the
//! same time, are bounded.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::SqlError;
use super::catalog::{CATALOG, PUBLIC, Tables};
use super::column_cache::ColumnCache;
use super::df_error;
use super::postgres;
use super::session::Session;
use super::settings::Settings;
use diptych_base::limits;
use diptych_site::dedicated_runtime::Threads;
use diptych_site::site::Site;

/// The SQL engine of a site. Clones share everything, and so do engines of one site.
#[derive(Clone)]
pub struct Engine {
    pub(super) site: Arc<Site>,
    pub(super) core: Arc<Core>,
}

/// The state that the engines of a site share; the site holds it, so it does not refer to the site.
pub(super) struct Core {
    tables: ArcSwap<Tables>,
    pub(super) columns: Arc<ColumnCache>,
    turns: Arc<Semaphore>,
    ready: OnceLock<Result<Ready, SqlError>>,
}

/// The parts whose construction may fail.
struct Ready {
    state: SessionState,
    threads: Threads,
}

impl Engine {
    /// The engine of `site`. Nothing is started before the first statement.
    pub fn new(site: Arc<Site>) -> Engine {
        let core = site.sql.get_or_init(|| {
            Arc::new(Core {
                tables: ArcSwap::from_pointee(Tables::of(&site)),
                columns: Arc::default(),
                turns: Arc::new(Semaphore::new(limits::SQL_STATEMENTS_MAX)),
                ready: OnceLock::new(),
            })
        });
        let core = Arc::clone(core).downcast().unwrap_or_else(|_| {
            panic!("a site shares the core of SQL engines, and nothing else");
        });
        Engine { site, core }
    }

    /// The tables of the versions that serve now.
    pub(super) fn tables(&self) -> Arc<Tables> {
        let known = self.core.tables.load_full();
        if known.are_of(&self.site) {
            return known;
        }
        // Concurrent callers may each make the tables; the last store wins, and stale tables are
        // made anew.
        let tables = Arc::new(Tables::of(&self.site));
        self.core.tables.store(Arc::clone(&tables));
        tables
    }

    /// A session with the first settings.
    pub fn session(&self) -> Session {
        self.session_with(Settings::default())
    }

    /// A session that begins with these settings.
    pub fn session_with(&self, settings: Settings) -> Session {
        Session::new(self.clone(), settings)
    }
}

impl Core {
    fn ready(&self) -> Result<&Ready, SqlError> {
        self.ready.get_or_init(Ready::new).as_ref().map_err(Clone::clone)
    }

    /// `DataFusion`'s state before a session adds its catalog.
    pub(super) fn state(&self) -> Result<SessionState, SqlError> {
        Ok(self.ready()?.state.clone())
    }

    /// The threads that statements run on.
    pub(super) fn threads(&self) -> Result<Handle, SqlError> {
        Ok(self.ready()?.threads.handle().clone())
    }

    /// Waits for a turn to run a statement.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, SqlError> {
        self.turn_within(limits::SQL_QUEUE_WAIT).await
    }

    async fn turn_within(&self, wait: Duration) -> Result<OwnedSemaphorePermit, SqlError> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        if let Ok(Ok(turn)) = tokio::time::timeout(wait, turn).await {
            return Ok(turn);
        }
        let most = limits::SQL_STATEMENTS_MAX;
        let message =
            format!("{most} statements are running (retry in a moment, or read views over HTTP)");
        Err(SqlError::new("53300", message))
    }
}

impl Ready {
    fn new() -> Result<Ready, SqlError> {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let mut config = SessionConfig::new()
            .with_target_partitions(cores)
            .with_batch_size(limits::SQL_BLOCK_ROWS)
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, PUBLIC)
            .with_information_schema(true);
        let options = config.options_mut();
        options.sql_parser.dialect = datafusion::config::Dialect::PostgreSQL;
        options.sql_parser.parse_float_as_decimal = true;
        options.sql_parser.map_string_types_to_utf8view = false;
        options.execution.time_zone = Some("+00:00".to_owned());
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let memory = Arc::new(GreedyMemoryPool::new(limits::SQL_MEMORY_BYTES));
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(memory)
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(|error| df_error::of("", &error))?;
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(environment)
            .with_default_features();
        let state = postgres::install(state).build();
        let mut threads = Builder::new_multi_thread();
        threads
            .worker_threads(cores)
            .thread_name("sql")
            .thread_stack_size(limits::SQL_STACK_BYTES)
            .on_thread_start(diptych_base::io::give_way);
        let threads = Threads::start(&mut threads).map_err(|error| {
            SqlError::new("58030", format!("starting threads for SQL: {error}"))
        })?;
        Ok(Ready { state, threads })
    }
}
