#![doc = include_str!("README.md")]

mod accepted_difference;
mod accumulation_writer;
mod active_version;
mod backup;
mod block;
mod block_index;
mod changed_entries;
mod entry_form;
mod fuzz_targets;
mod gc;
mod last_epoch_stamp;
mod manifest;
mod mapped_accumulation;
mod mapped_part;
mod mapped_view;
mod paths;
mod reader;
mod row_codec;
mod runs;
mod sorted_rows;
mod stale_batch_views;
mod view_writer;
mod writer;

pub use accepted_difference::{lineage, lineage_in_force, set_lineage};
pub use accumulation_writer::AccumulationWriter;
pub use active_version::{record_version, recorded_version};
pub use fuzz_targets::hostile;
pub use gc::{remove_before, remove_these};
pub use manifest::{BarrierInfo, Meta};
pub use mapped_accumulation::MappedAccumulation;
pub use mapped_view::MappedView;
pub use paths::Identity;
pub use reader::{BatchView, EntryBlocks, FileCheck, NewestBatchView};
pub use stale_batch_views::{BatchViewDir, StaleFacts, homes};
pub use view_writer::ViewWriter;
pub use writer::BatchViewWriter;
