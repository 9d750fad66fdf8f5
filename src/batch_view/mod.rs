#![doc = include_str!("README.md")]

mod backup;
mod block;
mod clean;
mod hostile;
mod lineage;
mod manifest;
mod mapped;
mod names;
mod reader;
mod rows;
mod writer;

pub use clean::remove_before;
pub(crate) use hostile::hostile;
pub use lineage::{lineage, set_lineage};
pub use manifest::{Barrier, Meta, ViewMeta};
pub use mapped::MappedView;
pub use names::Identity;
pub use reader::{BatchView, Newest};
pub use writer::{AccumulationWriter, BatchViewWriter, ViewWriter};
