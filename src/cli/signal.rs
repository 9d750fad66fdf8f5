//! Ctrl-C and SIGTERM: the first asks to stop, the second ends the process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use diptych_base::error::{Error, Kind, Result};

static STOP: AtomicBool = AtomicBool::new(false);

/// From now on signals ask to stop instead of ending the process.
///
/// # Errors
/// When the system refuses a handler.
pub(super) fn watch() -> Result<()> {
    install(|| {
        if STOP.swap(true, Ordering::AcqRel) {
            std::process::exit(130);
        }
    })
}

/// From now on signals are left to the process that started this one.
///
/// # Errors
/// When the system refuses a handler.
pub(super) fn ignore() -> Result<()> {
    install(|| {})
}

/// Has somebody asked to stop?
pub(super) fn stopped() -> bool {
    STOP.load(Ordering::Acquire)
}

fn install(handler: impl FnMut() + Send + 'static) -> Result<()> {
    static ONCE: OnceLock<Result<()>> = OnceLock::new();
    let refused = |error| Error::new(Kind::Io, format!("signals: {error}"));
    ONCE.get_or_init(|| ctrlc::set_handler(handler).map_err(refused)).clone()
}
