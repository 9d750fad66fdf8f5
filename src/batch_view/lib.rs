#![doc = include_str!("README.md")]

mod acceptance;
mod active_version;
mod backup;
mod block;
mod gc;
mod hostile;
mod index;
mod manifest;
mod mapped;
mod paths;
mod reader;
mod rows;
mod seal_time;
mod stale;
mod writer;

pub use acceptance::{lineage, lineage_in_force, set_lineage};
pub use active_version::{record_version, recorded_version};
pub use gc::{remove_before, remove_these};
pub use hostile::hostile;
pub use manifest::{BarrierInfo, Meta};
pub use mapped::MappedView;
pub use paths::Identity;
pub use reader::{BatchView, NewestBatchView};
pub use stale::{BatchViewDir, StaleFacts, homes};
pub use writer::{AccumulationWriter, BatchViewWriter, ViewWriter};
