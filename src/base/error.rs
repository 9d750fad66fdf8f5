//! One opaque error for the whole crate.
//!
//! An [`Error`] holds the failure, its place (file, line, field, epoch: in the message), and the
//! remedy. Callers branch on predicates such as [`Error::is_damaged`], never on the text.
//!
//! Your own functions may return it, too: `?` turns a [`std::io::Error`] into one, and
//! [`Error::new`] makes one.
//!
//! ```
//! use diptych::Error;
//! use diptych::error::Kind as ErrorKind;
//!
//! fn port(text: &str) -> diptych::Result<u16> {
//!     text.parse().map_err(|_| {
//!         Error::new(ErrorKind::Input, format!("{text:?} is no port")).remedy("give 1 to 65535")
//!     })
//! }
//!
//! let error = port("http").unwrap_err();
//! assert!(error.is_input() && error.exit_code() == 2);
//! assert_eq!(error.to_string(), "\"http\" is no port (give 1 to 65535)");
//! ```

use std::fmt::{self, Write};
use std::sync::Arc;

use crate::escaped_text::Escaped;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The columns of one row of [`kinds!`].
struct Row {
    name: &'static str,
    exit_code: u8,
    http_status: u16,
    sqlstate: &'static str,
    retryable: bool,
}

/// Declares the kinds, and the one table of what they are called where errors leave the process:
/// name, exit code, HTTP status, SQLSTATE, and whether a retry helps. A kind without a row does not
/// compile.
macro_rules! kinds {
    ($(
        $(#[$doc:meta])*
        $kind:ident = $name:literal, $exit:literal, $http:literal, $state:literal, $retry:literal;
    )*) => {
        /// The kind of failure that an [`Error`] reports; it decides the exit code and whether to
        /// retry.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind),*];

            const fn row(self) -> Row {
                match self {
                    $(Kind::$kind => Row {
                        name: $name,
                        exit_code: $exit,
                        http_status: $http,
                        sqlstate: $state,
                        retryable: $retry,
                    },)*
                }
            }
        }
    };
}

kinds! {
    /// The caller's input is wrong: a bad row, an unknown stream, a missing column.
    Input = "input", 2, 400, "22023", false;
    /// The requested item does not exist: a file, a view, an epoch outside `[since, upper)`.
    Missing = "missing", 3, 404, "72000", false;
    /// Another process or request holds the resource: a second writer, a sequence gap, another
    /// version.
    Conflict = "conflict", 4, 409, "55006", false;
    /// Bytes on disk are not what was written.
    Damaged = "damaged", 5, 500, "XX001", false;
    /// The data was written by a newer format than this build reads.
    Newer = "newer", 6, 500, "XX001", false;
    /// The disk refuses writes because it is full; reads go on.
    Full = "full", 7, 507, "53100", false;
    /// The operating system failed a call.
    Io = "io", 8, 500, "58030", false;
    /// A user's function panicked.
    Panic = "panic", 9, 500, "XX000", false;
    /// A component is stopped or poisoned and takes no more calls.
    Stopped = "stopped", 10, 503, "57P03", false;
    /// A bound is reached, or admission is refused for now; the same call may succeed in a moment.
    Busy = "busy", 10, 503, "53300", true;
    /// A wait ran out before what it waited for was there; the same call may succeed later.
    TimedOut = "timed_out", 10, 503, "55P03", true;
    /// The caller ended the work, or a client that left did.
    Cancelled = "cancelled", 10, 503, "57014", false;
}

/// An error with a place and a remedy.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    message: String,
    remedy: Option<String>,
    source: Option<Arc<std::io::Error>>,
}

