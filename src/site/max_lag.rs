//! The lag bound: how far readers may be behind the log before appends are refused.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::site::Site;
use diptych_base::error::{Error, Kind, Result};
use diptych_log::{Backlog, Writer};

/// How far the readers of a dataflow may be behind the log before events for it are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxLag {
    /// This many epochs.
    Epochs(u64),
    /// The time for which the first epoch that readers do not see has been durable.
    Time(Duration),
}

impl MaxLag {
    fn is_exceeded(self, backlog: &Backlog) -> bool {
        match self {
            MaxLag::Epochs(epochs) => backlog.epochs > epochs,
            MaxLag::Time(time) => backlog.age > time,
        }
    }
}

impl fmt::Display for MaxLag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaxLag::Epochs(epochs) => write!(f, "{epochs} epochs"),
            MaxLag::Time(time) => write!(f, "{time:?}"),
        }
    }
}

impl Site {
    /// Refuses events for `streams` while a dataflow that reads one of them lags too far. A
    /// dataflow that has failed does not count: it would never catch up.
    ///
    /// # Errors
    /// Busy, when the readers of a dataflow that reads one of the streams are too far behind.
    pub fn admit(&self, writer: &Writer, streams: &[Arc<str>]) -> Result<()> {
        let Some(most) = self.max_lag.get() else { return Ok(()) };
        let reads = |name: &String| streams.iter().any(|stream| **stream == **name);
        for flow in self.flows.iter().filter(|flow| flow.streams().iter().any(reads)) {
            let backlog = writer.backlog(flow.serving.index().frontier());
            if most.is_exceeded(&backlog) && self.control.failure(&flow.name).is_none() {
                let name = &flow.name;
                let Backlog { epochs, age, .. } = backlog;
                let message = format!(
                    "dataflow {name:?} is {epochs} epochs and {age:.1?} behind the log, more than \
                     {most}"
                );
                let remedy = "nothing was appended: send it again later, or raise --max-lag";
                return Err(Error::new(Kind::Busy, message).remedy(remedy));
            }
        }
        Ok(())
    }
}
