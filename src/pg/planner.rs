//! The planner of a session: the SQL engine with the catalog, names of columns, and settings.

use std::sync::Arc;

use arrow_schema::DataType;

#[cfg(feature = "sql")]
use super::catalog::PgCatalog;
use super::settings::PgSettings;
#[cfg(feature = "sql")]
use diptych_row::RowSchema;
use diptych_serving::Snapshot;
use diptych_site::site::{Flow, Site};
use diptych_sql::{Engine, Prepared, Session, SqlError};

/// The planner of one session.
pub(super) struct Planner {
    site: Arc<Site>,
    session: Session,
    #[cfg(feature = "sql")]
    catalog: PgCatalog,
}

/// A statement that the planner accepts.
pub(super) struct Planned {
    pub(super) statement: Prepared,
    /// The types of its parameters, as far as the planner infers them.
    pub(super) wanted: Vec<Option<DataType>>,
    /// The names of its columns, where they differ from the planner's.
    pub(super) names: Option<Vec<String>>,
}

/// Settings of the planner, with a short name for each.
const OWN: &[(&str, &str)] =
    &[("diptych.as_of", "as_of"), ("diptych.at_least", "at_least"), ("diptych.stale", "stale")];

impl Planner {
    /// A planner for a session with `settings`.
    pub(super) fn new(site: &Arc<Site>, engine: &Engine, settings: &PgSettings) -> Planner {
        let site = Arc::clone(site);
        let session = engine.session();
        #[cfg(feature = "sql")]
        {
            let catalog = PgCatalog::new(&site, &settings.user, settings.all());
            session.add_schema(PgCatalog::SCHEMA, Arc::new(catalog.clone()));
            catalog.functions().into_iter().for_each(|function| session.add_function(function));
            Planner { site, session, catalog }
        }
        #[cfg(not(feature = "sql"))]
        {
            let _ = settings;
            Planner { site, session }
        }
    }

    /// Plans `sql`, and names its columns.
    #[cfg(feature = "sql")]
    pub(super) async fn prepare(&self, sql: &str) -> Result<Planned, SqlError> {
        let (names, told_apart) = super::column_names::names(sql).unwrap_or_default();
        let asked = told_apart.as_deref().unwrap_or(sql);
        let mut statement = self.ask(asked, told_apart.is_some()).await?;
        let mut wanted = statement.parameter_types.clone();
        if let Some((scalars, lists)) = super::any_array::scalars(asked) {
            let scalars = self.ask(&scalars, true).await?;
            for number in lists {
                let element = scalars.parameter_types.get(number).cloned().flatten();
                if let Some((known, element)) = wanted.get_mut(number).zip(element) {
                    *known = Some(super::any_array::list_of(element));
                }
            }
        }
        // Values are converted before they reach the planner, and some are not: a number that no
        // column of its type can hold is compared in its own type.
        statement.parameter_types = vec![None; wanted.len()];
        let columns = statement.schema.as_ref().map(|schema| schema.fields().len());
        let names = names.filter(|names| Some(names.len()) == columns);
        Ok(Planned { statement, wanted, names })
    }

    #[cfg(feature = "sql")]
    async fn ask(&self, sql: &str, is_rewritten: bool) -> Result<Prepared, SqlError> {
        // Positions in the rewritten query mean nothing to the client.
        let unplaced = |error| SqlError { position: None, ..error };
        match self.catalog.rewrite(sql) {
            Some(rewritten) => self.session.prepare(&rewritten).await.map_err(unplaced),
            None if is_rewritten => self.session.prepare(sql).await.map_err(unplaced),
            None => self.session.prepare(sql).await,
        }
    }

    /// Always an error, because there is no SQL in this binary.
    #[cfg(not(feature = "sql"))]
    pub(super) async fn prepare(&self, sql: &str) -> Result<Planned, SqlError> {
        let statement = self.session.prepare(sql).await?;
        Ok(Planned { statement, wanted: Vec::new(), names: None })
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
    #[cfg(feature = "sql")]
    pub(super) fn view(&self, names: &[String]) -> Option<(usize, usize, Arc<RowSchema>)> {
        let (dataflow, view) = match names {
            // Only the planner resolves names along a search path.
            [_] if self.session.setting("search_path").is_some_and(|path| path != "public") => {
                return None;
            }
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

    /// Sets one of the planner's own settings; none when it has no setting of this name.
    pub(super) fn set(&self, name: &str, value: Option<&str>) -> Option<Result<(), SqlError>> {
        own(name).map(|name| self.session.set(name, value.unwrap_or_default()))
    }

    /// Passes a setting that both keep on to the planner.
    pub(super) fn share(&self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case("search_path") {
            let path = if value == super::settings::SEARCH_PATH { "" } else { value };
            // The planner takes any text.
            let _ = self.session.set("search_path", path);
        }
    }

    /// The value of one of the planner's own settings.
    pub(super) fn show(&self, name: &str) -> Option<String> {
        own(name).map(|name| self.session.setting(name).unwrap_or_default())
    }

    /// Resets the planner's own settings.
    pub(super) fn reset(&self) {
        for (name, _) in OWN {
            // A reset is always allowed.
            let _ = self.session.set(name, "");
        }
    }
}

fn own(name: &str) -> Option<&'static str> {
    let is =
        |own: &&(&str, &str)| own.0.eq_ignore_ascii_case(name) || own.1.eq_ignore_ascii_case(name);
    OWN.iter().find(is).map(|own| own.0)
}
