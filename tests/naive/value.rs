//! Rows as column values, and their expected bytes.

use std::collections::BTreeMap;

/// One column of one row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    /// An `i64`.
    Int(i64),
    /// A `u64`: the ranks of `top_k`.
    Rank(u64),
    /// A `String`.
    Text(String),
    /// A `Timestamp`, in microseconds since 1970.
    Micros(i64),
    /// A `Date`, in days since 1970.
    Day(i32),
    /// A decimal, in its last digit.
    Digits(i128),
}

/// A view: each row with its multiplicity, which is never zero.
pub(crate) type Rows = BTreeMap<Vec<Value>, i64>;

/// All views of a dataflow, by name.
pub(crate) type Answer = BTreeMap<String, Rows>;

/// A view as bytes: key columns and value columns of each row in one string.
pub(crate) type ByteRows = BTreeMap<Vec<u8>, i64>;

impl Value {
    /// Appends the column's bytes, after the table in `src/row/README.md`.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Value::Int(number) | Value::Micros(number) => {
                // Sign bit flipped, big-endian.
                let flipped = (i128::from(*number) + (1_i128 << 63)) as u64;
                out.extend(flipped.to_be_bytes());
            }
            Value::Rank(number) => out.extend(number.to_be_bytes()),
            Value::Day(days) => {
                let flipped = (i64::from(*days) + (1_i64 << 31)) as u32;
                out.extend(flipped.to_be_bytes());
            }
            Value::Digits(digits) => {
                let mut bytes = digits.to_be_bytes();
                bytes[0] ^= 0x80;
                out.extend(bytes);
            }
            Value::Text(text) => {
                for byte in text.bytes() {
                    out.push(byte);
                    if byte == 0 {
                        out.push(0xFF);
                    }
                }
                out.extend([0, 0]);
            }
        }
    }
}

/// The rows as bytes.
pub(crate) fn bytes_of(rows: &Rows) -> ByteRows {
    let encode = |row: &Vec<Value>| {
        let mut bytes = Vec::new();
        for value in row {
            value.put(&mut bytes);
        }
        bytes
    };
    rows.iter().map(|(row, times)| (encode(row), *times)).collect()
}

/// Adds a row.
pub(crate) fn add(rows: &mut Rows, row: Vec<Value>, times: i64) {
    let entry = rows.entry(row.clone()).or_insert(0);
    *entry += times;
    if *entry == 0 {
        rows.remove(&row);
    }
}

/// Rows with multiplicity 1.
pub(crate) fn once(rows: impl IntoIterator<Item = Vec<Value>>) -> Rows {
    let mut view = Rows::new();
    for row in rows {
        add(&mut view, row, 1);
    }
    view
}
