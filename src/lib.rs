//! **The Lambda Architecture in one Rust function.** Diptych runs a function over a log of events,
//! first over all of history and then over each new event, and serves the results.
//!
//! ```
//! use diptych::prelude::*;
//! use diptych::testing::Live;
//!
//! #[derive(Event, Clone)]
//! struct Order {
//!     product: String,
//!     cents: i64,
//! }
//!
//! fn revenue(df: &mut Dataflow) {
//!     let orders = df.events::<Order>("orders");
//!     let cents = orders.map(|order| (order.product.to_owned(), order.cents));
//!     df.view("revenue_by_product", cents.sum("revenue"));
//! }
//!
//! # fn main() -> diptych::Result<()> {
//! let order = |product: &str, cents| Order { product: product.to_owned(), cents };
//! let mut live = Live::start(("revenue", revenue))?;
//! live.feed("orders", &[order("tea", 300), order("tea", 400)])?;
//! assert_eq!(live.rows::<String, i64>("revenue_by_product")?, [("tea".to_owned(), 700)]);
//! # Ok(())
//! # }
//! ```
//!
//! # Three nouns
//! - A **log** holds the events of all streams for ever, in numbered [epochs](time::Epoch); an
//!   append is acknowledged when it is on disk. Rust type: [`Event`]; module: [`log`].
//! - A **dataflow** is your function from streams to views. The batch layer runs it once over all
//!   of history, and the speed layer is the same function, continued with each new epoch. Rust
//!   type: [`Dataflow`]; module: [`mod@dataflow`].
//! - A **view** is a named collection of rows, key and value, that the dataflow publishes. Its
//!   index answers reads at any recent epoch. Rust type: [`serving::Index`]; module: [`serving`].
//!
//! # Contents
//! | module | for |
//! |---|---|
//! | [`prelude`] | everything that a file with a dataflow needs |
//! | [`mod@dataflow`], [`folds`] | operators, accumulations, retention |
//! | [`testing`] | a dataflow in memory, and tests of the law |
//! | [`main`] | the command line: `ingest`, `batch`, `serve`, `query`, `deploy` and the others |
//! | [`system`] | the same from Rust: batch runs, serving, rebuilds, deploys |
//! | [`event`], [`row`] | types of events and of rows in views |
//! | [`log`], [`sources`] | append, read, and ingest files |
//! | [`serving`], [`servers`] | read views: from Rust, HTTP, SQL, the Postgres protocol |
//! | [`batch_view`] | the files of batch views |
//! | [`error`], [`mod@time`], [`arrow`] | types that are in all of these |
//!
//! The [`book`] begins with [the first hour](book::first_hour): from `cargo new` to a dataflow that
//! is correct, tested and served. [Tables](book::tables) and the [gallery](book::gallery) show how
//! to write a dataflow; [commands](book::commands) and [serving](book::serving) show how to use it.
//! [Why](book::why) derives the design, [guarantees](book::guarantees) lists the promises and their
//! tests, and the [glossary](book::glossary) defines the words. [Operating](book::operating)
//! explains how to run a server.
//!
//! # The law
//! > At every sealed epoch t, and for every s <= t:
//! > `batch(log[..t]) == speed(batch(log[..s]), log[s..t]) ==` what readers see at t.
//!
//! ```
//! use dataflows::{Line, word_count};
//! use diptych::serving::{Index, Read};
//! use diptych::sources::append;
//! use diptych::system::{Boundary, Cluster, ServeOptions};
//! use diptych::{System, dataflow::Definition, time::Epoch};
//!
//! # fn main() -> diptych::Result<()> {
//! let system = System::in_memory();
//! let writer = system.writer()?;
//! for text in ["to be", "or not", "to be", "that is"] {
//!     append(&writer, "lines", &[Line { text: text.to_owned() }])?;
//! }
//! let counts = Definition::new("word_count", word_count);
//! let rows = |index: &Index, t: Epoch| {
//!     index.snapshot(Read::AsOf(t - 1))?.rows::<String, i64>("counts")
//! };
//! for t in 1..=4 {
//!     let batch = system.recompute(&counts, t, Cluster::local(2), true)?;
//!     for s in 0..=t {
//!         let options = ServeOptions::default().boundary(Boundary::InPlace(s)).until(t);
//!         let served = system.serve(&[counts.clone()], options)?;
//!         served.wait_beyond("word_count", t - 1)?;
//!         assert_eq!(rows(&batch, t)?, rows(&served.index("word_count")?, t)?);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ```text
//! sources ─► log (master dataset) ─┬─► batch  f over history [0,F) ─► batch view ─┐
//!            epochs, immutable     │          the same f, one dataflow            ├─► serving
//!            fsync before ack      └─► speed  f continues at F ─────► deltas ─────┘   index
//! ```
//!
//! # It is
//! - exact: for joins, top-k, distinct and recursion, for late and out-of-order events, through
//!   restarts; nothing waits for a watermark, a late event simply changes an old answer;
//! - a library: a whole `main.rs` is one call with your functions;
//! - durable: an acknowledged event is on disk, and damage is refused, never skipped.
//!
//! # It is not
//! - a SQL engine (the feature `sql` brings `DataFusion`), a message broker, or a replicated store:
//!   one machine's disk holds the log;
//! - for joins larger than memory: accumulations that go straight to views may have any size
//!   ([`system::ServeOptions::memory`]), all others must fit.

