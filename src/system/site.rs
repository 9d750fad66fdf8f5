//! What the servers answer from, put together: the served dataflows, and recomputation.

use std::sync::Arc;

use super::desk::Desk;
use super::{Boundary, Served, System};
use crate::dataflow::{Definition, Graph};
use crate::engine::{Cluster, Profile};
use crate::error::{Error, Kind, Result};
use crate::log::Writer;
use crate::servers::{Flow, History, Rebuild, Site, Stream};
use crate::serving::{Index, Serving};
use crate::speed::LaneStatus;
use crate::time::Epoch;

impl System {
    /// What the servers answer from: what is served, and `writer` when this process appends.
    ///
    /// # Errors
    /// When two dataflows read one stream as different types, or a thread cannot be started.
    pub fn site(
        &self,
        served: &Served,
        definitions: &[Definition],
        writer: Option<Arc<Writer>>,
    ) -> Result<Arc<Site>> {
        let mut flows = Vec::new();
        let mut streams: Vec<Stream> = Vec::new();
        for entry in &served.entries {
            let description = &entry.description;
            let serving = Arc::new(Serving::new(entry.index.clone()));
            let names = description.streams.iter().map(|stream| stream.name.clone()).collect();
            let flow = Flow::new(&description.name, names, serving)?;
            flows.push(flow.with_verified(Arc::clone(&entry.verified)));
            for stream in &description.streams {
                match streams.iter().find(|known| known.name == stream.name) {
                    None => streams.push(Stream {
                        name: stream.name.clone(),
                        schema: Arc::clone(&stream.schema),
                    }),
                    Some(known) if known.schema != stream.schema => {
                        return Err(two_types(&stream.name, &description.name));
                    }
                    Some(_) => {}
                }
            }
        }
        let statuses = served.entries.iter();
        let statuses = statuses
            .map(|entry| {
                let status = Arc::clone(&entry.status);
                (entry.description.name.clone(), status, entry.index.shards())
            })
            .collect();
        let profile = served.live.profile().cloned();
        let (system, definitions) = (self.clone(), definitions.to_vec());
        let desk = Arc::clone(&served.desk);
        let history = Recompute { system, definitions, statuses, profile, desk };
        let reader = Arc::clone(served.reader());
        Ok(Site::new(flows, streams, writer, reader, Arc::new(history)))
    }
}

fn two_types(stream: &str, dataflow: &str) -> Error {
    let message = format!(
        "dataflow {dataflow:?} reads stream {stream:?} with other columns than \
                           a dataflow before it: which of them should an append have?"
    );
    Error::new(Kind::Conflict, message)
        .remedy("serve them in two processes, or let both read the same event type")
}

/// Recomputes from the log: on one worker; or on one more than serve, as an independent check.
struct Recompute {
    system: System,
    definitions: Vec<Definition>,
    /// How each dataflow fares, and how many workers it has.
    statuses: Vec<(String, Arc<LaneStatus>, usize)>,
    profile: Option<Arc<Profile>>,
    desk: Arc<Desk>,
}

impl Recompute {
    fn definition(&self, dataflow: &str) -> Result<&Definition> {
        let found = self.definitions.iter().find(|definition| definition.name() == dataflow);
        found.ok_or_else(|| {
            Error::new(Kind::Missing, format!("dataflow {dataflow:?} is not in this binary"))
        })
    }
}

impl History for Recompute {
    fn at(&self, dataflow: &str, upper: Epoch, from_scratch: bool) -> Result<Index> {
        let definition = self.definition(dataflow)?;
        let served = self.statuses.iter().find(|(name, ..)| name == dataflow);
        let others = served.map_or(1, |(_, _, workers)| workers + 1);
        let cluster = Cluster::local(if from_scratch { others } else { 1 });
        self.system.recompute(definition, upper, cluster, from_scratch)
    }

    fn between(&self, dataflow: &str, from: Epoch, upper: Epoch) -> Result<Index> {
        let definition = self.definition(dataflow)?;
        let (found, _) = self.system.newest(&definition.describe()?, from)?;
        let boundary = match found {
            Some(view) => Boundary::Restore(view.boundary()),
            None => Boundary::InPlace(from),
        };
        self.system.recompute_changes(definition, boundary, upper, Cluster::local(1))
    }

    fn graph(&self, dataflow: &str) -> Result<Graph> {
        let Some(profile) = &self.profile else {
            let message = format!("no figures are kept of the operators of {dataflow:?}");
            return Err(Error::new(Kind::Missing, message)
                .remedy("serve it with ServeOptions::profiled, as `serve --listen` does"));
        };
        profile.graph(dataflow).ok_or_else(|| {
            Error::new(Kind::Missing, format!("dataflow {dataflow:?} was never installed here"))
        })
    }

    fn rebuild(&self, dataflow: &str) -> Result<Rebuild> {
        self.definition(dataflow)?;
        self.desk.ask(dataflow)
    }

    fn failure(&self, dataflow: &str) -> Option<Error> {
        let (_, status, _) = self.statuses.iter().find(|(name, ..)| name == dataflow)?;
        status.error()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServeOptions;

    #[test]
    fn figures_of_operators_are_kept_when_asked_for() {
        let system = System::in_memory();
        let flows = [Definition::new("word_count", crate::dataflows::word_count)];
        let writer = system.writer().expect("a writer");
        let graph = |profiled| {
            let options = ServeOptions::default().writer(&writer).profiled(profiled);
            let served = system.serve(&flows, options).expect("served");
            let site = system.site(&served, &flows, None).expect("a site");
            site.history.graph("word_count")
        };
        let error = graph(false).map(|_| ()).expect_err("nothing is kept");
        assert!(error.to_string().contains("ServeOptions::profiled"), "{error}");
        let names: Vec<_> =
            graph(true).expect("a graph").operators.into_iter().map(|one| one.name).collect();
        assert!(names.iter().any(|name| name == "Own: words"), "{names:?}");
    }
}
