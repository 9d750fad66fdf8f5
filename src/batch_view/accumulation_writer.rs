//! Writer of one worker's part of an accumulation: blocks in the engine's own form, entries in the
//! order of their places, or changes of entries.

use super::block::{BlockWriter, MAGIC, MAGIC_FINGERPRINTS};
use super::changed_entries::ChangedEntries;
use super::entry_form::form_of;
use super::manifest::PartFile;
use super::paths::PartKind;
use super::sorted_rows::SortedRows;
use super::writer::BatchViewWriter;
use diptych_base::error::Result;
use diptych_base::limits::{ACCUMULATION_BLOCK_BYTES_MAX, ACCUMULATION_ENTRIES_BLOCK_BYTES};
use diptych_row::{AccumulationPiece, StoredPartial};

/// Writes one worker's part of an accumulation. The first piece decides the form of the part.
pub struct AccumulationWriter<'a> {
    whole: &'a BatchViewWriter,
    name: String,
    worker: usize,
    part: Form,
}

enum Form {
    Open,
    Blocks(BlockWriter, PartFile),
    Entries(Box<SortedRows>),
    Changes(Box<ChangedEntries>),
}

impl<'a> AccumulationWriter<'a> {
    pub(super) fn new(whole: &'a BatchViewWriter, name: &str, worker: usize) -> Result<Self> {
        let name = name.to_owned();
        let mut writer = AccumulationWriter { whole, name, worker, part: Form::Open };
        let run = whole.run(PartKind::Accumulation, &writer.name);
        if let (Some(run), Some(earlier)) = (run, whole.earlier()) {
            let Some(before) = earlier.mapped_accumulation(&writer.name)? else {
                panic!("accumulation {:?} has runs that cannot be searched", writer.name)
            };
            let rows = writer.rows()?;
            let owner = (worker, whole.workers());
            writer.part = Form::Changes(Box::new(ChangedEntries::new(rows, before, run, owner)?));
        }
        Ok(writer)
    }

    fn rows(&self) -> Result<SortedRows> {
        let (blocks, part) = self.begin(MAGIC_FINGERPRINTS)?;
        Ok(SortedRows::new(blocks, part, ACCUMULATION_ENTRIES_BLOCK_BYTES))
    }

    fn begin(&self, magic: [u8; 8]) -> Result<(BlockWriter, PartFile)> {
        self.whole.begin((PartKind::Accumulation, &self.name, self.worker), magic)
    }

    /// Appends a piece.
    ///
    /// Panics when the piece is of another form than those before, or an entry does not come after
    /// the one before.
    ///
    /// # Errors
    /// When the piece is too large, or the disk refuses.
    pub fn put(&mut self, piece: AccumulationPiece<'_>) -> Result<()> {
        match piece {
            AccumulationPiece::Block(bytes, entries) => self.block(bytes, entries),
            AccumulationPiece::Entry { place, partial } => self.entry(place, partial),
            AccumulationPiece::Change { place, partial, before } => match &mut self.part {
                Form::Changes(changes) => changes.push(place, partial, before),
                _ => panic!("accumulation {:?} is written whole, not as changes", self.name),
            },
        }
    }

    /// Appends a block of `entries` entries.
    ///
    /// Panics when there are entries in order already.
    ///
    /// # Errors
    /// When it is larger than
    /// [`ACCUMULATION_BLOCK_BYTES_MAX`](diptych_base::limits::ACCUMULATION_BLOCK_BYTES_MAX), or the
    /// disk refuses.
    pub fn block(&mut self, bytes: &[u8], entries: u64) -> Result<()> {
        if let Form::Open = self.part {
            let (blocks, part) = self.begin(MAGIC)?;
            self.part = Form::Blocks(blocks, part);
        }
        let Form::Blocks(blocks, part) = &mut self.part else {
            panic!("accumulation {:?}: a block among entries or changes", self.name)
        };
        part.rows += entries;
        part.added = part.added.saturating_add_unsigned(entries);
        blocks.push(bytes, ACCUMULATION_BLOCK_BYTES_MAX)
    }

    fn entry(&mut self, place: &[u8], partial: StoredPartial<'_>) -> Result<()> {
        if let Form::Open = self.part {
            self.part = Form::Entries(Box::new(self.rows()?));
        }
        let Form::Entries(rows) = &mut self.part else {
            panic!("accumulation {:?}: an entry among blocks or changes", self.name)
        };
        rows.push(place, partial.bytes, form_of(partial))
    }

    /// Makes the part durable.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn finish(mut self) -> Result<()> {
        let (blocks, part) = match std::mem::replace(&mut self.part, Form::Open) {
            Form::Open => self.begin(MAGIC)?,
            Form::Blocks(blocks, mut part) => {
                part.blocks = blocks.blocks;
                (blocks, part)
            }
            Form::Entries(rows) => rows.finish()?,
            Form::Changes(changes) => changes.finish()?,
        };
        self.whole.end(&blocks, part)
    }
}
