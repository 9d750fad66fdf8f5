//! The end of a process that cannot append. One whose disk takes nothing at its start still answers
//! reads; one whose log has stopped informs its readers and ends, with an exit code of its own, so
//! that a supervisor starts another.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use super::exit_code::failed;
use diptych_base::error::{Error, Result};
use diptych_base::limits::LOG_STOPPED_GRACE;
use diptych_log::Writer;
use diptych_system::System;

/// The exit code of a process whose log has stopped.
const LOG_STOPPED: u8 = 11;

/// The state of a serving process whose log may stop.
#[derive(Default)]
pub(super) struct LogWatch {
    since: Option<Instant>,
}

impl LogWatch {
    /// Whether the log has stopped. Readers are still answered for a while, if there are any
    /// (`readers`).
    ///
    /// # Errors
    /// The reason why it stopped, when that while is over.
    pub(super) fn is_near(&mut self, writer: Option<&Writer>, readers: bool) -> Result<bool> {
        let Some(error) = writer.and_then(Writer::failure) else { return Ok(false) };
        if self.since.is_none() && readers {
            let seconds = LOG_STOPPED_GRACE.as_secs();
            tracing::error!("nothing is appended any more; this process ends in {seconds} s");
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if readers && since.elapsed() < LOG_STOPPED_GRACE { Ok(true) } else { Err(error) }
    }
}

/// Opens the log's writer. Where the disk takes nothing, and `reads` are useful without a writer,
/// gives the reason instead.
///
/// # Errors
/// As [`System::writer`].
pub(super) fn writer_or_refusal(
    system: &System,
    reads: bool,
) -> Result<(Option<Arc<Writer>>, Option<Error>)> {
    match system.writer() {
        Ok(writer) => Ok((Some(Arc::new(writer)), None)),
        Err(error) if reads && (error.is_full() || error.is_read_only()) => {
            tracing::warn!("the log cannot be written, reads are answered: {error}");
            Ok((None, Some(error)))
        }
        Err(error) => Err(error),
    }
}

/// Reports why the log has stopped, and that the process ended for that reason.
pub(super) fn log_stopped(error: &Error) -> ExitCode {
    failed(error);
    ExitCode::from(LOG_STOPPED)
}
