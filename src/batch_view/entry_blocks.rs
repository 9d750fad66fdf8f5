//! The entries of an accumulation as blocks in the engine's form, for readers in several threads.

use std::path::Path;
use std::sync::Arc;

use arrow_buffer::Buffer;

use super::block::{BlockReader, MAGIC, damaged};
use super::entry_form::{HASH, entry_of};
use super::mapped_accumulation::{MappedAccumulation, no_entry};
use super::mapped_part::MappedPart;
use super::paths::{self, PartKind};
use super::reader::BatchView;
use super::row_codec::visit_rows;
use diptych_base::error::Result;
use diptych_base::hash_buckets::BUCKETS;
use diptych_row::{StoredAccumulation, StoredPartial, places_of};

/// Blocks of an accumulation.
pub type EntryBlocks = Box<dyn Iterator<Item = Result<Buffer>>>;

impl BatchView {
    /// The blocks of an accumulation that are the share of reader `reader` of `readers`: together
    /// the readers get each entry once, in any number of threads.
    ///
    /// # Errors
    /// When there is no such accumulation or a part is damaged; the iterator gives an error when a
    /// block is damaged.
    pub fn accumulation(&self, name: &str, reader: usize, readers: usize) -> Result<EntryBlocks> {
        assert!(reader < readers, "reader {reader} of {readers}");
        if self.has_runs(PartKind::Accumulation, name)? {
            let Some(mapped) = self.mapped_accumulation(name)? else {
                let path = self.dir().join(paths::manifest(self.boundary()));
                return Err(damaged(&path, 0, "runs of changes that cannot be searched"));
            };
            let blocks: EntryBlocks = Box::new(mapped.blocks(reader, readers));
            return Ok(blocks);
        }
        let mut all: Vec<EntryBlocks> = Vec::new();
        for (number, part) in self.parts(PartKind::Accumulation, name)?.enumerate() {
            let (path, file) = self.map(part)?;
            // Not all first blocks are one reader's.
            let reader = (reader + number) % readers;
            if file.starts_with(&MAGIC) {
                let blocks = BlockReader::new(path, file, part.blocks)?;
                all.push(Box::new(blocks.skip(reader).step_by(readers)));
            } else {
                let mapped = Arc::new(MappedPart::open(part, Arc::clone(&path), file)?);
                let blocks = mapped.share(reader, readers);
                all.push(Box::new(blocks.flat_map(move |block| match block {
                    Ok((offset, block)) => as_blocks(&path, offset, &block),
                    Err(error) => vec![Err(error)],
                })));
            }
        }
        Ok(Box::new(all.into_iter().flatten()))
    }
}

impl MappedAccumulation {
    /// The entries of the buckets that are the share of reader `reader` of `readers`, as blocks in
    /// the engine's form.
    pub(super) fn blocks(
        self,
        reader: usize,
        readers: usize,
    ) -> impl Iterator<Item = Result<Buffer>> {
        let buckets = (0..BUCKETS).skip(reader).step_by(readers);
        buckets
            .flat_map(move |bucket| self.blocks_of(bucket).unwrap_or_else(|error| vec![Err(error)]))
    }

    fn blocks_of(&self, bucket: usize) -> Result<Vec<Result<Buffer>>> {
        let mut blocks = EngineBlocks::default();
        self.for_each(&places_of(bucket, BUCKETS), &mut |place, partial| {
            blocks.push(&place[HASH..], partial);
            Ok(())
        })?;
        Ok(blocks.done())
    }
}

/// Blocks in the engine's form under construction: one of entries in range, one of wide ones.
#[derive(Default)]
struct EngineBlocks {
    in_range: (u64, Vec<u8>),
    wide: (u64, Vec<u8>),
}

impl EngineBlocks {
    fn push(&mut self, key: &[u8], partial: StoredPartial<'_>) {
        let (count, bytes) = if partial.wide { &mut self.wide } else { &mut self.in_range };
        *count += 1;
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(partial.bytes);
    }

    /// The blocks that have entries: the count, with a flag if they are wide, and the entries.
    fn done(self) -> Vec<Result<Buffer>> {
        /// The flag in the count of a block of wide partials.
        const WIDE_BLOCK: u64 = 1 << 63;
        let blocks = [(0, self.in_range), (WIDE_BLOCK, self.wide)];
        let filled = blocks.into_iter().filter(|(_, (count, _))| *count > 0);
        filled
            .map(|(flag, (count, entries))| {
                let head = (count | flag).to_le_bytes();
                Ok(Buffer::from_vec([&head[..], &entries[..]].concat()))
            })
            .collect()
    }
}

/// The entries of a block in order, as blocks in the engine's form: those in range, and the wide
/// ones.
fn as_blocks(path: &Path, offset: u64, block: &[u8]) -> Vec<Result<Buffer>> {
    let mut blocks = EngineBlocks::default();
    let mut outcome = Ok(());
    let visited = visit_rows(path, offset, block, |place, bytes, form| {
        match entry_of(place, bytes, form) {
            Some(Some(partial)) => blocks.push(&place[HASH..], partial),
            _ => outcome = Err(no_entry(path, offset)),
        }
        outcome.is_ok()
    });
    match visited.and(outcome) {
        Ok(()) => blocks.done(),
        Err(error) => vec![Err(error)],
    }
}
