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

use crate::harmless::Harmless;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of failure that an [`Error`] reports; it decides the exit code and whether to retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The caller's input is wrong: a bad row, an unknown stream, a missing column.
    Input,
    /// The requested item does not exist: a file, a view, an epoch outside `[since, upper)`.
    Missing,
    /// Another process or request holds the resource: a second writer, a sequence gap, another
    /// version.
    Conflict,
    /// Bytes on disk are not what was written.
    Damaged,
    /// The data was written by a newer format than this build reads.
    Newer,
    /// The disk refuses writes because it is full; reads go on.
    Full,
    /// The operating system failed a call.
    Io,
    /// A user's function panicked.
    Panic,
    /// A component is stopped or poisoned and takes no more calls.
    Stopped,
}

/// An error with a place and a remedy.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    remedy: Option<String>,
    source: Option<std::io::Error>,
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
            source: Some(source),
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

    /// Copies the error for a second caller.
    #[must_use]
    pub fn repeated(&self) -> Error {
        let (kind, message, remedy) = (self.kind(), self.reason(), self.0.remedy.clone());
        Error(Box::new(Inner { kind, message, remedy, source: None }))
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
        let source = self.0.source.as_ref().map(std::io::Error::kind);
        let refused = [InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported];
        source.is_some_and(|kind| refused.contains(&kind))
    }

    /// Whether the cause may pass by itself: no room for one more open file, of this process or of
    /// the machine. The failed call changed nothing, so a retry is safe.
    pub fn is_passing(&self) -> bool {
        use rustix::io::Errno;
        let code = self.0.source.as_ref().and_then(std::io::Error::raw_os_error);
        code.is_some_and(|code| {
            [Errno::MFILE, Errno::NFILE].iter().any(|passing| passing.raw_os_error() == code)
        })
    }

    /// Whether the place is read-only.
    pub fn is_read_only(&self) -> bool {
        let source = self.0.source.as_ref().map(std::io::Error::kind);
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

    /// Whether a user's function panicked; only its dataflow stopped.
    pub fn is_panic(&self) -> bool {
        self.kind() == Kind::Panic
    }

    /// The process exit code for this error: see [`Kind::exit_code`].
    pub fn exit_code(&self) -> u8 {
        self.kind().exit_code()
    }
}

/// The one table of how a kind of failure is reported outside the process.
impl Kind {
    /// The kind's name in problem documents and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Input => "input",
            Kind::Missing => "missing",
            Kind::Conflict => "conflict",
            Kind::Damaged => "damaged",
            Kind::Newer => "newer",
            Kind::Full => "full",
            Kind::Io => "io",
            Kind::Panic => "panic",
            Kind::Stopped => "stopped",
        }
    }

    /// The exit code of a process that ends with such an error: 2 input, 3 missing, 4 conflict, 5
    /// damaged, 6 newer format, 7 disk full, 8 operating system, 9 panic in user code, 10 stopped.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Input => 2,
            Kind::Missing => 3,
            Kind::Conflict => 4,
            Kind::Damaged => 5,
            Kind::Newer => 6,
            Kind::Full => 7,
            Kind::Io => 8,
            Kind::Panic => 9,
            Kind::Stopped => 10,
        }
    }

    /// The HTTP status of an answer with such an error.
    pub fn http_status(self) -> u16 {
        match self {
            Kind::Input => 400,
            Kind::Missing => 404,
            Kind::Conflict => 409,
            Kind::Damaged | Kind::Newer | Kind::Io | Kind::Panic => 500,
            Kind::Full => 507,
            Kind::Stopped => 503,
        }
    }

    /// The SQLSTATE of a statement that fails with such an error (`PostgreSQL`'s appendix A).
    pub fn sqlstate(self) -> &'static str {
        match self {
            Kind::Input => "22023",
            Kind::Missing => "72000",
            Kind::Conflict => "55006",
            Kind::Damaged | Kind::Newer => "XX001",
            Kind::Full => "53100",
            Kind::Io => "58030",
            Kind::Panic => "XX000",
            Kind::Stopped => "57P03",
        }
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
        let mut f = Harmless(f);
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
        self.0.source.as_ref().map(|source| source as _)
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
}
