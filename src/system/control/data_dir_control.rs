//! The implementation of [`Control`] over a data directory: recomputation from the log, rebuilds,
//! deployments.

use std::sync::Arc;

use super::super::system::System;
use super::{Control, DeployRequest, Deployed, Rebuild, Stream, Turn};
use crate::deploy::deploy;
use crate::rebuild_queue::RebuildQueue;
use crate::version_registry::{Current, Running};
use crate::{Boundary, DeployOptions, Served};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Space, beside};
use diptych_base::limits::REPLAYED_CHANGES_BYTES_MAX;
use diptych_base::time::Epoch;
use diptych_dataflow::{Definition, Graph, StateSize};
use diptych_engine::Cluster;
use diptych_log::{Reader, Writer};
use diptych_serving::{Index, Serving};

/// The parts from which the control port is built.
pub(crate) struct Parts {
    pub(crate) current: Arc<Current>,
    pub(crate) queue: Arc<RebuildQueue>,
    pub(crate) reader: Arc<Reader>,
    /// The workers of deployed versions.
    pub(crate) cluster: Cluster,
    pub(crate) profiled: bool,
}

/// A served dataflow, as servers know it.
pub struct ControlledDataflow {
    /// Its name.
    pub name: String,
    /// The streams that it reads.
    pub streams: Vec<String>,
    /// The handle of readers, which follows cutovers.
    pub serving: Arc<Serving>,
}

/// The dataflows, streams and control port that servers answer from.
pub struct Controlled {
    /// The dataflows that are served.
    pub dataflows: Vec<ControlledDataflow>,
    /// Their streams, each once.
    pub streams: Vec<Stream>,
    /// The reader of the log.
    pub reader: Arc<Reader>,
    /// The control port.
    pub control: Arc<dyn Control>,
}

impl System {
    /// The dataflows of `served` and the control port for servers; `definitions` are the versions
    /// that may be deployed later. `writer` is the log's when this process appends.
    ///
    /// # Errors
    /// When two dataflows read one stream as different types.
    pub fn control(
        &self,
        served: &Served,
        definitions: &[Definition],
        writer: Option<Arc<Writer>>,
    ) -> Result<Controlled> {
        let parts = Parts {
            current: Arc::clone(&served.current),
            queue: Arc::clone(&served.queue),
            reader: Arc::clone(served.reader()),
            cluster: Cluster::local(served.cluster.workers),
            profiled: served.live.profile().is_some(),
        };
        self.control_of(parts, definitions, writer)
    }

