//! Monoids for [`Events::fold`](crate::Events::fold): accumulations per key besides sums.
//!
//! Each is a value that can be merged in any order, so that workers, epochs and both layers may
//! divide the events in any way. That is more than mathematics: equal contents must be equal
//! *bytes*, because rows are compared, exchanged and retracted by value. So nothing here holds a
//! rounded float, a random seed, or a list in the order of arrival, and the sketches use integers
//! only. (The sketches of other crates do not fit: their form depends on the order of arrival.)
//!
//! | monoid | one event gives | state per key |
//! |---|---|---|
//! | [`Count`], [`Sum`] | nothing, a number | one number |
//! | [`FloatSum`] (a value of `sum`) | a float | an exact sum, as many digits as it has |
//! | [`Min`], [`Max`] | a value | the least, the greatest value |
//! | [`First`], [`Last`] | (order, value) | the first, the last by order, then by value |
//! | [`Mean`], [`Variance`] | a number | exact sums |
//! | [`Top`] | a value | the greatest `N` values |
//! | [`Set`], [`Histogram`] | a value | every distinct value |
//! | [`HyperLogLog`] | a hash | at most 2^P bytes |
//! | [`Quantiles`] | an integer | a counter for each bucket that is not empty |
//! | [`Bloom`] | a hash | BITS / 8 bytes |
//!
//! Tuples of monoids are monoids: one fold keeps several.
//!
//! ```
//! use dataflows::Transfer;
//! use diptych::folds::{Count, Max, Mean};
//! use diptych::serving::Read;
//! use diptych::prelude::*;
//! use diptych::System;
//! use diptych::dataflow::Definition;
//! use diptych::sources::append;
//! use diptych::system::Cluster;
//!
//! fn received(df: &mut Dataflow) {
//!     let kept = df
//!         .events::<Transfer>("transfers")
//!         .map(|t| (t.to_account, ((), t.amount, t.amount)))
//!         .fold::<(Count, Max<i64>, Mean<i64>), i64>("received")
//!         .map(|(account, (n, max, mean))| (account, (n.get(), max.get(), mean.decimal::<2>())));
//!     df.view("received", kept).columns(&["account", "n", "greatest", "mean"]);
//! }
//!
//! # fn main() -> diptych::Result<()> {
//! let system = System::in_memory();
//! let transfer = |id, amount| Transfer { id, from_account: 1, to_account: 2, amount, ts: 0 };
//! append(&system.writer()?, "transfers", &[transfer(1, 5), transfer(2, 10), transfer(3, 5)])?;
//! let received = Definition::new("received", received);
//! let index = system.recompute(&received, 1, Cluster::local(2), true)?;
//! let rows = index.snapshot(Read::Latest)?.rows::<i64, (i64, i64, Decimal<2>)>("received")?;
//! assert_eq!(rows, [((2, (3, 10, "6.67".parse()?)), 1)]);
//! # Ok(())
//! # }
//! ```

mod bloom;
mod exact_sum;
mod extremes;
mod float_sum;
mod hyper_log_log;
mod moments;
mod quantiles;
mod sets;
#[cfg(test)]
mod tests;
mod tuples;

pub use bloom::Bloom;
pub use extremes::{First, Last, Max, Min, Top};
pub use float_sum::FloatSum;
pub use hyper_log_log::HyperLogLog;
pub use moments::{Count, Exact, Mean, Sum, Variance};
pub use quantiles::Quantiles;
pub use sets::{Histogram, Set};

/// A hash of any value, for [`HyperLogLog`] and [`Bloom`]: the same on every machine and in every
/// version, because sketches are stored. XXH3 of the value's bincode bytes.
///
/// # Panics
/// When the value cannot be serialised.
pub fn hash<T: serde::Serialize + ?Sized>(value: &T) -> u64 {
    match bincode::serialize(value) {
        Ok(bytes) => xxhash_rust::xxh3::xxh3_64(&bytes),
        Err(error) => panic!("a value that is hashed cannot be serialised: {error}"),
    }
}
