//! The dataflows of `serve` that have not reached the boundary at which they start.
//!
//! Each gets there by itself: those that have reached it are served, checkpointed and handed over
//! while the others still feed their history.

use std::time::Instant;

use super::progress_bar::Watching;
use diptych_base::error::Result;
use diptych_system::Served;

/// Dataflows on their way to their boundaries.
pub(super) struct Starting {
    begun: Instant,
    pending: Vec<String>,
    /// The progress of the first of them, and its name.
    bar: Option<(String, Watching)>,
}

/// How far a dataflow came.
enum Reached {
    Boundary,
    /// An empty log has no boundary to reach.
    Nothing,
    Failure,
    NotYet,
}

impl Starting {
    pub(super) fn new(dataflows: &[String]) -> Starting {
        Starting { begun: Instant::now(), pending: dataflows.to_vec(), bar: None }
    }

    /// Whether some dataflow has not reached its boundary.
    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Logs which dataflows have reached their boundary since the last look.
    ///
    /// # Errors
    /// When the log cannot be read any more, or what was restored is not what its batch view holds.
    pub(super) fn look(&mut self, served: &Served) -> Result<()> {
        let mut pending = Vec::new();
        for name in std::mem::take(&mut self.pending) {
            let reached = reached(served, &name)?;
            if let Reached::NotYet = reached {
                pending.push(name);
                continue;
            }
            self.bar.take_if(|(shown, _)| *shown == name);
            match reached {
                Reached::Boundary => {
                    let boundary = served.index(&name)?.boundary();
                    let took = self.begun.elapsed().as_secs_f64();
                    tracing::info!("{name}: boundary F = {boundary}, {took:.2} s");
                }
                Reached::Nothing => tracing::info!("{name}: the log is empty"),
                Reached::Failure | Reached::NotYet => {}
            }
        }
        self.pending = pending;
        if let (None, Some(first)) = (&self.bar, self.pending.first()) {
            self.bar = Some((first.clone(), Watching::start(first, served.progress(first)?)));
        }
        Ok(())
    }

    /// Gives up the dataflows that are on their way, at a stop. True when there are some.
    pub(super) fn give_up(self, served: &Served) -> bool {
        drop(self.bar);
        for name in &self.pending {
            tracing::info!(
                "{name}: stopped before it was up: no checkpoint is made of it, the log has \
                 everything"
            );
        }
        if !self.pending.is_empty() {
            served.give_up_starting();
        }
        !self.pending.is_empty()
    }
}

fn reached(served: &Served, name: &str) -> Result<Reached> {
    served.check()?;
    let index = served.index(name)?;
    if index.frontier() > 0 && index.base_checked()? {
        return Ok(Reached::Boundary);
    }
    if served.failure(name).is_some() {
        return Ok(Reached::Failure);
    }
    if index.boundary() == 0 && served.reader().upper()? == 0 {
        return Ok(Reached::Nothing);
    }
    Ok(Reached::NotYet)
}
