//! Exit codes, and how a failure is told.

use std::process::ExitCode;

use super::logging;
use diptych_base::error::Error;
use diptych_base::panics;

/// The exit code when the layers disagree.
pub(super) const DISAGREE: u8 = 1;

/// Reports an error on standard error, and gives its exit code.
pub(super) fn failed(error: &Error) -> ExitCode {
    if logging::are_json() {
        tracing::error!("{error}");
    } else {
        eprintln!("error: {error}");
    }
    if let Some(panic) = panics::last().filter(|_| error.is_panic()) {
        eprintln!("{panic}");
    }
    ExitCode::from(error.exit_code())
}
