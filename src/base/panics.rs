//! Panic policy: a panic of user code is caught, a panic of the engine ends the process.
//!
//! [`caught`] is for code from outside the engine on values of its own: a user's function, in the
//! linear front and behind the barrier, or Arrow's decoders on bytes that are damaged in spite of a
//! right checksum. Where a lone panicking thread would leave others waiting for ever, the process
//! aborts ([`abort_on_panic`]).
//!
//! A process that ends by a panic prints one line. The text of a panic of the engine and its
//! backtrace come below that line, and only when `RUST_BACKTRACE` asks for them.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, Once};

use crate::escaped_text::escaped;
use crate::limits::PANIC_MESSAGE_BYTES;
use crate::lock_mutex::lock;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
    static WORKER_OF: RefCell<Option<String>> = const { RefCell::new(None) };
    static PLACE: RefCell<Option<PanicPlace>> = const { RefCell::new(None) };
}

/// Describes what user code is working on: dataflow and epoch.
pub type PanicPlace = Rc<dyn Fn() -> String>;

/// The last caught panic with its backtrace, when backtraces are enabled.
static LAST: Mutex<Option<(String, Backtrace)>> = Mutex::new(None);

/// Whether the process runs this crate's command line.
static IS_OURS: AtomicBool = AtomicBool::new(false);

/// The texts that Rust prints before it aborts a process because a panic cannot unwind.
const CANNOT_UNWIND: [&str; 2] =
    ["panic in a destructor during cleanup", "panic in a function that cannot unwind"];

/// Runs `logic`; returns a panic as its message and source location, without printing it. Values
/// that `logic` changed outside itself may be half changed: the caller throws them away.
pub fn caught<T>(logic: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    let before = CATCHING.replace(true);
    let earlier = CAUGHT.take();
    let outcome = catch_unwind(AssertUnwindSafe(logic)).map_err(|payload| {
        // None when the panic was resumed, or another hook has replaced ours.
        let said = CAUGHT.take().unwrap_or_else(|| message(&*payload).to_owned());
        // The panic's payload may itself panic when dropped; it is leaked then.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        dropped.unwrap_or_else(std::mem::forget);
        said
    });
    CATCHING.set(before);
    CAUGHT.set(earlier);
    outcome
}

/// Runs `logic` as [`caught`] does; a panic that cannot be caught ends the process and names
/// `place`.
pub fn caught_at<T>(place: &PanicPlace, logic: impl FnOnce() -> T) -> Result<T, String> {
    let before = PLACE.replace(Some(Rc::clone(place)));
    let outcome = caught(logic);
    PLACE.set(before);
    outcome
}

/// The text and the backtrace of the last caught panic; none unless backtraces are enabled.
pub fn last() -> Option<String> {
    let last = lock(&LAST).take();
    last.map(|(text, trace)| format!("{text}\n{trace}"))
}

/// Makes a panic of any thread print one line, as other errors do, from now on: for processes of
/// this crate's command line.
pub fn tell_in_lines() {
    IS_OURS.store(true, Relaxed);
    install_hook();
}

/// Makes a panic of this thread that is not [`caught`] abort the process, after naming `what`.
pub fn abort_on_panic(what: String) {
    install_hook();
    WORKER_OF.set(Some(what));
}

fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CANNOT_UNWIND.contains(&message(info.payload())) {
                abort(&unstoppable(), &describe(info));
            }
            if CATCHING.get() {
                keep(&describe(info));
                return;
            }
            match WORKER_OF.take() {
                Some(what) => abort(&outside(&what), &describe(info)),
                None if IS_OURS.load(Relaxed) => {
                    let thread = std::thread::current();
                    let name = thread.name().unwrap_or("without a name");
                    let panic = describe(info);
                    tell(&format!("thread {name:?} panicked: {panic} (report this)"));
                    show(&panic, &Backtrace::capture());
                }
                None => default(info),
            }
        }));
    });
}

/// Keeps the text of a panic for the catching caller, and its backtrace if backtraces are enabled.
fn keep(panic: &str) {
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        let last = (panic.to_owned(), trace);
        *lock(&LAST) = Some(last);
    }
    CAUGHT.set(Some(panic.to_owned()));
}

fn outside(what: &str) -> String {
    format!(
        "a worker of {what} panicked outside of all dataflows: the process stops, because its \
         other workers would wait for ever (what was acknowledged is in the log: start again, and \
         report what RUST_BACKTRACE=1 shows)"
    )
}

