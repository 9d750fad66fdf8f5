//! Every decoder of bytes from outside, with well-formed bytes to begin with, for the tests and
//! fuzzers that hand them anything else. No part of the interface.
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
    pub(crate) fn new(name: &'static str, seeds: Vec<Vec<u8>>, run: fn(&[u8])) -> Decoder {
        Decoder { name, seeds, run }
    }
}

/// All of them.
pub fn decoders() -> Vec<Decoder> {
    let mut all = crate::log::hostile();
    all.extend(crate::batch_view::hostile());
    all.extend(crate::row::hostile());
    all.extend(crate::sources::hostile());
    all.extend(crate::servers::hostile());
    all.extend(crate::cli::hostile());
    all
}
