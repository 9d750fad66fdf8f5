//! The planner as this protocol uses it: a session of it with the catalog, names of views, and
//! settings.

use std::sync::Arc;

use arrow_schema::DataType;

#[cfg(feature = "sql")]
use super::catalog::Catalog;
use super::settings::Settings;
#[cfg(feature = "sql")]
use diptych_row::RowSchema;
use diptych_serving::Snapshot;
use diptych_site::site::{Flow, Site};
use diptych_sql::{Engine, Prepared, Session, SqlError};

/// A session's way to answers.
pub(super) struct Planner {
    site: Arc<Site>,
    session: Session,
    #[cfg(feature = "sql")]
    catalog: Catalog,
}

/// A statement that the planner understands.
pub(super) struct Planned {
    pub(super) statement: Prepared,
    /// The types of its parameters, as far as it tells.
    pub(super) wanted: Vec<Option<DataType>>,
    /// The names of its columns, where they are not the planner's.
    pub(super) names: Option<Vec<String>>,
}

/// Settings of the planner, and a short name for each.
const OWN: &[(&str, &str)] =
    &[("diptych.as_of", "as_of"), ("diptych.at_least", "at_least"), ("diptych.stale", "stale")];

impl Planner {
    /// A planner for a session with `settings`.
    pub(super) fn new(site: &Arc<Site>, engine: &Engine, settings: &Settings) -> Planner {
        let site = Arc::clone(site);
        let session = engine.session();
        #[cfg(feature = "sql")]
        {
            let catalog = Catalog::new(&site, &settings.user, settings.all());
            session.add_schema(Catalog::SCHEMA, Arc::new(catalog.clone()));
            catalog.functions().into_iter().for_each(|function| session.add_function(function));
            Planner { site, session, catalog }
        }
        #[cfg(not(feature = "sql"))]
        {
            let _ = settings;
            Planner { site, session }
        }
    }

    /// Understands `sql`, and says what its columns are called.
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
        // Values are converted before they come to the planner, and some are not: a number that
        // no column of its type can hold is compared as it is.
        statement.parameter_types = vec![None; wanted.len()];
        let columns = statement.schema.as_ref().map(|schema| schema.fields().len());
        let names = names.filter(|names| Some(names.len()) == columns);
        Ok(Planned { statement, wanted, names })
    }

    #[cfg(feature = "sql")]
    async fn ask(&self, sql: &str, is_rewritten: bool) -> Result<Prepared, SqlError> {
        // Places in what was rewritten say nothing to who wrote the query.
        let unplaced = |error| SqlError { position: None, ..error };
        match self.catalog.rewrite(sql) {
            Some(rewritten) => self.session.prepare(&rewritten).await.map_err(unplaced),
            None if is_rewritten => self.session.prepare(sql).await.map_err(unplaced),
            None => self.session.prepare(sql).await,
        }
    }

    /// Always an error.
    #[cfg(not(feature = "sql"))]
    pub(super) async fn prepare(&self, sql: &str) -> Result<Planned, SqlError> {
        let statement = self.session.prepare(sql).await?;
        Ok(Planned { statement, wanted: Vec::new(), names: None })
    }

    /// From now on all statements answer at one epoch of each dataflow.
    pub(super) fn begin(&self) {
        self.session.begin();
    }

    /// Each statement answers at its own epoch again.
    pub(super) fn end(&self) {
        self.session.end();
    }

    /// The dataflow of this number.
    pub(super) fn flow(&self, number: usize) -> &Flow {
        &self.site.flows[number]
    }

    /// What a statement about dataflow number `flow` reads now.
    pub(super) async fn snapshot(&self, flow: usize) -> Result<Arc<Snapshot>, SqlError> {
        self.session.snapshot(flow).await
    }

    /// The view that a query calls by these names: its dataflow's number, its own, its columns.
    #[cfg(feature = "sql")]
    pub(super) fn view(&self, names: &[String]) -> Option<(usize, usize, Arc<RowSchema>)> {
        let (dataflow, view) = match names {
            // What a search path makes of a name is the planner's matter.
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
                    // Which of them is meant is for the planner to ask.
                    return None;
                }
                found = Some((number, at, Arc::new(index.views()[at].schema.clone())));
            }
        }
        found
    }

    /// Sets one of the planner's own settings; none when there is none of this name.
    pub(super) fn set(&self, name: &str, value: Option<&str>) -> Option<Result<(), SqlError>> {
        own(name).map(|name| self.session.set(name, value.unwrap_or_default()))
    }

    /// Tells the planner of a setting that both keep.
    pub(super) fn share(&self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case("search_path") {
            let path = if value == super::settings::SEARCH_PATH { "" } else { value };
            // It takes any text.
            let _ = self.session.set("search_path", path);
        }
    }

    /// The value of one of the planner's own settings.
    pub(super) fn show(&self, name: &str) -> Option<String> {
        own(name).map(|name| self.session.setting(name).unwrap_or_default())
    }

    /// Sets the planner's own settings back.
    pub(super) fn reset(&self) {
        for (name, _) in OWN {
            // Setting back is always allowed.
            let _ = self.session.set(name, "");
        }
    }
}

fn own(name: &str) -> Option<&'static str> {
    let is =
        |own: &&(&str, &str)| own.0.eq_ignore_ascii_case(name) || own.1.eq_ignore_ascii_case(name);
    OWN.iter().find(is).map(|own| own.0)
}
