//! Ctrl-C and SIGTERM: the first signal asks to stop, the second ends the process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use diptych_base::error::{Error, Kind, Result};

static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Makes signals ask to stop instead of ending the process.
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

/// Leaves signals to the process that started this one.
///
/// # Errors
/// When the system refuses a handler.
pub(super) fn ignore() -> Result<()> {
    install(|| {})
}

/// What becomes true when a signal asks to stop.
pub(super) fn flag() -> Arc<AtomicBool> {
    Arc::clone(&STOP)
}

/// Whether a signal has asked to stop.
pub(super) fn stopped() -> bool {
    STOP.load(Ordering::Acquire)
}

fn install(handler: impl FnMut() + Send + 'static) -> Result<()> {
    static ONCE: OnceLock<Result<()>> = OnceLock::new();
    let refused = |error| Error::new(Kind::Io, format!("signals: {error}"));
    ONCE.get_or_init(|| ctrlc::set_handler(handler).map_err(refused)).clone()
}