pub mod book;
pub mod prelude;

pub use diptych_base::{error, time};
pub use diptych_batch_view as batch_view;
pub use diptych_dataflow as dataflow;
pub use diptych_dataflow::{Dataflow, flows, folds};
pub use diptych_event as event;
pub use diptych_event::Event;
pub use diptych_log as log;
pub use diptych_row as row;
pub use diptych_serving as serving;
pub use diptych_sources as sources;
pub use diptych_system::System;
pub use diptych_testing as testing;
pub use error::{Error, Result};

#[cfg(feature = "cli")]
pub use diptych_cli::main;

/// Batch runs, serving, and everything else that is done with a data directory.
pub mod system {
    pub use diptych_batch::BatchReport;
    pub use diptych_engine::{Cluster, Progress};
    pub use diptych_system::{
        AnsweredBy, Backup, BatchOptions, Boundary, Checkpoint, Checkpoints, Control, Controlled,
        ControlledDataflow, DeployOptions, DeployRequest, Deployed, EraseOptions, ErasedData,
        ErasedDataflow, ErasedView, FirstAnswers, KeyDiff, Past, Rebuild, RebuildOptions, Rebuilds,
        Rebuilt, ServeOptions, Served, Stream, System, Turn, Turns, Verification, Verifications,
        ViewDiff, diff,
    };
}

/// The servers: HTTP with the live page, SQL, the Postgres protocol.
#[cfg(feature = "servers")]
pub mod servers {
    pub use diptych_servers::{Listeners, Servers, routes};
    pub use diptych_site::{AppendOnly, ClearText, Concern, ConcernKind, Flow, Load, MaxLag, Mode};
    pub use diptych_site::{ServersOptions, Site};
}

/// Arrow, in the version of the log: the types that [`log::Append`] takes and that readers of the
/// log return.
///
/// ```
/// use diptych::arrow::RecordBatch;
/// use diptych::event::EventAppender as _;
/// use dataflows::Line;
/// use diptych::Event;
///
/// let mut lines = <Line as Event>::Appender::default();
/// lines.push(&Line { text: "to be".to_owned() });
/// let rows: RecordBatch = lines.finish();
/// assert_eq!((rows.num_rows(), rows.schema().field(0).name().as_str()), (1, "text"));
/// ```
pub mod arrow {
    pub use arrow_array::{self as array, RecordBatch};
    pub use arrow_schema as schema;
}

/// The allocator used for all published figures; your own binary selects it with two lines:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: diptych::MiMalloc = diptych::MiMalloc;
/// ```
pub use mimalloc::MiMalloc;

// Parts of the engine, for its own tests and benches, and names that stood here before there was a
// prelude.
#[doc(hidden)]
pub mod fuzz_targets;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub use diptych_cli as cli;
#[doc(hidden)]
pub use prelude::{
    CollectionExt, Date, Decimal, Float, Keep, OrderedExt, PairsExt, TimedExt, Timestamp, Windows,
};
#[doc(hidden)]
pub use {differential_dataflow, timely};
#[doc(hidden)]
pub use {
    diptych_base::{io, limits},
    diptych_batch as batch,
    diptych_dataflow::scratch,
    diptych_engine as engine,
};

/// Compiles and runs the README's code as it is printed.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
