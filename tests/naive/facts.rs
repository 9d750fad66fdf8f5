//! Facts of every stream in one type, and histories of them.

use std::sync::Arc;

use arrow_array::RecordBatch;
use dataflows::{Customer, Edge, IdentifiedTweet, InvoiceLine, Line, Order, Root, Transfer, Tweet};
use diptych::Event;
use diptych::event::EventAppender;

/// An event of a random program: a value under a key.
#[derive(Event, Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    /// The key.
    pub(crate) key: String,
    /// The value.
    pub(crate) value: i64,
    /// The weight; a negative one takes back.
    pub(crate) weight: i64,
}

/// An event of the other stream of random programs.
#[derive(Event, Clone, Debug, PartialEq)]
pub(crate) struct Note {
    /// The number.
    pub(crate) number: Option<i64>,
    /// The name.
    pub(crate) name: String,
}

/// The facts of all epochs: `history[e]` are those of epoch `e`.
pub(crate) type History = Vec<Vec<Fact>>;

macro_rules! facts {
    ($($variant:ident in $stream:literal),* $(,)?) => {
        /// One event of one of the streams.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum Fact {
            $($variant($variant),)*
        }

        /// The record batches of an epoch. Each stream's facts keep their order; where facts of
        /// other streams come between them, a new batch begins, so that a stream may have several.
        pub(crate) fn batches(facts: &[Fact]) -> Vec<(Arc<str>, RecordBatch)> {
            let mut batches = Vec::new();
            for run in facts.chunk_by(|a, b| a.stream() == b.stream()) {
                match &run[0] {
                    $(Fact::$variant(_) => {
                        let mut appender = <$variant as Event>::Appender::default();
                        for fact in run {
                            let Fact::$variant(event) = fact else { unreachable!() };
                            appender.push(event);
                        }
                        batches.push((Arc::from($stream), appender.finish()));
                    })*
                }
            }
            batches
        }

        impl Fact {
            /// The stream it belongs to.
            pub(crate) fn stream(&self) -> &'static str {
                match self {
                    $(Fact::$variant(_) => $stream,)*
                }
            }
        }

        $(impl From<$variant> for Fact {
            fn from(event: $variant) -> Fact {
                Fact::$variant(event)
            }
        })*
    };
}

facts! {
    Line in "lines",
    Tweet in "tweets",
    IdentifiedTweet in "tweets_with_id",
    Transfer in "transfers",
    Order in "orders",
    Customer in "customers",
    Edge in "edges",
    Root in "roots",
    InvoiceLine in "invoice_lines",
    Mark in "marks",
    Note in "notes",
}
