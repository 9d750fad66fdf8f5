//! The planner as this protocol uses it: sessions, names of views, and the snapshots that a
//! transaction holds.

use std::sync::Arc;

use crate::row::RowSchema;
use crate::servers::site::{Flow, Site};
use crate::servers::sql::{Prepared, Session, SqlError};
use crate::serving::{Read, Snapshot};

/// A session's way to answers.
pub(super) struct Planner {
    site: Arc<Site>,
    session: Session,
    /// What a transaction reads from, by dataflow.
    pinned: Option<Vec<Option<Arc<Snapshot>>>>,
}

impl Planner {
    pub(super) fn new(site: Arc<Site>, session: Session) -> Planner {
        Planner { site, session, pinned: None }
    }

    /// See [`Session::prepare`].
    pub(super) async fn prepare(&self, sql: &str) -> Result<Prepared, SqlError> {
        self.session.prepare(sql).await
    }

    /// From now on all statements answer at one epoch of each dataflow.
    pub(super) fn begin(&mut self) {
        self.pinned = Some(vec![None; self.site.flows.len()]);
    }

    /// Statements answer at the last epoch again.
    pub(super) fn end(&mut self) {
        self.pinned = None;
    }

    /// The dataflow of this number.
    pub(super) fn flow(&self, number: usize) -> &Flow {
        &self.site.flows[number]
    }

    /// What a statement about this dataflow reads now.
    pub(super) async fn snapshot(&mut self, number: usize) -> Result<Arc<Snapshot>, SqlError> {
        let flow = &self.site.flows[number];
        let taken = flow.serving.snapshot(Read::Latest);
        taken.map(Arc::new).map_err(|error| SqlError::new("72000", error.to_string()))
    }

    /// The view that a query calls by these names: its dataflow's number, its own, its columns.
    pub(super) fn view(&self, names: &[String]) -> Option<(usize, usize, Arc<RowSchema>)> {
        let (dataflow, view) = match names {
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
                    // Which of them is meant is for the planner to say.
                    return None;
                }
                found = Some((number, at, Arc::new(flow.views[at].schema.clone())));
            }
        }
        found
    }

    /// Sets one of the planner's own settings; none when there is none of this name.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>) -> Option<Result<(), SqlError>> {
        let is_own = name.eq_ignore_ascii_case("as_of");
        is_own.then(|| self.session.set("as_of", value.unwrap_or("latest")))
    }

    /// The value of one of the planner's own settings.
    pub(super) fn show(&self, name: &str) -> Option<String> {
        let is_own = name.eq_ignore_ascii_case("as_of");
        is_own.then(|| self.session.as_of().unwrap_or_else(|| "latest".into()))
    }

    /// Sets the planner's own settings back.
    pub(super) fn reset(&mut self) {
        // There is always a latest epoch.
        let _ = self.session.set("as_of", "latest");
    }
}
