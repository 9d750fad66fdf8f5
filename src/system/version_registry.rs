//! The registry of the serving versions: a deployment changes it, all lookups by name read it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::Served;
use crate::control::{Turn, Turns};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::lock_mutex::lock;
use diptych_dataflow::{Definition, Description};
use diptych_engine::Profile;
use diptych_serving::{Index, IndexOptions, Serving};
use diptych_speed::LaneStatus;

/// The served dataflows, in the order in which they were added.
#[derive(Default)]
pub(super) struct Current {
    running: Mutex<Vec<Running>>,
    /// The versions deployed since the start, which are stopped with the rest.
    successors: Mutex<Vec<Successor>>,
    turns: Turns,
    /// The bytes that views and accumulations may have in memory; 0 for any.
    memory: AtomicU64,
}

/// A served dataflow in the version that serves now.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) definition: Definition,
    pub(super) description: Description,
    /// The handle of readers, which follows cutovers.
    pub(super) serving: Arc<Serving>,
    pub(super) status: Arc<LaneStatus>,
    pub(super) shards: usize,
    pub(super) processes: usize,
    pub(super) profile: Option<Arc<Profile>>,
}

struct Successor {
    dataflow: String,
    served: Served,
}

impl Running {
    pub(super) fn name(&self) -> &str {
        &self.description.name
    }

    /// The index that answers now.
    pub(super) fn index(&self) -> Arc<Index> {
        self.serving.index()
    }
}

impl Current {
    /// A registry of the dataflows served from the start.
    pub(super) fn new(running: Vec<Running>) -> Arc<Current> {
        Arc::new(Current { running: Mutex::new(running), ..Current::default() })
    }

    /// Bounds the memory of views and accumulations, also of versions that are deployed.
    pub(super) fn bound_memory(&self, bytes: Option<u64>) {
        self.memory.store(bytes.unwrap_or(0), Ordering::Relaxed);
    }

    /// The bound on the memory of views and accumulations, if there is one.
    pub(super) fn memory(&self) -> Option<u64> {
        Some(self.memory.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }

    /// The options of the index of a version that is deployed: its views are where those of the
    /// others are.
    pub(super) fn index_options(&self) -> IndexOptions {
        let in_files = |one: &Running| one.index().keeps_views_in_files();
        let views_in_files = lock(&self.running).iter().any(in_files);
        IndexOptions { views_in_files, ..IndexOptions::default() }
    }

    /// All served dataflows.
    pub(super) fn all(&self) -> Vec<Running> {
        lock(&self.running).clone()
    }

    /// The names of the dataflows.
    pub(super) fn names(&self) -> Vec<String> {
        lock(&self.running).iter().map(|one| one.name().to_owned()).collect()
    }

    /// The version of a dataflow that serves, if it is served.
    pub(super) fn find(&self, dataflow: &str) -> Option<Running> {
        lock(&self.running).iter().find(|one| one.name() == dataflow).cloned()
    }

    /// Whether the version of a dataflow that serves is the one with this status.
    pub(super) fn has_status(&self, dataflow: &str, status: &Arc<LaneStatus>) -> bool {
        let all = lock(&self.running);
        all.iter().any(|one| one.name() == dataflow && Arc::ptr_eq(&one.status, status))
    }

    /// The version of a dataflow that serves.
    ///
    /// # Errors
    /// When it is not served; the error lists those that are.
    pub(super) fn get(&self, dataflow: &str) -> Result<Running> {
        self.find(dataflow).ok_or_else(|| {
            Error::new(Kind::Missing, format!("dataflow {dataflow:?} is not served"))
                .remedy(format!("served are {}", self.names().join(", ")))
        })
    }

    /// Takes the turn to deploy: deployments come one after another.
    ///
    /// # Errors
    /// When another deployment is under way.
    pub(super) fn turn(&self) -> Result<Turn> {
        self.turns.take()
    }

    /// This is served from the start, in the place of what only answered.
    pub(super) fn begin(&self, running: Running) {
        let mut all = lock(&self.running);
        match all.iter_mut().find(|one| one.name() == running.name()) {
            Some(one) => *one = running,
            None => all.push(running),
        }
    }

    /// Registers `running`, kept live by `served`, as the serving version. Gives the handle of a
    /// predecessor that was deployed, too; a predecessor from the start is told to leave.
    pub(super) fn succeed(&self, running: Running, served: Served) -> Option<Served> {
        let dataflow = running.name().to_owned();
        let mut all = lock(&self.running);
        match all.iter_mut().find(|one| one.name() == dataflow) {
            Some(one) => std::mem::replace(one, running).status.retire(),
            None => all.push(running),
        }
        drop(all);
        let mut successors = lock(&self.successors);
        let before = successors.iter().position(|one| one.dataflow == dataflow);
        let before = before.map(|at| successors.swap_remove(at).served);
        successors.push(Successor { dataflow, served });
        before
    }

    /// Takes the deployed versions that still run; the caller stops them.
    pub(super) fn take(&self) -> Vec<Served> {
        std::mem::take(&mut *lock(&self.successors)).into_iter().map(|one| one.served).collect()
    }

    /// Calls `action` with all deployed versions that still run.
    pub(super) fn each_deployed(&self, action: impl Fn(&Served)) {
        lock(&self.successors).iter().for_each(|one| action(&one.served));
    }

    /// Checks that all deployed versions are still fed.
    ///
    /// # Errors
    /// The reason why one is not.
    pub(super) fn check(&self) -> Result<()> {
        lock(&self.successors).iter().try_for_each(|one| one.served.live.check())
    }
}
