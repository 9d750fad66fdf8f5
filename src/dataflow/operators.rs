//! The operators on collections, behind a barrier: one import for all of them.
//!
//! ```
//! use diptych::dataflow::operators::*;
//! ```
//!
//! [`CollectionExt`] has those of any collection and [`PairsExt`] those of pairs `(key, value)`;
//! [`OrderedExt`], [`TimedExt`] and [`PanesExt`] go by an order or by event time, and [`EdgesExt`]
//! has those of graphs. Operators in front of a barrier are methods of
//! [`Events`](crate::Events).

pub use super::collection_ext::{CollectionExt, PairsExt};
pub use super::graph_algorithms::EdgesExt;
pub use super::timed::{OrderedExt, PanesExt, TimedExt};
