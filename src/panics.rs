//! Panics: caught where nothing is harmed by them, the end of the process where others would wait.
//!
//! [`caught`] is for code that is not ours and works on values of its own: a user's closures in
//! the linear front, Arrow's decoders on bytes that are damaged in spite of a right checksum.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
    static WORKING_ON: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `logic`; a panic comes back as its message and source location, and is not printed. What
/// `logic` has changed outside itself may be half done: the caller throws it away.
pub(crate) fn caught<T>(logic: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    let before = CATCHING.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(logic));
    CATCHING.set(before);
    outcome.map_err(|_| CAUGHT.take().unwrap_or_else(|| "no message".to_owned()))
}

/// From now on a panic of this thread that is not [`caught`] aborts the process; `what` is named.
pub(crate) fn abort_on_panic(what: &str) {
    install_hook();
    WORKING_ON.set(Some(what.to_owned()));
}

/// Changes what is named, in place.
pub(crate) fn working_on(change: impl FnOnce(&mut String)) {
    WORKING_ON.with_borrow_mut(|place| change(place.get_or_insert_default()));
}

fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CATCHING.get() {
                CAUGHT.set(Some(describe(info)));
                return;
            }
            let place = WORKING_ON.with_borrow(Clone::clone);
            match place {
                None => default(info),
                Some(place) => abort(&place, &describe(info)),
            }
        }));
    });
}

fn abort(place: &str, panic: &str) -> ! {
    eprintln!("error: a worker panicked in {place}: {panic}");
    eprintln!(
        "the process stops, because its other workers would wait for ever; what was acknowledged \
         is in the log: mend the function and start again"
    );
    std::process::abort();
}

/// A worker of a computation that may be lost without harm: nobody reads from it yet.
///
/// Runs `logic`; a panic comes back as its message while `on_trial` says so. Afterwards it ends the
/// process, as [`abort_on_panic`] says. The caller gives the computation up and ends this thread
/// by [`end_thread`].
pub(crate) fn on_trial<T>(
    on_trial: impl Fn() -> bool,
    logic: impl FnOnce() -> T,
) -> Result<T, String> {
    caught(logic).map_err(|panic| {
        let place = WORKING_ON.with_borrow(Clone::clone).unwrap_or_default();
        if on_trial() {
            return format!("{place}: {panic}");
        }
        abort(&place, &panic)
    })
}

/// Ends this thread by unwinding, without a word: what it was doing cannot be gone on with.
pub(crate) fn end_thread(why: &str) -> ! {
    WORKING_ON.set(None);
    std::panic::resume_unwind(Box::new(why.to_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caught_panic_is_a_message_with_its_place() {
        let inner = || caught(|| panic!("inner")).map(|(): ()| ());
        let outcome = caught(|| {
            assert!(inner().is_err_and(|said| said.starts_with("inner (at ")));
            panic!("outer {}", 1)
        });
        assert!(outcome.is_err_and(|said: String| said.starts_with("outer 1 (at ")));
        assert_eq!(caught(|| 1), Ok(1));
    }
}
