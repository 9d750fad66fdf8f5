//! Bad records: why a record cannot be read, and the file that collects such records.

use std::fmt;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use diptych_base::error::{Error, Result};
use diptych_base::io::UserFile;
use diptych_base::limits::INGEST_QUOTED_CHARS;

/// The reason why a record cannot be read, and its column.
#[derive(Debug)]
pub(crate) struct Bad {
    /// The path of the column, outermost first; empty for the record as a whole.
    column: Vec<String>,
    reason: String,
}

impl Bad {
    /// The error that `text` is not `expected` ("a whole number ...").
    pub(crate) fn value(text: &str, expected: &str) -> Self {
        let found = match text {
            "" => "nothing".to_owned(),
            _ => format!("`{}`", shortened(text)),
        };
        Bad::record(format!("{found} is not {expected}"))
    }

    /// The error that the record as a whole is wrong, or wrong in another way.
    pub(crate) fn record(reason: impl Into<String>) -> Self {
        Bad { column: Vec::new(), reason: reason.into() }
    }

    /// The same error, inside the column `name`.
    #[must_use]
    pub(crate) fn inside(mut self, name: &str) -> Self {
        self.column.insert(0, name.to_owned());
        self
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.column.is_empty() {
            write!(f, "column `{}`: ", self.column.join("."))?;
        }
        f.write_str(&self.reason)
    }
}

/// Cuts `text` to a length fit for a message.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(INGEST_QUOTED_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// The file `FILE.errors.ndjson`: created with the first bad record, replacing that of an earlier
/// ingest.
pub(crate) struct ErrorsFile {
    path: PathBuf,
    file: Option<BufWriter<UserFile>>,
}

impl ErrorsFile {
    /// The errors file beside `source`; standard input's is in the current directory.
    pub(crate) fn beside(source: &Path) -> Self {
        let mut name = match source.to_str() {
            Some("-") => "stdin".into(),
            _ => source.as_os_str().to_owned(),
        };
        name.push(".errors.ndjson");
        ErrorsFile { path: name.into(), file: None }
    }

    /// Adds the record at `line`.
    pub(crate) fn add(&mut self, line: u64, bad: &Bad, raw: &[u8]) -> Result<()> {
        let reason = bad.to_string();
        let text = String::from_utf8_lossy(raw);
        let entry = serde_json::json!({ "line": line, "reason": reason, "text": text });
        let written = match &mut self.file {
            Some(file) => writeln!(file, "{entry}"),
            None => UserFile::create(&self.path)
                .and_then(|file| writeln!(self.file.insert(BufWriter::new(file)), "{entry}")),
        };
        written.map_err(|error| self.failed(error))
    }

    /// Flushes the file; returns its path if any record was written.
    pub(crate) fn finish(mut self) -> Result<Option<PathBuf>> {
        match self.file.take() {
            None => Ok(None),
            Some(mut file) => match file.flush() {
                Ok(()) => Ok(Some(self.path)),
                Err(error) => Err(self.failed(error)),
            },
        }
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::io(format!("cannot write {}", self.path.display()), error)
    }
}
