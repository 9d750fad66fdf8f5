//! Is what is served what the events say? Recomputed from them alone, and compared.

use std::sync::Arc;
use std::time::Instant;

use super::read_mode::blocking;
use super::replays::Span;
use super::site::{Flow, Site};
use diptych_base::error::{Error, Kind, Result};
use diptych_serving::{Read, Verdict};

impl Site {
    /// Recomputes all views of `flow` from the events alone, by other workers, and compares them
    /// with what is served at the same epoch. When they agree, reads that ask for what is verified
    /// are answered from the recomputation from now on.
    ///
    /// # Errors
    /// When nothing is complete yet, too many recomputations wait, or this one fails.
    pub async fn verify(&self, flow: &Flow) -> Result<Verdict> {
        let begun = Instant::now();
        let served = flow.serving.snapshot(Read::Latest)?;
        if served.epoch().is_none() {
            let message = format!("dataflow {:?} has no epoch yet", flow.name);
            return Err(Error::new(Kind::Missing, message).remedy("append events first"));
        }
        // It waits in a queue, and then as long as a batch run takes.
        served.keep()?;
        let span = Span::Scratch(served.upper());
        let asked = self.load.replays.ask(&self.control, &flow.name, span, served.since());
        let replayed = asked?.wait().await?;
        let serving = Arc::clone(&flow.serving);
        blocking(move || serving.verified().judge(&served, &replayed.index, begun)).await
    }
}
