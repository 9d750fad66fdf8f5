//! Accumulation entries as blocks of bytes: bincode, bounded, checked by the file that holds them.

use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Kind, Result};
use crate::limits;

/// Takes a block and the number of entries in it.
pub(crate) type Sink<'a> = dyn FnMut(&[u8], u64) -> Result<()> + 'a;

fn codec() -> impl Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_limit(limits::ACCUMULATION_BLOCK_BYTES_MAX)
}

/// Writes entries as blocks of about [`limits::ACCUMULATION_BLOCK_BYTES`]: a `u64` count, then
/// the entries, so that a block can be filled without knowing its length beforehand.
pub(super) fn write<T: Serialize>(
    entries: impl Iterator<Item = T>,
    sink: &mut Sink<'_>,
) -> Result<()> {
    const HEADER: usize = 8;
    let mut block = vec![0; HEADER];
    let mut count = 0_u64;
    let mut seal = |block: &mut Vec<u8>, count: &mut u64| {
        block[..HEADER].copy_from_slice(&count.to_le_bytes());
        let outcome = sink(block, *count);
        block.truncate(HEADER);
        *count = 0;
        outcome
    };
    for entry in entries {
        codec().serialize_into(&mut block, &entry).map_err(|error| {
            Error::new(Kind::Input, format!("an accumulation entry cannot be written: {error}"))
                .remedy("keep keys and values below the block limit")
        })?;
        count += 1;
        if block.len() >= limits::ACCUMULATION_BLOCK_BYTES {
            seal(&mut block, &mut count)?;
        }
    }
    if count > 0 {
        seal(&mut block, &mut count)?;
    }
    Ok(())
}

/// Reads one block back. `name` is the accumulation's, for the error.
pub(super) fn read<T: DeserializeOwned>(name: &str, block: &[u8]) -> Result<Vec<T>> {
    codec().deserialize(block).map_err(|error| {
        Error::new(Kind::Damaged, format!("accumulation {name:?} does not decode: {error}")).remedy(
            "its types changed without a new version, or the file is damaged: \
             recompute with `diptych batch`",
        )
    })
}