impl Error {
    /// Makes an error of `kind`; `message` describes the failure and names the place.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Error(Box::new(Inner { kind, message, remedy: None, source: None }))
    }

    /// Makes an error for an operating-system call that failed while doing `what` (which names the
    /// file). A full disk gets a kind of its own.
    pub fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        use std::io::ErrorKind::{NotFound, QuotaExceeded, StorageFull};
        let kind = match source.kind() {
            StorageFull | QuotaExceeded => Kind::Full,
            NotFound => Kind::Missing,
            _ => Kind::Io,
        };
        let error = Error(Box::new(Inner {
            kind,
            message: what.into(),
            remedy: None,
            source: Some(Arc::new(source)),
        }));
        match kind {
            Kind::Full => error.remedy("free some space; nothing that was acknowledged is lost"),
            _ => error,
        }
    }

    /// Adds the remedy: the sentence that tells the user what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// Puts `place` before the message.
    #[must_use]
    pub fn within(mut self, place: impl fmt::Display) -> Self {
        self.0.message = format!("{place}: {}", self.0.message);
        self
    }

    /// The message (failure and place) without the remedy.
    pub fn reason(&self) -> String {
        match &self.0.source {
            Some(source) => format!("{}: {source}", self.0.message),
            None => self.0.message.clone(),
        }
    }

    /// The remedy; empty when none is known.
    pub fn what_to_do(&self) -> &str {
        self.0.remedy.as_deref().unwrap_or_default()
    }

    /// The kind of failure.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whether the system refused the call by permission or lack of support, for any user or for
    /// this one.
    pub fn is_refused(&self) -> bool {
        use std::io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
        let source = self.0.source.as_ref().map(|source| source.kind());
        let refused = [InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported];
        source.is_some_and(|kind| refused.contains(&kind))
    }

    /// Whether the cause may pass by itself: this process or the machine has no room for one more
    /// open file. The failed call changed nothing, so a retry is safe.
    pub fn is_passing(&self) -> bool {
        use rustix::io::Errno;
        let code = self.0.source.as_ref().and_then(|source| source.raw_os_error());
        code.is_some_and(|code| {
            [Errno::MFILE, Errno::NFILE].iter().any(|passing| passing.raw_os_error() == code)
        })
    }

    /// Whether the place is read-only.
    pub fn is_read_only(&self) -> bool {
        let source = self.0.source.as_ref().map(|source| source.kind());
        source == Some(std::io::ErrorKind::ReadOnlyFilesystem)
    }

    /// Whether the input was wrong: fix it and call again.
    pub fn is_input(&self) -> bool {
        self.kind() == Kind::Input
    }

    /// Whether the requested item does not exist.
    pub fn is_missing(&self) -> bool {
        self.kind() == Kind::Missing
    }

    /// Whether another holder has the resource, or the request contradicts stored data.
    pub fn is_conflict(&self) -> bool {
        self.kind() == Kind::Conflict
    }

    /// Whether bytes on disk are not what was written; a retry will not help.
    pub fn is_damaged(&self) -> bool {
        self.kind() == Kind::Damaged
    }

    /// Whether the data was written by a newer release.
    pub fn is_newer(&self) -> bool {
        self.kind() == Kind::Newer
    }

    /// Whether the disk is full; writes resume when space returns.
    pub fn is_full(&self) -> bool {
        self.kind() == Kind::Full
    }

    /// Whether the operating system failed a call.
    pub fn is_io(&self) -> bool {
        self.kind() == Kind::Io
    }

    /// Whether a user's function panicked; only its dataflow stopped.
    pub fn is_panic(&self) -> bool {
        self.kind() == Kind::Panic
    }

    /// Whether a component serves no more until it is started again.
    pub fn is_stopped(&self) -> bool {
        self.kind() == Kind::Stopped
    }

    /// Whether there is no room for the call now: retry later.
    pub fn is_busy(&self) -> bool {
        self.kind() == Kind::Busy
    }

    /// Whether a wait ran out: retry later, or wait longer.
    pub fn is_timed_out(&self) -> bool {
        self.kind() == Kind::TimedOut
    }

    /// Whether the caller, or a client that left, ended the work.
    pub fn is_cancelled(&self) -> bool {
        self.kind() == Kind::Cancelled
    }

    /// Whether the same call may succeed later without any repair: see [`Kind::is_retryable`] and
    /// [`Error::is_passing`].
    pub fn is_retryable(&self) -> bool {
        self.kind().is_retryable() || self.is_passing()
    }

    /// The process exit code for this error: see [`Kind::exit_code`].
    pub fn exit_code(&self) -> u8 {
        self.kind().exit_code()
    }
}

impl Kind {
    /// The kind's name in problem documents and metrics.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The exit code of a process that ends with such an error.
    pub const fn exit_code(self) -> u8 {
        self.row().exit_code
    }

    /// The HTTP status of an answer with such an error.
    pub const fn http_status(self) -> u16 {
        self.row().http_status
    }

    /// The SQLSTATE of a statement that fails with such an error (`PostgreSQL`'s appendix A).
    pub const fn sqlstate(self) -> &'static str {
        self.row().sqlstate
    }

    /// Whether the same call may succeed later without any repair.
    pub const fn is_retryable(self) -> bool {
        self.row().retryable
    }

    /// The kind of this [name](Kind::name), as problem documents and messages between processes
    /// have it.
    pub fn of_name(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The first kind whose statements fail with this [SQLSTATE](Kind::sqlstate).
    pub fn of_sqlstate(sqlstate: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.sqlstate() == sqlstate)
    }
}

