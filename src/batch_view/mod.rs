#![doc = include_str!("README.md")]

mod backup;
mod block;
mod clean;
mod former;
mod hostile;
mod lineage;
mod manifest;
mod names;
mod reader;
mod rows;
mod sealed;
mod writer;

pub use clean::remove_before;
pub use former::{Home, Stated, homes};
pub(crate) use hostile::hostile;
pub use lineage::{lineage, set_lineage};
pub use manifest::{Barrier, Meta, ViewMeta};
pub use names::Identity;
pub use reader::{BatchView, Newest};
pub use writer::{AccumulationWriter, BatchViewWriter, ViewWriter};
