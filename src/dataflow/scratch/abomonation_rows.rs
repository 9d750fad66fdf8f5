//! Scratch rows as copies of their own memory, by abomonation. The only file that calls it; the
//! module documentation of [`scratch`](super) lists what is unsound about it, and the measures.
//!
//! The code is unsafe because abomonation's functions are. The invariants: the words of a block are
//! written by [`AbomonationRows::of`] from a `Vec<T>` of the same `T` in the same process, and by
//! nothing else; `T` is [`Flat`], so every byte of it is initialised, and in `T`'s encoding only
//! the rows need an alignment.
#![expect(unsafe_code, reason = "abomonation has no safe calls; its dangers are bounded here")]

use std::marker::PhantomData;

use abomonation::Abomonation;

use super::Scratch;

mod sealed {
    pub trait Sealed {}
}

/// Plain data that may be read in place: integers and floats up to 64 bits, `String`, and tuples
/// of two to four of these that need no padding.
///
/// ```compile_fail,E0080
/// use diptych::scratch::{AbomonationRows, Scratch};
/// AbomonationRows::of(vec![(1u64, 1u32)]); // four bytes of padding
/// ```
/// ```
/// use diptych::scratch::{AbomonationRows, Scratch};
/// AbomonationRows::of(vec![(1u64, 1u32, 0u32)]);
/// ```
pub trait Flat: Abomonation + sealed::Sealed + 'static {
    /// Fails to compile when the type has padding.
    #[doc(hidden)]
    const WITHOUT_PADDING: ();
}

macro_rules! flat {
    ($($type:ty),*) => {$(
        impl sealed::Sealed for $type {}
        impl Flat for $type {
            const WITHOUT_PADDING: () = ();
        }
    )*};
}
flat!(u8, u16, u32, u64, i8, i16, i32, i64, f32, f64, String);

macro_rules! flat_tuple {
    ($($part:ident),*) => {
        impl<$($part: Flat),*> sealed::Sealed for ($($part,)*) {}
        impl<$($part: Flat),*> Flat for ($($part,)*) {
            const WITHOUT_PADDING: () = {
                $(let () = $part::WITHOUT_PADDING;)*
                assert!(
                    size_of::<Self>() == 0 $(+ size_of::<$part>())*,
                    "a row in place has no padding: add a field that fills it",
                );
            };
        }
    };
}
flat_tuple!(A, B);
flat_tuple!(A, B, C);
flat_tuple!(A, B, C, D);

/// A block of rows as their own memory: encoding copies it, reading repairs its pointers and
/// borrows.
#[derive(Debug)]
pub struct AbomonationRows<T> {
    /// The bytes of a `Vec<T>`, its rows, their texts; words, because rows are aligned to 8.
    words: Vec<u64>,
    bytes: usize,
    of: PhantomData<fn(T) -> T>,
}

impl<T: Flat> AbomonationRows<T> {
    const ALIGNED: () = assert!(align_of::<T>() <= align_of::<u64>(), "rows align to 8 at most");

    fn memory(&mut self) -> &mut [u8] {
        let start = self.words.as_mut_ptr().cast::<u8>();
        let bytes = self.bytes;
        assert!(bytes <= self.words.len() * size_of::<u64>(), "{bytes} bytes of scratch");
        // SAFETY: the words are initialised, borrowed mutably, at least `bytes` long, and any
        // byte may be written into a word.
        unsafe { std::slice::from_raw_parts_mut(start, bytes) }
    }
}

impl<T: Flat> Scratch<T> for AbomonationRows<T> {
    fn of(rows: Vec<T>) -> Self {
        let () = T::WITHOUT_PADDING;
        let () = Self::ALIGNED;
        let bytes = abomonation::measure(&rows);
        let words = vec![0; bytes.div_ceil(size_of::<u64>())];
        let mut block = AbomonationRows { words, bytes, of: PhantomData };
        let mut memory = block.memory();
        // SAFETY: `Vec<T>` has no padding (three words), nor has `T`; so only initialised memory is
        // copied. That pointers are copied as bytes is what the crate does.
        let written = unsafe { abomonation::encode(&rows, &mut memory) };
        assert!(
            written.is_ok() && memory.is_empty(),
            "{bytes} bytes of scratch were measured, {} are left: {written:?}",
            memory.len(),
        );
        block
    }

    fn for_each(&mut self, visit: impl FnMut(&T)) {
        let bytes = self.bytes;
        // SAFETY: the block was encoded from a `Vec<T>` by this very program and is changed by
        // `decode` alone, which any number of times replaces pointers by such into the block.
        // The block is aligned to 8, and so are the rows after the 24 bytes of the vector.
        let decoded = unsafe { abomonation::decode::<Vec<T>>(self.memory()) };
        match decoded {
            Some((rows, [])) => rows.iter().for_each(visit),
            Some((_, rest)) => panic!("{} of {bytes} bytes of scratch are left over", rest.len()),
            None => panic!("{bytes} bytes of scratch end early"),
        }
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check<T: Flat + Clone + PartialEq + std::fmt::Debug>(rows: &[T]) {
        let mut block = AbomonationRows::of(rows.to_vec());
        // The second time the block has been read already, and has moved.
        for _ in 0..2 {
            let mut read = Vec::new();
            block.for_each(|row| read.push(row.clone()));
            assert_eq!(read, rows);
            let words = block.words.clone();
            block.words = words;
        }
        assert!(block.bytes() >= size_of_val(rows));
    }

    proptest! {
        #[test]
        fn rows_come_back_in_order(
            mixed: Vec<(u64, String, u32, u32)>,
            texts: Vec<String>,
            nested: Vec<(String, (i64, String))>,
            small: Vec<(u8, i8)>,
            floats: Vec<i16>,
        ) {
            check(&mixed);
            check(&texts);
            check(&nested);
            check(&small);
            check(&floats);
        }
    }
}
