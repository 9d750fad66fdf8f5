//! What happens when code panics on a worker thread.
//!
//! timely has no way to lose one worker: if a thread unwinds, the others wait for its progress for
//! ever. So a panic on a worker thread aborts the process after naming dataflow and epoch, unless
//! it happens in the linear front, where nothing of timely is on the stack and it can be caught.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

use crate::time::Epoch;

thread_local! {
    static IN_FRONT: Cell<bool> = const { Cell::new(false) };
    static WORKING_ON: RefCell<Option<String>> = const { RefCell::new(None) };
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Declares this thread a worker: from now on a panic behind the barrier aborts the process.
/// `what` names the dataflow.
pub(crate) fn abort_on_panic(what: &str) {
    install_hook();
    WORKING_ON.set(Some(what.to_owned()));
}

/// Notes how far the worker is, for the message of a panic.
pub(super) fn working_on(dataflow: &str, epoch: Epoch) {
    use std::fmt::Write;
    WORKING_ON.with_borrow_mut(|place| {
        let place = place.get_or_insert_default();
        place.clear();
        // Writing to a String cannot fail.
        let _ = write!(place, "dataflow {dataflow:?}, epoch {epoch}");
    });
}

/// Runs front code; a panic comes back as its message and source location.
pub(super) fn in_front<T>(logic: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    IN_FRONT.set(true);
    // The combiner may be half updated after a panic: the caller throws it away.
    let outcome = catch_unwind(AssertUnwindSafe(logic));
    IN_FRONT.set(false);
    outcome.map_err(|_| CAUGHT.take().unwrap_or_else(|| "no message".to_owned()))
}

fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if IN_FRONT.get() {
                CAUGHT.set(Some(describe(info)));
                return;
            }
            let place = WORKING_ON.with_borrow(Clone::clone);
            match place {
                None => default(info),
                Some(place) => {
                    eprintln!("error: a worker panicked in {place}: {}", describe(info));
                    eprintln!(
                        "the process stops, because its other workers would wait for ever; what \
                         was acknowledged is in the log: mend the function and start again"
                    );
                    std::process::abort();
                }
            }
        }));
    });
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let message = payload.downcast_ref::<&str>().copied();
    let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = message.unwrap_or("a panic without a message");
    match info.location() {
        Some(at) => format!("{message} (at {at})"),
        None => message.to_owned(),
    }
}
