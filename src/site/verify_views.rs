//! Verification: recomputes the views from the events alone and compares them with the served rows.

use std::sync::Arc;
use std::time::Instant;

use super::blocking::blocking;
use super::recomputation_queue::Span;
use super::site::{Flow, Site};
use diptych_base::error::{Error, Kind, Result};
use diptych_serving::{Read, Verdict};

impl Site {
    /// Recomputes all views of `flow` from the events alone, on other workers, and compares them
    /// with the served rows of the same epoch. When they agree, later reads of the verified epoch
    /// are answered from the recomputation.
    ///
    /// # Errors
    /// When no epoch is complete yet, too many recomputations wait, or this one fails.
    pub async fn verify(&self, flow: &Flow) -> Result<Verdict> {
        let begun = Instant::now();
        let served = flow.serving.snapshot(Read::Latest)?;
        if served.epoch().is_none() {
            let message = format!("dataflow {:?} has no epoch yet", flow.name);
            return Err(Error::new(Kind::Missing, message).remedy("append events first"));
        }
        // The recomputation waits in a queue, and then takes as long as a batch run.
        served.keep()?;
        let span = Span::Scratch(served.upper());
        let asked = self.load.replays.ask(&self.control, &flow.name, span, served.since());
        let replayed = asked?.wait().await?;
        let serving = Arc::clone(&flow.serving);
        blocking(move || serving.verified().judge(&served, &replayed.index, begun)).await
    }
}
