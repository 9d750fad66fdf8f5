//! Standard input of `serve`: appends its lines to the log. A line that is not a record is data,
//! too, and ends nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use super::args::OnErrorArg;
use super::dataflow_catalog::StreamTarget;
use super::row_printer::grouped;
use super::signal;
use diptych_base::error::{Error, Kind, Result};
use diptych_log::{Append, Writer};
use diptych_sources as sources;

/// Skipped lines that are reported one by one in each [`SPAN`]; of others only the number is.
const SAID: u64 = 10;
/// The length of a span.
const SPAN: Duration = Duration::from_secs(10);
/// Appends in flight at once: they share a sync.
const IN_FLIGHT: usize = 4;

/// The thread that appends standard input to the log.
pub(super) struct Input(thread::JoinHandle<Result<u64>>);

impl Input {
    /// Starts to read, until the end or until told to stop. Skipped lines are added to `skipped`.
    pub(super) fn start(
        StreamTarget { stream, schema }: StreamTarget,
        writer: Arc<Writer>,
        on_error: OnErrorArg,
        skipped: Arc<AtomicU64>,
    ) -> Input {
        Input(thread::spawn(move || {
            let mut waiting = VecDeque::new();
            let mut skips = Skips { count: skipped, begun: Instant::now(), said: 0, unsaid: 0 };
            let bad = |error: Error| match on_error {
                OnErrorArg::Skip => {
                    skips.add(&error);
                    Ok(())
                }
                OnErrorArg::Stop => Err(error.remedy(
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

    /// Whether the input has ended.
    pub(super) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// Waits for the end of the input, and gives the number of events appended.
    ///
    /// # Errors
    /// When the log failed, or a line was not a record and none is to be skipped.
    pub(super) fn finish(self) -> Result<u64> {
        let lost = || Error::new(Kind::Stopped, "the reader of standard input panicked");
        self.0.join().unwrap_or_else(|_| Err(lost()))
    }
}

/// Reports skipped lines, at a bounded rate.
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
