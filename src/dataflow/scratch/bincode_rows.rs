//! Scratch rows as bincode: for any serde type; each read decodes the row again.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Scratch;

/// A block of rows as bincode.
#[derive(Debug)]
pub struct BincodeRows<T> {
    bytes: Vec<u8>,
    rows: usize,
    of: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned> Scratch<T> for BincodeRows<T> {
    fn of(rows: Vec<T>) -> Self {
        let mut bytes = Vec::new();
        for row in &rows {
            if let Err(error) = bincode::serialize_into(&mut bytes, row) {
                panic!(
                    "row {} of scratch cannot be serialised: {error}",
                    std::any::type_name::<T>()
                );
            }
        }
        BincodeRows { bytes, rows: rows.len(), of: PhantomData }
    }

    fn for_each(&mut self, mut visit: impl FnMut(&T)) {
        let mut rest = self.bytes.as_slice();
        for index in 0..self.rows {
            match bincode::deserialize_from(&mut rest) {
                Ok(row) => visit(&row),
                Err(error) => panic!("row {index} of {} of scratch: {error}", self.rows),
            }
        }
        assert!(rest.is_empty(), "{} bytes behind {} rows of scratch", rest.len(), self.rows);
    }

    fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_come_back_in_order(rows: Vec<(u64, String, Option<Vec<i8>>)>) {
            let mut block = BincodeRows::of(rows.clone());
            for _ in 0..2 {
                let mut read = Vec::new();
                block.for_each(|row| read.push(row.clone()));
                prop_assert_eq!(&read, &rows);
            }
        }
    }
}
