//! **The one function**: the API in which users write dataflows, and which both layers compile.
//!
//! ```text
//! events::<E>(stream) ─► map · filter · flat_map · try_map · check · weighted · …   Events
//!                        └─ fused, linear, stateless: runs on borrowed rows
//!        ─► count · sum · distinct · latest · fold · collect · keyed                the barrier
//!                        └─ the only state that is persisted
//!        ─► join · reduce · iterate · top_k · … (all of differential)               Collection
//!        ─► view(name, rows)                                                        bytes + schema
//! ```
//!
//! The type system keeps the regimes apart: [`Events`] has no join, and a [`Collection`] cannot
//! become `Events` again. Because everything before a barrier is linear, the barrier's
//! consolidated contents at a frontier F represent the whole history before F: the batch layer
//! computes them in one run, the speed layer continues from them, and both layers write the same
//! files.
//!
//! ```
//! use diptych::prelude::*;
//!
//! #[derive(Event, Clone, Debug)]
//! struct Line {
//!     text: String,
//! }
//!
//! fn word_count(df: &mut Dataflow) {
//!     let words = df
//!         .events::<Line>("lines")
//!         .flat_map(|line, out| out.extend(line.text.split_whitespace().map(str::to_owned)))
//!         .count("words");
//!     df.view("counts", words).columns(&["word", "n"]);
//! }
//! # let info = diptych::dataflow::Definition::new("word_count", word_count).describe().unwrap();
//! # assert_eq!(info.views[0].name, "counts");
//! ```

/// The paths that derived code of this crate uses; derived code of others uses the facade's.
pub mod folds;
pub mod operators;
pub mod scratch;
mod derived {
    pub(crate) use diptych_base::error;
    pub(crate) use diptych_row as row;
}

mod accumulation_barrier;
mod accumulation_codec;
mod accumulation_monoids;
mod arranged_barrier;
mod assign_expiry;
mod barrier;
mod barrier_operators;
mod builder;
mod collection_ext;
mod combiner;
mod compare_signatures;
mod definition;
mod entry_bytes;
mod errors_view;
mod events;
mod expiring_state;
mod extremes;
mod flush_before_exchange;
mod fold_values;
mod graph;
mod graph_algorithms;
mod label_propagation;
mod linear_operators;
mod message_epoch;
mod misuse_compile_errors;
mod newest_event_time;
mod operators_without_state;
mod ordered_rows;
mod out_of_range_errors;
mod owned_rows;
mod per_epoch_operator;
mod recent_entries;
mod record_batch_pass;
mod report_state_size;
mod retained_barrier;
mod retained_view;
mod retention;
mod split_out_of_range;
mod state_size;
mod summand;
mod timed;
mod top_k;
mod total_semigroup;
mod vec_collection;
mod view;
mod weight;
mod wide_integer;

pub use accumulation_codec::{Sink, in_stored_form};
pub use accumulation_monoids::{Key, Monoid, Value};
pub use arranged_barrier::{Beside, Keyed, KeyedTrace};
pub use assign_expiry::Retained;
pub use barrier::Barrier;
pub use builder::Plan;
pub use builder::StreamInfo;
pub use collection_ext::{CollectionExt, PairsExt};
pub use compare_signatures::same_signature;
pub use definition::{Definition, Description};
pub use events::Events;
pub use graph::{Graph, GraphChannel, GraphOperator};
pub use graph_algorithms::EdgesExt;
pub use linear_operators::{Front, Source};
pub use newest_event_time::Newest;
pub use owned_rows::Rows;
pub use record_batch_pass::Pass;
pub use retention::{Keep, Moment};
pub use state_size::StateSize;
pub use summand::{Summand, Total};
pub use timed::{OrderedExt, PanesExt, TimedExt, Window, Windows};
pub use view::{Pair, View, Viewed};
pub use weight::{OnlyAdds, Plain, Sign, Signed, Weight};
pub use wide_integer::Wide;

use builder::Sketch;
use timely::dataflow::Scope;

use diptych_base::time::Epoch;
use diptych_event::{Event, ReadAs};
use diptych_row::Columns;
pub use diptych_row::{AccumulationPiece, StoredAccumulation, ViewInfo};
pub use vec_collection::{Collection, Inside};

/// The handle on which a user's function draws a dataflow: streams in, views out.
pub struct Dataflow<'s> {
    sketch: Sketch<'s>,
    /// The results that operators behind the barriers refuse.
    refused: Collection<'s, out_of_range_errors::ErrorsRow>,
}

impl<'s> Dataflow<'s> {
    /// An empty dataflow in `scope`.
    pub fn new(scope: Scope<'s, Epoch>) -> Self {
        Dataflow { sketch: Sketch::new(scope), refused: out_of_range_errors::open(scope) }
    }

    /// The events of a stream of the log, read in place as `E`'s borrowed rows.
    pub fn events<E: Event>(&mut self, stream: &str) -> Events<'s, Source<E>> {
        self.sketch.add_stream(stream, ReadAs::of::<E>());
        Events { sketch: self.sketch.clone(), front: Source::new(stream), kept: Vec::new() }
    }

    /// Publishes rows `(key, value)` as a view. Columns are named after struct fields, or by
    /// [`View::columns`]. Two views of one name are refused when the dataflow is compiled.
    pub fn view<C>(&mut self, name: &str, rows: C) -> View<'s, C::Row>
    where
        C: Viewed<'s, Row: Pair<Key: Value + Columns, Value: Value + Columns>>,
    {
        View::publish(&self.sketch, name, rows.into_collection())
    }

    /// Pins the dataflow's version: a promise that accumulations written under this name and
    /// version stay valid. Without it the version is a hash of the executable, so that a new build
    /// never trusts old accumulations.
    pub fn version(&mut self, version: &str) {
        self.sketch.set_version(version);
    }

    /// The scope the dataflow is built in, for operators of timely that need it.
    pub fn scope(&self) -> Scope<'s, Epoch> {
        self.sketch.scope()
    }

    /// Ends the drawing and gives the plan. Rows rejected by fallible operators, and results that
    /// are out of range, become the view `errors`; where there can be none, there is no such view.
    pub fn finish(self) -> diptych_base::error::Result<Plan<'s>> {
        let mut rows = self.refused.clone();
        let fallible = self.sketch.is_fallible();
        if fallible {
            let sketch = self.sketch.clone();
            let kept = sketch.all_retentions();
            let rejected = if kept.is_empty() {
                let front = errors_view::Rejections::<false>;
                Events { sketch, front, kept }.count(errors_view::NAME)
            } else {
                let front = errors_view::Rejections::<true>;
                Events { sketch, front, kept }.count(errors_view::NAME)
            };
            rows = rows.concat(rejected);
        }
        if out_of_range_errors::close() || fallible {
            View::unchecked(&self.sketch, errors_view::NAME, rows)
                .columns(&["epoch", "stream", "reason", "n"]);
        }
        self.sketch.finish()
    }
}
