//! The serving index.

mod batch;
mod byte_rows;
mod publish;
mod route;
mod table;

pub use batch::{ViewBatch, ViewBuilder, ViewCursor, ViewMerger, ViewUpdate};
pub use byte_rows::ByteRows;
pub use publish::{Publish, probe_published, publish_view};
pub use route::shard_of;
