//! Detects the compression of a file by its first bytes, and decompresses it.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::INGEST_ZSTD_WINDOW_LOG_MAX;

/// Bytes from the beginning that suffice to tell all forms apart.
pub(super) const TELLING: usize = 16;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Forms that are recognised and refused: their first bytes, their name, and how to convert them to
/// text.
const REFUSED: &[(&[u8], &str, &str)] = &[
    (b"BZh11AY&SY", "bzip2 data", "bzip2 -dc"),
    (b"\xfd7zXZ\0", "xz data", "xz -dc"),
    (b"LZIP\x01", "lzip data", "lzip -dc"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4 data", "lz4 -dc"),
    (&[0x02, 0x21, 0x4c, 0x18], "lz4 data of the old format", "lz4 -dc"),
    (&[0x1f, 0x9d], "compress data", "gzip -dc"),
    (b"PK\x03\x04", "a zip archive", "unzip -p"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x -so"),
    (b"\xff\x06\0\0sNaPpY", "snappy data", "snzip -dc"),
    (b"PAR1\x15", "a Parquet file", "duckdb -csv -c 'from …' with"),
    (b"ARROW1\0\0", "an Arrow file", "duckdb -csv -c 'from …' with"),
    (b"\xff\xfe", "text in UTF-16", "iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "iconv -f UTF-16 -t UTF-8"),
];

/// The compression of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// The bytes are the text.
    None,
    /// Gzip members, perhaps with zeros behind each.
    Gzip,
    /// Zstandard frames, some of which may be skippable.
    Zstd,
}

impl Compression {
    /// Detects the compression of a file called `name` that begins with `first`.
    ///
    /// # Errors
    /// When the form is recognised but not supported, or when the name ends as that of a compressed
    /// file and `first` is neither that form nor text.
    pub(super) fn told(name: &Path, first: &[u8]) -> Result<Self> {
        if first.starts_with(GZIP) {
            return Ok(Compression::Gzip);
        }
        if first.starts_with(ZSTD) || is_skippable(first) {
            return Ok(Compression::Zstd);
        }
        refuse(name, first)?;
        let name = name.to_string_lossy().to_ascii_lowercase();
        let control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
        for (ending, called) in [(".gz", "gzip"), (".zst", "Zstandard")] {
            if name.ends_with(ending) && !first.is_empty() && first.iter().any(control) {
                let message = format!("the name ends in {ending}, but this is no {called} data");
                return Err(Error::new(Kind::Input, message).remedy("fetch the file again"));
            }
        }
        Ok(Compression::None)
    }

    /// Decompresses `compressed` to text.
    ///
    /// # Errors
    /// When there is no memory for the decoder.
    pub(super) fn text(self, compressed: impl Read + 'static) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Compression::None => Box::new(compressed),
            Compression::Gzip => Box::new(Whole(Members::of(BufReader::new(compressed)), "gzip")),
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::new(compressed)?;
                decoder.window_log_max(INGEST_ZSTD_WINDOW_LOG_MAX)?;
                Box::new(Whole(decoder, "zstd"))
            }
        })
    }
}

/// Whether `first` begins a skippable frame (RFC 8878, 3.1.2), as in files of pzstd and seekable
/// files.
fn is_skippable(first: &[u8]) -> bool {
    matches!(first, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Refuses a form that is not UTF-8 text, by its name.
///
/// # Errors
/// Names the form and the conversion.
pub(super) fn refuse(name: &Path, first: &[u8]) -> Result<()> {
    let bzip2 = first.starts_with(b"BZh") && first.get(4..10) == Some(b"1AY&SY");
    let begins = |begin: &[u8]| first.starts_with(begin) || (bzip2 && begin.starts_with(b"BZh"));
    let Some((_, form, convert)) = REFUSED.iter().find(|(begin, ..)| begins(begin)) else {
        return Ok(());
    };
    let name = name.display();
    Err(Error::new(Kind::Input, format!("this is {form}, which is not read"))
        .remedy(format!("convert it first: {convert} {name} | diptych ingest … -")))
}

/// Refuses text that is compressed twice, or in UTF-16.
///
/// # Errors
/// Names the form and the conversion.
pub(super) fn refuse_inner(name: &Path, first: &[u8]) -> Result<()> {
    refuse(name, first)?;
    if first.starts_with(GZIP) || first.starts_with(ZSTD) || is_skippable(first) {
        return Err(Error::new(Kind::Input, "the data is compressed twice")
            .remedy("decompress it once, then ingest it"));
    }
    Ok(())
}

/// Reads the members of a gzip file, one after the other. Zeros behind a member are skipped, as
/// gzip does: tapes and disks pad to whole blocks with them.
struct Members<R> {
    /// None at the end.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    fn of(reader: R) -> Self {
        Members { member: Some(GzDecoder::new(reader)) }
    }

    /// Opens the next member; none at the end.
    fn next(mut reader: R) -> io::Result<Option<GzDecoder<R>>> {
        loop {
            let bytes = reader.fill_buf()?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            match bytes.get(zeros) {
                _ if bytes.is_empty() => return Ok(None),
                None => reader.consume(zeros),
                Some(0x1f) => {
                    reader.consume(zeros);
                    return Ok(Some(GzDecoder::new(reader)));
                }
                Some(_) => {
                    let message = "what follows the last member is no gzip data";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            self.member = match self.member.take() {
                Some(member) => Self::next(member.into_inner())?,
                None => None,
            };
        }
        Ok(0)
    }
}

/// Names the compression in errors: broken data, or more memory than is allowed.
struct Whole<R>(R, &'static str);

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            if error.raw_os_error().is_some() {
                return error;
            }
            let text = error.to_string();
            // The zstd crate reports its numbered errors as text.
            if text.contains("too much memory") {
                let max = (1_u64 << INGEST_ZSTD_WINDOW_LOG_MAX) >> 20;
                let message = format!(
                    "the zstd data was compressed with a window of more than {max} MiB \
                     (zstd --long), which is as much memory as is given"
                );
                return io::Error::new(io::ErrorKind::Unsupported, message);
            }
            io::Error::new(error.kind(), format!("the {} data is not whole: {text}", self.1))
        })
    }
}
