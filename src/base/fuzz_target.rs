//! Decoders of bytes from outside, each with well-formed seeds, for the tests and fuzzers that feed
//! them mutated bytes. Each crate lists its own decoders; the facade collects them.
//!
//! Decoders are called behind the checksums that protect their bytes on disk: a checksum detects
//! damage, it does not authenticate.

/// A decoder under test.
pub struct Decoder {
    /// The name of the format.
    pub name: &'static str,
    /// Well-formed inputs.
    pub seeds: Vec<Vec<u8>>,
    /// Decodes any bytes; values and errors are both dropped.
    pub run: fn(&[u8]),
}

impl Decoder {
    /// Makes a decoder with well-formed inputs.
    pub fn new(name: &'static str, seeds: Vec<Vec<u8>>, run: fn(&[u8])) -> Decoder {
        Decoder { name, seeds, run }
    }
}
