//! stub
use crate::Result;
use std::sync::Arc;
/// Rows of one stream.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// s
    pub stream: Arc<str>,
    /// r
    pub rows: arrow_array::RecordBatch,
    /// e
    pub epochs: Epochs,
}
/// e
#[derive(Clone, Debug)]
pub enum Epochs {
    /// o
    One(u64),
    /// e
    Each(arrow_array::UInt64Array),
}
/// s
#[derive(Clone, Debug)]
pub struct Sealed {
    /// e
    pub epoch: u64,
    /// c
    pub clock_us: i64,
    /// c
    pub chunks: Vec<Chunk>,
}
/// r
pub struct Reader(pub Vec<Sealed>);
/// p
pub struct Part(Chunk);
impl Part {
    /// c
    pub fn into_chunks(self) -> impl Iterator<Item = Result<Chunk>> {
        std::iter::once(Ok(self.0))
    }
}
impl Reader {
    /// u
    pub fn upper(&self) -> Result<u64> {
        Ok(self.0.len() as u64)
    }
    /// p
    pub fn parts(&self, l: u64, u: u64) -> Result<Vec<Part>> {
        Ok(self.0[l as usize..u as usize].iter().flat_map(|s| s.chunks.clone()).map(Part).collect())
    }
    /// e
    pub fn epochs(&self, l: u64, u: u64) -> Result<impl Iterator<Item = Result<Sealed>>> {
        Ok(self.0[l as usize..u as usize].to_vec().into_iter().map(Ok))
    }
}
