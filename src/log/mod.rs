//! stub
use std::sync::Arc;
/// Rows of one stream.
#[derive(Clone, Debug)]
pub struct Chunk { /// s
pub stream: Arc<str>, /// r
pub rows: arrow_array::RecordBatch, /// e
pub epochs: Epochs }
/// e
#[derive(Clone, Debug)]
pub enum Epochs { /// o
One(u64), /// e
Each(arrow_array::UInt64Array) }
