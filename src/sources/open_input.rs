//! Opens a file for two readings: buffers standard input, detects compression and format.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::compression::{Compression, TELLING, refuse_inner};
use super::ingest_options::Format;
use super::lines::{LineBuffer, unreadable};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{UserFile, unnamed_file};

const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// A file that can be read from its beginning any number of times.
pub(crate) struct InputFile {
    path: PathBuf,
    file: UserFile,
    /// Bytes of the file (compressed or not).
    pub bytes: u64,
    /// The format of its records.
    pub format: Format,
}

impl InputFile {
    /// Opens `path` (`-` is standard input), and detects its format if none is given.
    pub(crate) fn open(path: &Path, format: Option<Format>) -> Result<Self> {
        let failed = |error| Error::io(format!("cannot read {}", path.display()), error);
        let file = if path.as_os_str() == "-" {
            aside(io::stdin().lock()).map_err(failed)?
        } else {
            let file = UserFile::open(path).map_err(failed)?;
            let kind = file.metadata().map_err(failed)?;
            if kind.is_dir() {
                let message = format!("{} is a directory", path.display());
                return Err(Error::new(Kind::Input, message).remedy("name its files"));
            }
            // A pipe can be read only once.
            if kind.is_file() { file } else { aside(file).map_err(failed)? }
        };
        let bytes = file.metadata().map_err(failed)?.len();
        let mut source = InputFile { path: path.to_owned(), file, bytes, format: Format::Csv };
        source.format = if let Some(format) = format.or_else(|| by_name(path)) {
            format
        } else {
            let told = source.by_first_byte();
            told.map_err(|error| error.within(path.display()))?
        };
        Ok(source)
    }

    /// The path as given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the decompressed text from its beginning, with a counter of the bytes read of the
    /// file.
    pub(crate) fn window(&self) -> Result<(LineBuffer, Rc<Cell<u64>>)> {
        let (reader, count) = self.text()?;
        Ok((LineBuffer::new(reader), count))
    }

    fn text(&self) -> Result<(Box<dyn Read>, Rc<Cell<u64>>)> {
        let failed = |error| Error::io(format!("cannot read {}", self.path.display()), error);
        let mut file = self.file.try_clone().map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let count = Rc::new(Cell::new(0));
        let counted = Counted { inner: file, count: Rc::clone(&count) };
        let (first, whole) = peeked(counted, TELLING).map_err(failed)?;
        let compression = Compression::told(&self.path, &first)?;
        let text = compression.text(whole).map_err(failed)?;
        let (first, text) = peeked(text, TELLING).map_err(unreadable)?;
        if compression != Compression::None {
            refuse_inner(&self.path, &first)?;
        }
        let mark = if first.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let mut text = text;
        io::copy(&mut text.by_ref().take(mark as u64), &mut io::sink()).map_err(failed)?;
        Ok((Box::new(text), count))
    }

    fn by_first_byte(&self) -> Result<Format> {
        for byte in io::BufReader::new(self.text()?.0).bytes() {
            match byte {
                Ok(byte) if byte.is_ascii_whitespace() => {}
                Ok(b'{') => return Ok(Format::Ndjson),
                Ok(_) => break,
                Err(error) => return Err(unreadable(error)),
            }
        }
        Ok(Format::Csv)
    }
}

/// The format that a file's name indicates.
fn by_name(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = [".gz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    match name.rsplit_once('.')?.1 {
        "csv" => Some(Format::Csv),
        "ndjson" | "jsonl" | "json" => Some(Format::Ndjson),
        _ => None,
    }
}

/// Copies the whole of `reader` to an anonymous temporary file.
fn aside(mut reader: impl Read) -> io::Result<UserFile> {
    let mut file = unnamed_file()?;
    io::copy(&mut reader, &mut file)?;
    Ok(file)
}

/// Reads the first `count` bytes (fewer at the end of the file); returns them and a reader from the
/// beginning.
fn peeked<R: Read>(mut reader: R, count: usize) -> io::Result<(Vec<u8>, impl Read + use<R>)> {
    let mut first = Vec::new();
    reader.by_ref().take(count as u64).read_to_end(&mut first)?;
    Ok((first.clone(), io::Cursor::new(first).chain(reader)))
}

/// A reader that counts its bytes.
struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}
