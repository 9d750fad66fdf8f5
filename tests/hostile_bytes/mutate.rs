//! Mutations of well-formed bytes, the same for the same seed.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Values at which lengths and counts break.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
    0xffff_ffff_ffff_fff0,
    0x0001_0000_0000,
];
/// Words at which parsers of text break.
const WORDS: [&[u8]; 16] = [
    b"\0",
    b"\"",
    b"\\",
    b"\r\n",
    b"\n",
    b",",
    b"{",
    b"[[[[[[[[",
    b"}}",
    b"%00",
    b"%",
    b"&",
    b"=",
    b"\xff\xfe",
    b"1e999",
    b"-9223372036854775809",
];
const LEN_MAX: usize = 64 << 10;

/// An endless sequence of mutations.
pub(crate) struct Mutations<'a> {
    state: u64,
    seeds: &'a [Vec<u8>],
}

impl<'a> Mutations<'a> {
    pub(crate) fn new(seed: u64, name: &str, seeds: &'a [Vec<u8>]) -> Mutations<'a> {
        assert!(!seeds.is_empty(), "{name} has no well-formed bytes");
        Mutations { state: xxh3_64_with_seed(name.as_bytes(), seed), seeds }
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.random() % bound.max(1) as u64) as usize
    }

    pub(crate) fn next(&mut self) -> Vec<u8> {
        let chosen = self.below(self.seeds.len());
        let mut bytes = self.seeds[chosen].clone();
        for _ in 0..=self.below(4) {
            self.mutate(&mut bytes);
        }
        bytes.truncate(LEN_MAX);
        bytes
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        match self.below(9) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
            1 if !bytes.is_empty() => bytes[at] = self.random() as u8,
            2 => self.edge(bytes, at),
            3 => bytes.truncate(at),
            4 => {
                let end = (at + self.below(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let word = WORDS[self.below(WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
            6 => {
                let end = (at + self.below(64)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                let times = 1 + self.below(40);
                bytes.splice(at..at, part.repeat(times));
            }
            7 => {
                let other = self.below(self.seeds.len());
                let from = self.below(self.seeds[other].len());
                bytes.truncate(at);
                bytes.extend_from_slice(&self.seeds[other][from..]);
            }
            _ => bytes.extend((0..self.below(32)).map(|_| 0).collect::<Vec<u8>>()),
        }
    }

    /// Writes an edge value of a random width in either byte order.
    fn edge(&mut self, bytes: &mut [u8], at: usize) {
        let value = EDGES[self.below(EDGES.len())];
        let width = [1, 2, 4, 8][self.below(4)];
        let spelt = if self.below(4) == 0 {
            value.to_be_bytes()[8 - width..].to_vec()
        } else {
            value.to_le_bytes()[..width].to_vec()
        };
        for (place, byte) in bytes.iter_mut().skip(at).zip(spelt) {
            *place = byte;
        }
    }
}
