//! Encodes the values of one column as bytes that sort like the values.
//!
//! The folder's README documents the format; this file is its only implementation, used by the
//! typed and by the schema-driven interface alike.

use diptych_base::error::{Error, Kind, Result};

/// The end mark of a text or bytes column; less than every byte pair that can occur in its place.
const END: [u8; 2] = [0x00, 0x00];
/// The byte after a zero byte that is part of the value.
const ESCAPED: u8 = 0xFF;
/// The tag of an absent value of a nullable column.
pub(super) const NULL: u8 = 0x00;
/// The tag of a present value of a nullable column.
pub(super) const PRESENT: u8 = 0x01;

/// Removes the first `N` bytes.
pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let Some((head, tail)) = bytes.split_first_chunk::<N>() else {
        return Err(malformed(format!("a column needs {N} bytes, {} are left", bytes.len())));
    };
    *bytes = tail;
    Ok(*head)
}

/// Appends `value` so that a shorter string sorts before its extensions and following columns
/// cannot change the order.
pub(super) fn put_bytes(value: &[u8], out: &mut Vec<u8>) {
    put_bytes_prefix(value, out);
    out.extend_from_slice(&END);
}

/// Appends `value` without its end mark: the common prefix of all values that start with it.
pub(super) fn put_bytes_prefix(value: &[u8], out: &mut Vec<u8>) {
    out.reserve(value.len() + END.len());
    let mut rest = value;
    while let Some(zero) = rest.iter().position(|byte| *byte == 0) {
        out.extend_from_slice(&rest[..=zero]);
        out.push(ESCAPED);
        rest = &rest[zero + 1..];
    }
    out.extend_from_slice(rest);
}

/// Removes one text or bytes column.
pub(super) fn take_bytes(bytes: &mut &[u8]) -> Result<Vec<u8>> {
    let mut value = Vec::new();
    take_bytes_onto(bytes, &mut value)?;
    Ok(value)
}

/// Removes one text or bytes column and appends it to `value`.
pub(super) fn take_bytes_onto(bytes: &mut &[u8], value: &mut Vec<u8>) -> Result<()> {
    loop {
        let Some(zero) = memchr::memchr(0, bytes) else {
            return Err(malformed("a text or bytes column has no end"));
        };
        value.extend_from_slice(&bytes[..zero]);
        let mark = bytes.get(zero + 1).copied();
        *bytes = bytes.get(zero + 2..).unwrap_or_default();
        match mark {
            Some(ESCAPED) => value.push(0),
            Some(0) => return Ok(()),
            other => {
                let found = other.map_or("the end".into(), |byte| format!("byte {byte:#04x}"));
                return Err(malformed(format!("a zero byte in a text column meets {found}")));
            }
        }
    }
}

/// Removes one text column.
pub(super) fn take_string(bytes: &mut &[u8]) -> Result<String> {
    String::from_utf8(take_bytes(bytes)?)
        .map_err(|e| malformed(format!("a text column is not UTF-8: {}", e.utf8_error())))
}

/// Removes the tag of a nullable column; returns whether a value is present.
pub(super) fn take_tag(bytes: &mut &[u8]) -> Result<bool> {
    match take::<1>(bytes)? {
        [NULL] => Ok(false),
        [PRESENT] => Ok(true),
        [other] => Err(malformed(format!("a nullable column starts with byte {other:#04x}"))),
    }
}

/// Appends the units of a decimal.
pub(super) fn put_i128(value: i128, out: &mut Vec<u8>) {
    out.extend_from_slice(&(value ^ i128::MIN).to_be_bytes());
}

/// Removes the units of a decimal.
pub(super) fn take_i128(bytes: &mut &[u8]) -> Result<i128> {
    Ok(i128::from_be_bytes(take(bytes)?) ^ i128::MIN)
}

/// Maps a float to an unsigned integer in the order of `f64::total_cmp`.
pub(super) fn f64_to_ordered(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// The inverse of [`f64_to_ordered`].
pub(super) fn f64_from_ordered(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits })
}

/// Maps a float to an unsigned integer in the order of `f32::total_cmp`.
pub(super) fn f32_to_ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The inverse of [`f32_to_ordered`].
pub(super) fn f32_from_ordered(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

/// The error for bytes that are not a row of the schema.
pub(super) fn malformed(what: impl std::fmt::Display) -> Error {
    Error::new(Kind::Damaged, format!("malformed row: {what}"))
        .remedy("the bytes were written with another schema, or damaged; rebuild the view")
}
