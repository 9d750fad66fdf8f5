//! Codec of the rows within a block of a view.

use std::path::Path;

use super::block::{FRAME, damaged};
use diptych_base::error::Result;

/// The head of a row: length of the key, length of the value, multiplicity.
pub(super) const HEAD: usize = 4 + 4 + 8;

/// Appends a row to a block.
pub(super) fn put_row(key: &[u8], value: &[u8], multiplicity: isize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(key.len() as u32).to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(&(multiplicity as i64).to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

/// Key, value and multiplicity of the row that begins at `start`; none when the row would extend
/// beyond the end of the block.
pub(super) fn row_at(block: &[u8], start: usize) -> Option<(&[u8], &[u8], isize)> {
    let (head, tail) = block.get(start..)?.split_at_checked(HEAD)?;
    let word = |at: usize| {
        u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize
    };
    let mut times = [0; 8];
    times.copy_from_slice(&head[8..]);
    let (key, tail) = tail.split_at_checked(word(0))?;
    let (value, _) = tail.split_at_checked(word(4))?;
    Some((key, value, i64::from_le_bytes(times) as isize))
}

/// Calls `visit` with key, value and multiplicity of each row of the block at `offset` of a file,
/// until `visit` stops it; tells whether all rows were visited.
pub(super) fn visit_rows<'a>(
    path: &Path,
    offset: u64,
    block: &'a [u8],
    mut visit: impl FnMut(&'a [u8], &'a [u8], isize) -> bool,
) -> Result<bool> {
    let mut start = 0;
    while start < block.len() {
        let Some((key, value, times)) = row_at(block, start) else {
            let place = offset.saturating_add((FRAME + start) as u64);
            return Err(damaged(path, place, "a row reaches over the end of its block"));
        };
        if !visit(key, value, times) {
            return Ok(false);
        }
        start += HEAD + key.len() + value.len();
    }
    Ok(true)
}
