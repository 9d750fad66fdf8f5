//! Codec of accumulation entries as blocks of bytes: bincode, bounded; the file holds the checksum.

use std::cell::Cell;

use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits;
use diptych_row::AccumulationPiece;

/// A receiver of the pieces of an accumulation.
pub type Sink<'a> = dyn FnMut(AccumulationPiece<'_>) -> Result<()> + 'a;

pub(super) fn codec() -> impl Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_limit(limits::ACCUMULATION_BLOCK_BYTES_MAX)
}

thread_local! {
    static STORED_FORM: Cell<bool> = const { Cell::new(false) };
}

/// Is this thread writing or reading the stored form, which files have always had? Between workers,
/// and in the wide blocks of files, entries have another form.
pub fn in_stored_form() -> bool {
    STORED_FORM.get()
}

pub(super) fn stored_form<R>(codes: impl FnOnce() -> R) -> R {
    STORED_FORM.set(true);
    let outcome = codes();
    STORED_FORM.set(false);
    outcome
}

const HEADER: usize = 8;
/// The flag in the count of a block whose entries are in the wide form.
const WIDE: u64 = 1 << 63;

/// Writes entries as blocks of about [`limits::ACCUMULATION_BLOCK_BYTES`]: a `u64` count, then
/// the entries, so that a block can be filled without knowing its length beforehand.
pub(super) struct AccumulationBlockWriter<'s, 'f> {
    sink: &'s mut Sink<'f>,
    /// The open block of the stored form, and that of the wide form.
    open: [Block; 2],
}

struct Block {
    bytes: Vec<u8>,
    count: u64,
    form: u64,
}

impl<'s, 'f> AccumulationBlockWriter<'s, 'f> {
    pub(super) fn new(sink: &'s mut Sink<'f>) -> Self {
        let open = [0, WIDE].map(|form| Block { bytes: vec![0; HEADER], count: 0, form });
        AccumulationBlockWriter { sink, open }
    }

    /// Writes an entry in the stored form.
    pub(super) fn push<T: Serialize>(&mut self, entry: &T) -> Result<()> {
        stored_form(|| self.open[0].push(entry))?;
        self.open[0].close(self.sink)
    }

    /// Writes an entry that is out of the range of the stored form.
    pub(super) fn push_wide<T: Serialize>(&mut self, entry: &T) -> Result<()> {
        self.open[1].push(entry)?;
        self.open[1].close(self.sink)
    }

    /// Writes the open blocks.
    pub(super) fn finish(mut self) -> Result<()> {
        self.open.iter_mut().try_for_each(|block| block.seal(self.sink))
    }
}

impl Block {
    fn push<T: Serialize>(&mut self, entry: &T) -> Result<()> {
        codec().serialize_into(&mut self.bytes, entry).map_err(|error| unwritable(&error))?;
        self.count += 1;
        Ok(())
    }

    /// Writes the block when it is long enough.
    fn close(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        if self.bytes.len() >= limits::ACCUMULATION_BLOCK_BYTES { self.seal(sink) } else { Ok(()) }
    }

    fn seal(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        self.bytes[..HEADER].copy_from_slice(&(self.count | self.form).to_le_bytes());
        let outcome = sink(AccumulationPiece::Block(&self.bytes, self.count));
        self.bytes.truncate(HEADER);
        self.count = 0;
        outcome
    }
}

/// The error for an entry that cannot be written.
pub(super) fn unwritable(error: &bincode::Error) -> Error {
    Error::new(Kind::Input, format!("an accumulation entry cannot be written: {error}"))
        .remedy("keep keys and values below the block limit")
}

/// Writes entries that have one form only.
pub(super) fn write<T: Serialize>(
    entries: impl Iterator<Item = T>,
    sink: &mut Sink<'_>,
) -> Result<()> {
    let mut blocks = AccumulationBlockWriter::new(sink);
    for entry in entries {
        blocks.push(&entry)?;
    }
    blocks.finish()
}

/// Are the entries of this block in the wide form?
pub(super) fn is_wide(block: &[u8]) -> bool {
    block.get(HEADER - 1).is_some_and(|byte| byte >> 7 == 1)
}

/// Reads back the entries of one block, whose form the caller knows. `name` is the accumulation's,
/// for the error.
pub(super) fn read<T: DeserializeOwned>(name: &str, block: &[u8]) -> Result<Vec<T>> {
    let entries = if is_wide(block) {
        let mut plain = block.to_vec();
        plain[HEADER - 1] &= 0x7f;
        codec().deserialize(&plain)
    } else {
        stored_form(|| codec().deserialize(block))
    };
    entries.map_err(|error| {
        Error::new(Kind::Damaged, format!("accumulation {name:?} does not decode: {error}")).remedy(
            "its types changed without a new version, or the file is damaged: \
             recompute with `diptych batch`",
        )
    })
}