/// Wraps an operating-system error that does not name its place: add the place with
/// [`Error::within`].
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        // An `Error` may have been wrapped to pass through an interface that knows only
        // `io::Error`.
        match error.downcast::<Error>() {
            Ok(own) => own,
            Err(error) => Error::io("input or output", error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Each part may repeat text from outside.
        let mut f = Escaped(f);
        f.write_str(&self.reason())?;
        if let Some(remedy) = &self.0.remedy {
            write!(f, " ({remedy})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error as IoError, ErrorKind};

    #[test]
    fn an_error_is_one_line_that_drives_no_terminal() {
        let source = IoError::other("\u{9b}2J");
        let error = Error::io("\u{1b}[31mred\n", source).within("a\tb").remedy("see\r\nbelow");
        let told = "a\\tb: \\u{1b}[31mred\\n: \\u{9b}2J (see\\r\\nbelow)";
        assert_eq!(error.to_string(), told);
        assert_eq!(format!("{error:?}"), format!("Io: {told}"));
    }

    #[test]
    fn errors_of_the_system_become_errors() {
        let read = || -> Result<Vec<u8>> { Ok(std::fs::read("/no/such/file")?) };
        let error = read().expect_err("no such file").within("settings");
        assert!(error.is_missing(), "{error:?}");
        assert!(error.to_string().starts_with("settings: input or output: "), "{error}");
        let full = Error::from(IoError::from(ErrorKind::StorageFull));
        assert!(full.is_full() && full.exit_code() == 7, "{full:?}");
        let other = Error::from(IoError::from(ErrorKind::BrokenPipe));
        assert_eq!((other.kind(), other.exit_code()), (Kind::Io, 8));
        let own = Error::new(Kind::Conflict, "taken").remedy("wait");
        let through = Error::from(IoError::other(own));
        assert_eq!((through.kind(), &*through.to_string()), (Kind::Conflict, "taken (wait)"));
    }

    #[test]
    fn a_clone_keeps_kind_text_and_source() {
        let full = Error::io("write x", IoError::from(ErrorKind::StorageFull)).within("log");
        let again = full.clone();
        assert_eq!((again.kind(), again.to_string()), (full.kind(), full.to_string()));
        let source = std::error::Error::source(&again).expect("a source");
        let source = source.downcast_ref::<IoError>().expect("of the system");
        assert_eq!(source.kind(), ErrorKind::StorageFull);
        let busy = rustix::io::Errno::MFILE.raw_os_error();
        let passing = Error::io("open x", IoError::from_raw_os_error(busy)).clone();
        assert!(passing.is_passing() && passing.is_retryable() && passing.is_io(), "{passing}");
    }

    #[test]
    fn the_table_of_kinds() {
        let table: Vec<String> = Kind::ALL
            .iter()
            .map(|kind| {
                let retry = if kind.is_retryable() { "yes" } else { "no" };
                let exit = kind.exit_code();
                let http = kind.http_status();
                format!("{} | {exit} | {http} | {} | {retry}", kind.name(), kind.sqlstate())
            })
            .collect();
        let expected = [
            "input | 2 | 400 | 22023 | no",
            "missing | 3 | 404 | 72000 | no",
            "conflict | 4 | 409 | 55006 | no",
            "damaged | 5 | 500 | XX001 | no",
            "newer | 6 | 500 | XX001 | no",
            "full | 7 | 507 | 53100 | no",
            "io | 8 | 500 | 58030 | no",
            "panic | 9 | 500 | XX000 | no",
            "stopped | 10 | 503 | 57P03 | no",
            "busy | 10 | 503 | 53300 | yes",
            "timed_out | 10 | 503 | 55P03 | yes",
            "cancelled | 10 | 503 | 57014 | no",
        ];
        assert_eq!(table, expected);
    }

    #[test]
    fn each_kind_has_its_predicate() {
        for &kind in Kind::ALL {
            let error = Error::new(kind, "x");
            let is = match kind {
                Kind::Input => error.is_input(),
                Kind::Missing => error.is_missing(),
                Kind::Conflict => error.is_conflict(),
                Kind::Damaged => error.is_damaged(),
                Kind::Newer => error.is_newer(),
                Kind::Full => error.is_full(),
                Kind::Io => error.is_io(),
                Kind::Panic => error.is_panic(),
                Kind::Stopped => error.is_stopped(),
                Kind::Busy => error.is_busy(),
                Kind::TimedOut => error.is_timed_out(),
                Kind::Cancelled => error.is_cancelled(),
            };
            assert!(is, "{kind:?}");
            assert_eq!(Kind::of_name(kind.name()), Some(kind));
            let of_state = Kind::of_sqlstate(kind.sqlstate()).expect("a kind");
            assert_eq!(of_state.http_status(), kind.http_status(), "{kind:?}");
        }
    }
}
