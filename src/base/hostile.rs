//! A decoder of bytes from outside, with well-formed bytes to begin with, for the tests and fuzzers
//! that hand it anything else. Each crate lists its own; the facade collects them.
//!
//! Each is called behind the checksums that protect its bytes on disk: a checksum detects, it does
//! not authenticate.

/// A decoder under attack.
pub struct Decoder {
    /// What it decodes.
    pub name: &'static str,
    /// Bytes that it takes.
    pub seeds: Vec<Vec<u8>>,
    /// Decodes anything; an error is as good as a value, and is dropped.
    pub run: fn(&[u8]),
}

impl Decoder {
    /// A decoder, and bytes that it takes.
    pub fn new(name: &'static str, seeds: Vec<Vec<u8>>, run: fn(&[u8])) -> Decoder {
        Decoder { name, seeds, run }
    }
}