    /// Builds the result of [`System::control`] from its parts.
    pub(crate) fn control_of(
        &self,
        parts: Parts,
        definitions: &[Definition],
        writer: Option<Arc<Writer>>,
    ) -> Result<Controlled> {
        let Parts { current, queue, reader, cluster, profiled } = parts;
        let mut dataflows = Vec::new();
        let mut streams: Vec<Stream> = Vec::new();
        for running in current.all() {
            let description = &running.description;
            dataflows.push(ControlledDataflow {
                name: description.name.clone(),
                streams: description.streams.iter().map(|stream| stream.name.clone()).collect(),
                serving: Arc::clone(&running.serving),
            });
            for stream in &description.streams {
                match streams.iter().find(|known| known.name == stream.name) {
                    None => streams.push(Stream::of(stream)),
                    Some(known) if known.schema != stream.schema => {
                        return Err(two_types(&stream.name, &description.name));
                    }
                    Some(_) => {}
                }
            }
        }
        let definitions = definitions.to_vec();
        let system = self.clone();
        let control = Recompute { system, definitions, current, queue, writer, cluster, profiled };
        Ok(Controlled { dataflows, streams, reader, control: Arc::new(control) })
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

/// Recomputes from the log, on one worker, or on one more than serve as an independent check.
struct Recompute {
    system: System,
    /// All versions that may be deployed.
    definitions: Vec<Definition>,
    current: Arc<Current>,
    queue: Arc<RebuildQueue>,
    writer: Option<Arc<Writer>>,
    /// The workers of deployed versions.
    cluster: Cluster,
    profiled: bool,
}

impl Recompute {
    /// The version of `dataflow` to deploy: the requested one, or the only one that does not serve.
    fn choose(&self, dataflow: &str, version: Option<&str>) -> Result<&Definition> {
        let serves = self.current.find(dataflow).map(|running| running.description.version);
        let mut known = Vec::new();
        for definition in self.definitions.iter().filter(|one| one.name() == dataflow) {
            known.push((definition.describe()?.version, definition));
        }
        let mut fit = known.iter().filter(|(known, _)| match version {
            Some(version) => known == version,
            None => serves.as_ref() != Some(known),
        });
        match (fit.next(), fit.next()) {
            (Some((_, definition)), None) => Ok(definition),
            (found, _) => {
                let names: Vec<_> = known.iter().map(|(version, _)| version.as_str()).collect();
                let which = version.map_or_else(String::new, |version| format!(" {version:?}"));
                let message = match (found, names.is_empty()) {
                    (_, true) => format!("dataflow {dataflow:?} is not in this binary"),
                    (None, _) => format!("there is no other version{which} of {dataflow:?} here"),
                    (Some(_), _) => format!("there are several versions of {dataflow:?} here"),
                };
                let kind = if found.is_some() { Kind::Input } else { Kind::Missing };
                Err(Error::new(kind, message).remedy(format!("name one of: {}", names.join(", "))))
            }
        }
    }
}

impl Control for Recompute {
    fn at(&self, dataflow: &str, upper: Epoch, from_scratch: bool) -> Result<Index> {
        let running = self.current.get(dataflow)?;
        let Some(epoch) = upper.checked_sub(1).filter(|_| !from_scratch) else {
            let cluster = Cluster::local(running.shards + 1);
            return self.system.recompute(&running.definition, upper, cluster, from_scratch);
        };
        let past = beside(|| self.system.as_of(&running.definition, epoch, Cluster::local(1)));
        let past = past?;
        past.passed_over.iter().for_each(|error| tracing::warn!("{dataflow}: {error}"));
        Ok(past.index)
    }

    fn between(&self, dataflow: &str, from: Epoch, upper: Epoch) -> Result<Index> {
        let Running { definition, .. } = self.current.get(dataflow)?;
        let (found, _) = self.system.fitting(&definition, from, from)?;
        let boundary = match found {
            Some(view) => Boundary::Restore(view.boundary()),
            None => Boundary::InPlace(from),
        };
        let system = &self.system;
        let bytes = REPLAYED_CHANGES_BYTES_MAX;
        system.recompute_changes(&definition, boundary, upper, Cluster::local(1), bytes)
    }

    fn graph(&self, dataflow: &str) -> Result<Graph> {
        let Some(profile) = self.current.get(dataflow)?.profile else {
            let message = format!("no figures are kept of the operators of {dataflow:?}");
            return Err(Error::new(Kind::Missing, message)
                .remedy("serve it with ServeOptions::profiled, as `serve --listen` does"));
        };
        profile.graph(dataflow).ok_or_else(|| {
            Error::new(Kind::Missing, format!("dataflow {dataflow:?} was never installed here"))
        })
    }

    fn rebuild(&self, dataflow: &str, accept: bool) -> Result<Rebuild> {
        self.current.get(dataflow)?;
        self.queue.ask(dataflow, accept)
    }

    fn failure(&self, dataflow: &str) -> Option<Error> {
        self.current.find(dataflow)?.status.error()
    }

    fn turn(&self) -> Result<Turn> {
        self.current.turn()
    }

    fn late_events(&self, dataflow: &str) -> u64 {
        self.current.find(dataflow).map_or(0, |running| running.status.late())
    }

    fn state_size(&self, dataflow: &str) -> StateSize {
        self.current.find(dataflow).map(|running| running.status.state_size()).unwrap_or_default()
    }

    fn rebuilding(&self, dataflow: &str) -> Option<String> {
        self.current.find(dataflow)?.status.held().map(|held| held.to_string())
    }

    fn checkpoint_failure(&self, dataflow: &str) -> Option<Error> {
        self.queue.failure(dataflow)
    }

    fn space(&self) -> Result<Option<Space>> {
        self.system.disk.space(&self.system.root)
    }

    fn deploy(
        &self,
        dataflow: &str,
        version: Option<&str>,
        wanted: DeployRequest,
        turn: &Turn,
    ) -> Result<Deployed> {
        let definition = self.choose(dataflow, version)?;
        let options = DeployOptions {
            cluster: self.cluster.clone(),
            writer: self.writer.clone(),
            samples: wanted.samples,
            diff_only: wanted.diff_only,
            other_columns: wanted.other_columns,
            index: self.current.index_options(),
            memory: self.current.memory(),
            profiled: self.profiled,
            ..DeployOptions::default()
        };
        deploy(&self.system, &self.current, definition, &options, turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServeOptions;

    #[test]
    fn figures_of_operators_are_kept_when_asked_for() {
        let system = System::in_memory();
        let flows = [Definition::new("word_count", dataflows::word_count)];
        let writer = system.writer().expect("a writer");
        let graph = |profiled| {
            let options = ServeOptions::default().writer(&writer).profiled(profiled);
            let served = system.serve(&flows, options).expect("served");
            let controlled = system.control(&served, &flows, None).expect("control");
            controlled.control.graph("word_count")
        };
        let error = graph(false).map(|_| ()).expect_err("nothing is kept");
        assert!(error.to_string().contains("ServeOptions::profiled"), "{error}");
        let names: Vec<_> =
            graph(true).expect("a graph").operators.into_iter().map(|one| one.name).collect();
        assert!(names.iter().any(|name| name == "Own: words"), "{names:?}");
    }
}
