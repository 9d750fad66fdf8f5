//! Panics: caught where code that is not ours runs, the end of the process where others would wait.
//!
//! [`caught`] is for code that is not ours and works on values of its own: a user's function, in
//! the linear front and behind it, Arrow's decoders on bytes that are damaged in spite of a right
//! checksum.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

use crate::harmless::harmless;
use crate::limits::PANIC_MESSAGE_BYTES;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
    static WORKER_OF: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Runs `logic`; a panic comes back as its message and source location, and is not printed. What
/// `logic` has changed outside itself may be half done: the caller throws it away.
pub(crate) fn caught<T>(logic: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    let (before, earlier) = (CATCHING.replace(true), CAUGHT.take());
    let outcome = catch_unwind(AssertUnwindSafe(logic)).map_err(|payload| {
        // None when it was resumed, or somebody has put another hook in the place of ours.
        let said = CAUGHT.take().unwrap_or_else(|| message(&*payload).to_owned());
        // What was panicked with may panic when it is dropped, too; it stays where it is then.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        dropped.unwrap_or_else(std::mem::forget);
        said
    });
    CATCHING.set(before);
    CAUGHT.set(earlier);
    outcome
}

/// From now on a panic of this thread that is not [`caught`] aborts the process, after naming
/// `what`.
pub(crate) fn abort_on_panic(what: &'static str) {
    install_hook();
    WORKER_OF.set(Some(what));
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
            match WORKER_OF.get() {
                None => default(info),
                Some(what) => abort(what, &describe(info)),
            }
        }));
    });
}

fn abort(what: &str, panic: &str) -> ! {
    eprintln!("error: a worker of {what} panicked, outside of all dataflows: {panic}");
    eprintln!(
        "the process stops, because its other workers would wait for ever; what was acknowledged \
         is in the log: start again, and report this"
    );
    std::process::abort();
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = message(info.payload());
    // A value of any size may have been shown.
    let message = harmless(&message[..message.floor_char_boundary(PANIC_MESSAGE_BYTES)]);
    match info.location() {
        Some(at) => format!("{message} (at {at})"),
        None => message.into_owned(),
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message")
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

    #[test]
    fn anything_may_be_panicked_with() {
        struct Explosive;
        impl Drop for Explosive {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let outcome: Result<(), _> = caught(|| std::panic::panic_any(Explosive));
        assert!(outcome.is_err_and(|said| said.starts_with("a panic without a message (at ")));
        let resumed: Result<(), _> = caught(|| std::panic::resume_unwind(Box::new("resumed")));
        assert_eq!(resumed, Err("resumed".to_owned()));
        let long: Result<(), _> = caught(|| panic!("{}", "ä".repeat(PANIC_MESSAGE_BYTES)));
        assert!(long.is_err_and(|said| said.len() < PANIC_MESSAGE_BYTES + 200));
    }

    #[test]
    fn a_panic_that_is_caught_while_another_unwinds_leaves_its_message() {
        struct Inner;
        impl Drop for Inner {
            fn drop(&mut self) {
                assert!(caught(|| panic!("inner")).map(|(): ()| ()).is_err());
            }
        }
        let outcome: Result<(), _> = caught(|| {
            let _inner = Inner;
            panic!("outer")
        });
        assert!(outcome.is_err_and(|said| said.starts_with("outer (at ")));
    }
}
