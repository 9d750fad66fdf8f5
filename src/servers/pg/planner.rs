//! The planner as this protocol uses it: a session of it with the catalog, names of views, and
//! settings.

use std::sync::Arc;

#[cfg(feature = "sql")]
use super::catalog::Catalog;
use super::settings::Settings;
use crate::row::RowSchema;
use crate::servers::site::{Flow, Site};
use crate::servers::sql::{Engine, Prepared, Session, SqlError};
use crate::serving::Snapshot;

/// A session's way to answers.
pub(super) struct Planner {
    site: Arc<Site>,
    session: Session,
    #[cfg(feature = "sql")]
    catalog: Catalog,
}

/// Settings of the planner, and a short name for each.
const OWN: &[(&str, &str)] = &[("diptych.as_of", "as_of"), ("diptych.at_least", "at_least")];

impl Planner {
    /// A planner for a session with `settings`.
    pub(super) fn new(site: &Arc<Site>, engine: &Engine, settings: &Settings) -> Planner {
        let (site, session) = (Arc::clone(site), engine.session());
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

    /// See [`Session::prepare`].
    pub(super) async fn prepare(&self, sql: &str) -> Result<Prepared, SqlError> {
        #[cfg(feature = "sql")]
        if let Some(rewritten) = self.catalog.rewrite(sql) {
            // Places in what was rewritten say nothing to who wrote the query.
            let failed = |error| SqlError { position: None, ..error };
            return self.session.prepare(&rewritten).await.map_err(failed);
        }
        self.session.prepare(sql).await
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
            if let Some(at) = flow.views.iter().position(|known| known.name == *view) {
                if found.is_some() {
                    // Which of them is meant is for the planner to ask.
                    return None;
                }
                found = Some((number, at, Arc::new(flow.views[at].schema.clone())));
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
