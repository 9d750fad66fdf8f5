//! Standard input of `serve` on its way into the log: a line that is no record is data, too, and
//! ends nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use super::catalog::Target;
use super::ingest::OnError;
use super::row_printer::grouped;
use super::signal;
use diptych_base::error::{Error, Kind, Result};
use diptych_log::{Append, Writer};
use diptych_sources as sources;

/// How many skipped lines are said one by one in each span of [`SPAN`]; of others only how many.
const SAID: u64 = 10;
/// How long such a span is.
const SPAN: Duration = Duration::from_secs(10);
/// Appends on their way to the disk at once: they share a sync.
const IN_FLIGHT: usize = 4;

/// Standard input on its way into the log.
pub(super) struct Input(thread::JoinHandle<Result<u64>>);

impl Input {
    /// Reads until the end, or until somebody says stop. Skipped lines are added to `skipped`.
    pub(super) fn start(
        Target { stream, schema }: Target,
        writer: Arc<Writer>,
        on_error: OnError,
        skipped: Arc<AtomicU64>,
    ) -> Input {
        Input(thread::spawn(move || {
            let mut waiting = VecDeque::new();
            let mut skips = Skips { count: skipped, begun: Instant::now(), said: 0, unsaid: 0 };
            let bad = |error: Error| match on_error {
                OnError::Skip => {
                    skips.add(&error);
                    Ok(())
                }
                OnError::Stop => Err(error.remedy(
                    "the records before it are appended: mend it and send the rest again, or skip \
                     such lines: --on-error skip",
                )),
            };
            let append = |rows| {
                waiting.push_back(writer.append(Append::rows(&stream, rows))?);
                while waiting.len() > IN_FLIGHT {
                    let Some(pending) = waiting.pop_front() else { break };
                    pending.wait()?;
                }
                Ok(())
            };
            let input = std::io::stdin();
            let name = "standard input";
            let outcome = sources::follow(input, name, &schema, signal::stopped, bad, append);
            skips.finish();
            for pending in waiting {
                pending.wait()?;
            }
            outcome
        }))
    }

    /// Is there nothing more to come?
    pub(super) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// The events that were appended, when there is nothing more to come.
    ///
    /// # Errors
    /// When the log failed, or a line was no record and none is to be skipped.
    pub(super) fn finish(self) -> Result<u64> {
        let lost = || Error::new(Kind::Stopped, "the reader of standard input panicked");
        self.0.join().unwrap_or_else(|_| Err(lost()))
    }
}

/// Says which lines were skipped, but not more of them than somebody reads.
struct Skips {
    count: Arc<AtomicU64>,
    begun: Instant,
    said: u64,
    unsaid: u64,
}

impl Skips {
    fn add(&mut self, error: &Error) {
        self.count.fetch_add(1, Relaxed);
        if self.begun.elapsed() >= SPAN {
            self.rest();
            (self.begun, self.said) = (Instant::now(), 0);
        }
        if self.said < SAID {
            self.said += 1;
            tracing::warn!("{error}: it is skipped");
        } else {
            self.unsaid += 1;
        }
    }

    fn rest(&mut self) {
        if self.unsaid > 0 {
            tracing::warn!("standard input: {} more lines were skipped", grouped(self.unsaid));
            self.unsaid = 0;
        }
    }

    fn finish(mut self) {
        self.rest();
        let all = self.count.load(Relaxed);
        if all > 0 {
            tracing::warn!("standard input: {} of its lines were no records", grouped(all));
        }
    }
}
