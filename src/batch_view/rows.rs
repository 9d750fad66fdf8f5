//! Rows within a block of a view.

use std::path::Path;

use super::block::damaged;
use crate::error::Result;

/// Length of the key, length of the value, multiplicity.
const HEAD: usize = 4 + 4 + 8;

/// Appends a row.
pub(super) fn put_row(key: &[u8], value: &[u8], multiplicity: isize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(key.len() as u32).to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(&(multiplicity as i64).to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

/// Calls `visit` with key, value and multiplicity of each row of a block, until it says stop;
/// did it go to the end?
pub(super) fn visit_rows<'a>(
    path: &Path,
    block: &'a [u8],
    mut visit: impl FnMut(&'a [u8], &'a [u8], isize) -> bool,
) -> Result<bool> {
    let mut rest = block;
    while !rest.is_empty() {
        let fail = || damaged(path, 0, "a row reaches over the end of its block");
        let (head, tail) = rest.split_at_checked(HEAD).ok_or_else(fail)?;
        let word = |at: usize| {
            u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize
        };
        let mut times = [0; 8];
        times.copy_from_slice(&head[8..]);
        let (key, tail) = tail.split_at_checked(word(0)).ok_or_else(fail)?;
        let (value, tail) = tail.split_at_checked(word(4)).ok_or_else(fail)?;
        if !visit(key, value, i64::from_le_bytes(times) as isize) {
            return Ok(false);
        }
        rest = tail;
    }
    Ok(true)
}
