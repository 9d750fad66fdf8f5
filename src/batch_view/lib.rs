#![doc = include_str!("README.md")]

mod backup;
mod block;
mod clean;
mod former;
mod hostile;
mod index;
mod lineage;
mod manifest;
mod mapped;
mod names;
mod reader;
mod record;
mod rows;
mod sealed;
mod writer;

pub use clean::{remove_before, remove_these};
pub use former::{Home, Stated, homes};
pub use hostile::hostile;
pub use lineage::{lineage, lineage_in_force, set_lineage};
pub use manifest::{Barrier, Meta};
pub use mapped::MappedView;
pub use names::Identity;
pub use reader::{BatchView, Newest};
pub use record::{record_version, recorded_version};
pub use writer::{AccumulationWriter, BatchViewWriter, ViewWriter};
