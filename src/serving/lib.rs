//! The serving index: the views of a dataflow, in memory, for any number of readers.
//!
//! A view is a trace. The batch layer contributes its first batch, the speed layer the rest, and
//! the frontier is the hinge. Workers [publish](publish_view) sealed batches into an [`Index`];
//! a thread of its own merges them; readers take a [`Snapshot`] of all views at one epoch.
//!
//! Invariants:
//! - the batches of a (view, shard) are contiguous from epoch 0, or from the first epoch after a
//!   base that is read from files, and immutable;
//! - readers see times below the frontier only, the least upper bound over all views and shards,
//!   and the frontier never goes back;
//! - a change is the swap of one pointer to one immutable state, so a reader sees all views at one
//!   moment or none.
//!
//! ```
//! use diptych::row::{self, RowSchema};
//! use diptych::serving::{Index, IndexOptions, Publish, Read, ViewBatch, ViewInfo};
//!
//! let schema = RowSchema::of::<String, i64>();
//! let views = vec![ViewInfo { name: "counts".into(), schema }];
//! let index = Index::new("1", views, 1, IndexOptions::default())?;
//!
//! // A worker publishes epoch 0, then epoch 1.
//! let key = row::encode(&"rust".to_string());
//! let (one, two) = (row::encode(&1i64), row::encode(&2i64));
//! let first = vec![((key.clone(), one.clone()), 0, 1)];
//! index.publish(0, 0, ViewBatch::from_updates(0, 1, first));
//! let second = vec![((key.clone(), one), 1, -1), ((key.clone(), two.clone()), 1, 1)];
//! index.publish(0, 0, ViewBatch::from_updates(1, 2, second));
//!
//! let now = index.snapshot(Read::Latest)?;
//! assert_eq!(now.get(0, &key)?, [(two, 1)]);
//! assert_eq!(now.at(0)?.get(0, &key)?, [(row::encode(&1i64), 1)]);
//! # Ok::<(), diptych::Error>(())
//! ```

mod base_builder;
mod batch_cursor;
mod batch_history_bytes;
mod batch_layout;
mod byte_rows;
mod change_ring;
mod changes;
mod changes_paging;
mod columnar_access;
mod compare_computations;
mod cutover;
mod disk_index;
mod index_options;
mod index_shared;
mod index_state;
mod key_hash_table;
mod lease;
mod merge_batches;
mod merge_page;
mod merged_row_iter;
mod net_values;
mod page;
mod point_read;
mod publish;
mod read_over_stored;
mod row;
mod sharding;
mod shared_updates;
mod shrink;
mod snapshot;
mod snapshot_diff;
mod status;
mod stored_view;
mod typed_read;
mod update_buffer;
mod values_of_key;
mod verified_epoch;
mod version_diff;
mod view_batch;
mod view_index;
mod wake_signal;

pub use base_builder::BaseBuilder;
pub use batch_cursor::ViewCursor;
pub use byte_rows::ByteRows;
pub use changes::{Change, Changes, Token};
pub use changes_paging::ChangesPage;
pub use columnar_access::WeakBatch;
pub use compare_computations::{Compared, Differing, compare};
pub use cutover::{Base, Pin, Serving, StoredBase};
pub use merged_row_iter::RowIter;
pub use page::Filling;
pub use page::{Cursor, Page};
pub use point_read::Latest;
pub use publish::{Publish, probe_published, publish_view};
pub use sharding::shard_of;
pub use shared_updates::{SharedUpdates, ViewBuilder, ViewMerger, ViewUpdate};
pub use snapshot::{Read, Snapshot};
pub use snapshot_diff::Difference;
pub use status::{IndexStatus, ViewStatus};
pub use verified_epoch::{Verdict, Verified, VerifiedStatus};
pub use version_diff::same_columns;
pub use version_diff::{KeyDiff, ViewDiff, view_diffs};
pub use view_batch::ViewBatch;
pub use view_index::Index;

pub use diptych_row::{Digest, ViewInfo};
pub use index_options::{IndexOptions, Rewritten};
pub use row::Row;
pub use stored_view::StoredView;
