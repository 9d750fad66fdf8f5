//! The planner of a session: the SQL engine with the catalog, names of columns, and settings.

use std::sync::{Arc, MutexGuard};

use arrow_schema::DataType;

use super::catalog::PgCatalog;
use diptych_row::RowSchema;
use diptych_serving::Snapshot;
use diptych_site::site::{Flow, Site};
use diptych_sql::PlanningHints;
use diptych_sql::{Engine, Prepared, Session, Settings, SqlError};

/// The planner of one session.
pub(super) struct Planner {
    site: Arc<Site>,
    session: Session,
    catalog: PgCatalog,
}

/// A statement that the planner accepts.
pub(super) struct Planned {
    pub(super) statement: Prepared,
    /// The types of its parameters.
    pub(super) wanted: Vec<Option<DataType>>,
}

impl Planner {
    /// A planner for a session with `settings`, whose connection has the number `pid`.
    pub(super) fn new(site: &Arc<Site>, engine: &Engine, settings: Settings, pid: i32) -> Planner {
        let site = Arc::clone(site);
        let session = engine.session_with(settings);
        let catalog = PgCatalog::new(&site, session.shared_settings(), pid);
        session.add_schema(PgCatalog::SCHEMA, Arc::new(catalog.clone()));
        catalog.functions().into_iter().for_each(|function| session.add_function(function));
        Planner { site, session, catalog }
    }

    /// Plans `sql`, whose client states the types of some parameters, and names its columns.
    pub(super) async fn prepare(&self, sql: &str, types: &[u32]) -> Result<Planned, SqlError> {
        let rewrite = PgCatalog::rewrites(sql).then(|| {
            let catalog = self.catalog.clone();
            Arc::new(move |statement: &mut _| catalog.rewrite(statement)) as _
        });
        let types = types.iter().map(|oid| super::types::stated(*oid)).collect();
        let mut statement = self.session.prepare_as(sql, PlanningHints { types, rewrite }).await?;
        let wanted = std::mem::take(&mut statement.parameter_types);
        // Values are converted before they reach the planner, and some are not: a number that no
        // column of its type can hold is compared in its own type.
        statement.parameter_types = vec![None; wanted.len()];
        Ok(Planned { statement, wanted })
    }

    /// Begins a transaction: all statements read at one epoch of each dataflow.
    pub(super) fn begin(&self) {
        self.session.begin();
    }

    /// Ends the transaction: each statement reads at its own epoch again.
    pub(super) fn end(&self) {
        self.session.end();
    }

    /// The dataflow of this number.
    pub(super) fn flow(&self, number: usize) -> &Flow {
        &self.site.flows[number]
    }

    /// The snapshot that a statement on dataflow number `flow` reads now.
    pub(super) async fn snapshot(&self, flow: usize) -> Result<Arc<Snapshot>, SqlError> {
        self.session.snapshot(flow).await
    }

    /// Resolves names in a query to a view: its dataflow's number, its own, and its columns.
    pub(super) fn view(&self, names: &[String]) -> Option<(usize, usize, Arc<RowSchema>)> {
        let (dataflow, view) = match names {
            // Only the planner resolves names along a search path.
            [_] if !self.settings().search_path().is_empty() => return None,
            [view] => (None, view),
            [dataflow, view] => (Some(dataflow), view),
            _ => return None,
        };
        let mut found = None;
        for (number, flow) in self.site.flows.iter().enumerate() {
            if dataflow.is_some_and(|dataflow| *dataflow != flow.name) {
                continue;
            }
            let index = flow.serving.index();
            if let Some(at) = index.views().iter().position(|known| known.name == *view) {
                if found.is_some() {
                    // The name is ambiguous: the planner reports that.
                    return None;
                }
                found = Some((number, at, Arc::new(index.views()[at].schema.clone())));
            }
        }
        found
    }

    /// The settings of the session.
    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.session.settings()
    }
}