fn unstoppable() -> String {
    // None while the place is being changed.
    let place = PLACE.with(|place| place.try_borrow().ok().and_then(|place| place.clone()));
    let place = place.map_or_else(|| "here".to_owned(), |place| place());
    let panic = CAUGHT.with(|caught| caught.try_borrow().ok().and_then(|caught| caught.clone()));
    let panic = panic.map_or_else(String::new, |panic| format!(": {panic}"));
    format!(
        "{place}: what a panic drops panicked, too, which ends the process{panic} (mend the \
         destructor, or retract the event; the log is intact; RUST_BACKTRACE=1 shows where)"
    )
}

fn abort(error: &str, panic: &str) -> ! {
    tell(error);
    show(panic, &Backtrace::capture());
    std::process::abort();
}

/// Reports an error: to the log, if the process keeps one.
fn tell(error: &str) {
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!("{error}");
    } else {
        eprintln!("error: {error}");
    }
}

/// Prints the panic and its backtrace below the error, if they are enabled.
fn show(panic: &str, trace: &Backtrace) {
    if trace.status() == BacktraceStatus::Captured {
        eprintln!("{panic}\n{trace}");
    }
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = message(info.payload());
    // The message may show a value of any size.
    let message = escaped(&message[..message.floor_char_boundary(PANIC_MESSAGE_BYTES)]);
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

    /// The output of a process that ends by such a panic; the process is this test, started again.
    fn last_words(how: &str, backtrace: &str) -> String {
        let program = std::env::current_exe().expect("this program");
        let output = std::process::Command::new(program)
            .args(["--exact", "panics::tests::ends_in_a_process_of_its_own", "--nocapture"])
            .env("DIPTYCH_ENDS", how)
            .env("RUST_BACKTRACE", backtrace)
            .env_remove("RUST_LIB_BACKTRACE")
            .output();
        let output = output.expect("it runs");
        assert!(!output.status.success(), "{how}: {output:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    #[test]
    fn ends_in_a_process_of_its_own() {
        struct Explosive;
        impl Drop for Explosive {
            fn drop(&mut self) {
                panic!("the destructor");
            }
        }
        match std::env::var("DIPTYCH_ENDS").as_deref() {
            Ok("engine") => {
                abort_on_panic("the batch layer of \"bank\"".to_owned());
                panic!("the \u{1b}[31mengine\nand more");
            }
            Ok("destructor") => {
                let place: PanicPlace =
                    Rc::new(|| "dataflow \"bank\", at most at epoch 7".to_owned());
                let outcome: Result<(), _> = caught_at(&place, || {
                    let _explosive = Explosive;
                    panic!("the function")
                });
                panic!("it came back: {outcome:?}");
            }
            Ok("ours") => {
                tell_in_lines();
                panic!("a \u{1b}[31mpart\nand more");
            }
            _ => {}
        }
    }

    #[test]
    fn the_last_line_is_ours_and_the_rest_is_shown_when_asked_for() {
        let engine = ["a worker of the batch layer of \"bank\" panicked", "start again"];
        let destructor = ["dataflow \"bank\", at most at epoch 7: ", "the destructor (at src/"];
        for (how, words, shown) in [
            ("engine", engine, "the \\u{1b}[31mengine\\nand more (at src/base/panics.rs"),
            ("destructor", destructor, "panic in a destructor"),
        ] {
            let said = last_words(how, "0");
            let lines: Vec<&str> = said.lines().collect();
            let [line] = lines[..] else { panic!("{how}: {said}") };
            assert!(line.starts_with("error: ") && line.ends_with(')'), "{how}: {said}");
            assert!(words.iter().all(|word| line.contains(word)), "{how}: {said}");
            let said = last_words(how, "1");
            assert!(said.starts_with(line), "{how}: {said}");
            let below = &said[line.len()..];
            assert!(below.contains(shown) && below.lines().count() > 5, "{how}: {said}");
        }
    }

    #[test]
    fn a_panic_elsewhere_is_one_line_of_a_process_of_ours() {
        let said = last_words("ours", "0");
        let first = said.lines().next().expect("a line");
        assert!(
            first.starts_with("error: thread ")
                && first.contains("panicked: a \\u{1b}[31mpart\\nand more (at "),
            "{said}"
        );
    }
}
