//! **The Lambda Architecture in one Rust function.** Diptych runs a function over a log of events,
//! first over all of history and then over each new event, and serves the results.
//!
//! You write one function from event streams to views. The batch layer compiles it into a timely
//! dataflow and runs it once over all of history; the speed layer is the same function, continuing
//! over new epochs; the serving layer is an index over both. The law:
//!
//! > At every sealed epoch t, and for every s <= t:
//! > `batch(log[..t]) == speed(batch(log[..s]), log[s..t]) ==` what readers see at t.
//!
//! ```
//! use dataflows::{Line, word_count};
//! use diptych::serving::{Index, Read};
//! use diptych::{Boundary, Cluster, Definition, Epoch, ServeOptions, System, append};
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
//! - for state larger than memory: the accumulations and views of a dataflow must fit.
//!
//! # The book
//! [`book`] begins with [the first hour](book::first_hour): from `cargo new` to a dataflow that is
//! [`book`] begins with [the first hour](book::first_hour): from `cargo new` to a dataflow that is
//! correct, tested and served. [Tables](book::tables) and the [gallery](book::gallery) show how to
//! write a dataflow; [commands](book::commands) and [serving](book::serving) show how to use it.
//! [Why](book::why) derives the design, [guarantees](book::guarantees) lists the promises and their
//! tests, and the [glossary](book::glossary) defines the words. [Operating](book::operating)
//! explains how to run a server.

pub mod book;
#[doc(hidden)]
pub mod hostile;

pub use diptych_base::{error, io, limits, time};
pub use diptych_batch as batch;
pub use diptych_batch_view as batch_view;
pub use diptych_dataflow as dataflow;
pub use diptych_dataflow::{folds, scratch};
pub use diptych_engine as engine;
pub use diptych_event as event;
pub use diptych_log as log;
pub use diptych_row as row;
pub use diptych_serving as serving;
pub use diptych_sources as sources;
pub use diptych_testing as testing;

/// The servers: HTTP with the live page, SQL, the Postgres protocol.
#[cfg(feature = "servers")]
pub mod servers {
    pub use diptych_servers::{Listeners, Servers, routes};
    pub use diptych_site::{Concern, ConcernKind, Flow, Grown, Load, MaxLag, Mode};
    pub use diptych_site::{ServersOptions, Site};
}

#[cfg(feature = "cli")]
pub use diptych_cli as cli;
#[cfg(feature = "cli")]
pub use diptych_cli::main;

pub use batch::BatchReport;
pub use dataflow::{
    Collection, CollectionExt, Dataflow, Definition, Description, EdgesExt, Events, Front, Inside,
    Keep, Keyed, Moment, Monoid, Newest, OrderedExt, PairsExt, PanesExt, Retained, Summand,
    TimedExt, Window, Windows, flows,
};
pub use diptych_system::{
    Backup, BatchOptions, Boundary, Checkpoint, Checkpoints, Control, Controlled,
    ControlledDataflow, DeployOptions, Deployed, EraseOptions, ErasedData, ErasedDataflow,
    ErasedView, FirstAnswers, How, KeyDiff, Past, Rebuild, RebuildOptions, Rebuilds, Rebuilt,
    ServeOptions, Served, Stream, System, Turn, Turns, Verification, Verifications, ViewDiff,
    Wanted, diff,
};
pub use engine::{Cluster, Progress};
pub use error::{Error, Kind as ErrorKind, Result};
pub use event::{Date, Decimal, Event, Float, Timestamp};
pub use row::Columns;
pub use sources::append;
pub use testing::assert_law;
pub use time::Epoch;

pub use differential_dataflow;
pub use timely;

/// Arrow, in the version of the log: the types that [`log::Append`] takes and that readers of the
/// log return.
///
/// ```
/// use diptych::arrow::RecordBatch;
/// use diptych::event::Append as _;
/// use dataflows::Line;
/// use diptych::{Event};
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

/// Compiles and runs the README's code as it is printed.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
