//! Scratch: compact blocks for rows that leave a Rust structure for a while, within one process.
//!
//! A [`Scratch`] takes rows and holds them as one block of bytes until they are read again. There
//! are two codecs:
//!
//! - [`BincodeRows`], always available: bincode, for any serde type. Safe; each read decodes each
//!   row.
//! - `AbomonationRows`, with the cargo feature `abomonation`: the bytes *are* the rows. Reading
//!   repairs the pointers and borrows; measured five times cheaper than decoding (`cargo bench
//!   --bench codecs`), as cheap as Arrow read in place.
//!
//! ```
//! use diptych::scratch::{BincodeRows, Scratch};
//! let rows = vec![(1u64, "one".to_string()), (2, "two".to_string())];
//! let mut block = BincodeRows::of(rows);
//! let mut total = 0;
//! block.for_each(|(n, text)| total += *n as usize + text.len());
//! assert_eq!(total, 9);
//! ```
//!
//! # Why `AbomonationRows` is off by default
//! abomonation copies the memory of a value and, to read it, trusts the copied bytes
//! (RUSTSEC-2021-0120). The dangers, and the measures against them:
//!
//! - *Bytes that the same program did not write are believed.* A block is made by `of` only: it has
//!   no constructor from bytes, cannot be cloned, serialised or written anywhere.
//! - *Padding is read, which is undefined.* Rows of a type with padding do not compile.
//! - *Rows and their parts lie misaligned.* The block is aligned to 8, and only texts, whose
//!   alignment is 1, follow the rows; types aligned to more do not compile.
//! - *Any type may claim to be plain.* `Flat` is sealed: integers, floats, `String`, and tuples
//!   of these.
//! - *A heap address is written into the block.* It stays in this process's memory.
//! - *A reference to one byte is widened to a row.* **Not fixed**: this is inside the crate, and
//!   undefined by the strict aliasing model (Stacked Borrows). Compilers of today do not exploit
//!   it; none promises not to. For this reason the feature stays off.
//!
//! # Uses
//! The engine does not use it. A worker's combiner is bounded by flushing early
//! ([`COMBINER_KEYS_MAX`](diptych_base::limits::COMBINER_KEYS_MAX)): its entries travel to their
//! owners, whose state must fit in memory anyway, so that spilling them first would only cost time.
//! Keys of a user's function are also arbitrary types, which `Flat` refuses. The module is for
//! dataflows that hold plain data between epochs, and to keep the comparison of codecs honest.

#[cfg(feature = "abomonation")]
mod abomonation_rows;
mod bincode_rows;

#[cfg(feature = "abomonation")]
pub use abomonation_rows::{AbomonationRows, Flat};
pub use bincode_rows::BincodeRows;

/// A block of rows as bytes, within this process.
pub trait Scratch<T>: Sized {
    /// Encodes rows as a block.
    ///
    /// # Panics
    /// When a row's own serialisation fails, as serde allows it to.
    fn of(rows: Vec<T>) -> Self;

    /// Calls `visit` with each row, in their original order. May be repeated.
    fn for_each(&mut self, visit: impl FnMut(&T));

    /// The number of bytes in the block.
    fn bytes(&self) -> usize;
}
