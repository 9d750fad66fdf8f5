//! One opaque error for the whole crate.
//!
//! An [`Error`] says what went wrong, where (file, line, field, epoch: in the message), and what
//! to do about it (the remedy). Callers branch on predicates such as [`Error::is_damaged`], never
//! on the text.
//!
//! Your own functions may return it, too: `?` turns a [`std::io::Error`] into one, and
//! [`Error::new`] makes one.
//!
//! ```
//! use diptych::{Error, ErrorKind};
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

/// What an operation of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure an [`Error`] reports; it decides the exit code and whether to retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The caller's input is wrong: a bad row, an unknown stream, a missing column.
    Input,
    /// What was asked for does not exist: a file, a view, an epoch outside `[since, upper)`.
    Missing,
    /// Somebody else holds it: a second writer, a sequence gap, another version.
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
    /// A component is stopped or poisoned and serves no more.
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
    /// A failure of `kind`, described by `message` (which names the place).
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Error(Box::new(Inner { kind, message, remedy: None, source: None }))
    }

    /// An operating-system failure while doing `what` (which names the file). A full disk is told
    /// apart from the rest.
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

    /// The same error with the sentence that tells the user what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// The same error, with `place` put before its message.
    #[must_use]
    pub fn within(mut self, place: impl fmt::Display) -> Self {
        self.0.message = format!("{place}: {}", self.0.message);
        self
    }

    /// The same error, for somebody else.
    #[must_use]
    pub fn repeated(&self) -> Error {
        let (kind, message, remedy) = (self.kind(), self.reason(), self.0.remedy.clone());
        Error(Box::new(Inner { kind, message, remedy, source: None }))
    }

    /// What is wrong, and where, without what to do about it.
    pub fn reason(&self) -> String {
        match &self.0.source {
            Some(source) => format!("{}: {source}", self.0.message),
            None => self.0.message.clone(),
        }
    }

    /// What to do about it; nothing when that is not known.
    pub fn what_to_do(&self) -> &str {
        self.0.remedy.as_deref().unwrap_or_default()
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The system does not do this here, whoever asks for it, or not for this user.
    pub fn is_refused(&self) -> bool {
        use std::io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
        let source = self.0.source.as_ref().map(std::io::Error::kind);
        let refused = [InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported];
        source.is_some_and(|kind| refused.contains(&kind))
    }

    /// What was missing for a moment only may be there at the next try: room for one more open
    /// file, of this process or of the machine. Nothing was done.
    pub fn is_passing(&self) -> bool {
        use rustix::io::Errno;
        let code = self.0.source.as_ref().and_then(std::io::Error::raw_os_error);
        code.is_some_and(|code| {
            [Errno::MFILE, Errno::NFILE].iter().any(|passing| passing.raw_os_error() == code)
        })
    }

    /// Nothing can be written there at all.
    pub fn is_read_only(&self) -> bool {
        let source = self.0.source.as_ref().map(std::io::Error::kind);
        source == Some(std::io::ErrorKind::ReadOnlyFilesystem)
    }

    /// The input was wrong: fix it and call again.
    pub fn is_input(&self) -> bool {
        self.kind() == Kind::Input
    }

    /// The thing asked for does not exist.
    pub fn is_missing(&self) -> bool {
        self.kind() == Kind::Missing
    }

    /// Somebody else holds the resource, or the request contradicts what is already stored.
    pub fn is_conflict(&self) -> bool {
        self.kind() == Kind::Conflict
    }

    /// Bytes on disk are not what was written; a retry will not help.
    pub fn is_damaged(&self) -> bool {
        self.kind() == Kind::Damaged
    }

    /// The data was written by a newer release.
    pub fn is_newer(&self) -> bool {
        self.kind() == Kind::Newer
    }

    /// The disk is full; writes resume when space returns.
    pub fn is_full(&self) -> bool {
        self.kind() == Kind::Full
    }

    /// A user's function panicked; only its dataflow stopped.
    pub fn is_panic(&self) -> bool {
        self.kind() == Kind::Panic
    }

    /// The process exit code that reports this error: see [`Kind::exit_code`].
    pub fn exit_code(&self) -> u8 {
        self.kind().exit_code()
    }
}

/// The one table of what a kind of failure is called where errors leave the process.
impl Kind {
    /// Its name in problem documents and metrics.
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

    /// The exit code of a process that ends by it: 2 input, 3 missing, 4 conflict, 5 damaged,
    /// 6 newer format, 7 disk full, 8 operating system, 9 panic in user code, 10 stopped.
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

    /// The HTTP status of an answer that reports it.
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

    /// The SQLSTATE of a statement that fails by it (`PostgreSQL`'s appendix A).
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

/// Of an operating-system call that says nothing of its place: put it before the message with
/// [`Error::within`].
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        // One of ours may have come through an interface that knows only those.
        match error.downcast::<Error>() {
            Ok(own) => own,
            Err(error) => Error::io("input or output", error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Each part may repeat what somebody else has written.
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
