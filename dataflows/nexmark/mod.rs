//! Nexmark: the queries over an auction house by which streaming systems are compared.
//!
//! The streams `people`, `auctions`, `bids` and `side_inputs` are those of the suite at
//! <https://github.com/nexmark/nexmark>, which is after Tucker, Tufte, Papadimos and Maier,
//! "`NEXMark`: a benchmark for queries over data streams" (2002). Each query asks what the SQL of
//! that name asks there, and answers without watermarks: a late event changes the answer that it
//! belongs to. The function [`draw`] makes events up, after the generator of the suite.
//!
//! Differences from the suite:
//! - q6 is included (the suite leaves it out: its engine cannot retract averaged values).
//! - q7 gives the highest bids *of* a window; the suite's join also finds an equal bid at the first
//!   instant of the next one.
//! - q10 is left out: it writes partitioned files, and does not compute an answer. The log keeps
//!   every event as Arrow files, and `changes` gives a writer of files its input.
//! - q12 asks for windows of processing time. Processing time is not part of the log, and differs
//!   from run to run: an answer that depends on it could never be recomputed. It is answered by
//!   event time.
//! - q13 reads its bounded side input as a stream, so that it may grow.
//! - Averages are exact to three digits. Where rows tie, the row decides, not the order of arrival.

mod auction;
mod best;
mod draw;
mod enriched;
mod hot;
mod passing;
mod people;
mod ranks;
mod reports;
mod users;
mod winners;

use auction::BidRow;
pub use auction::{Auction, Bid};
pub use best::{q18, q19};
pub use draw::{Nexmark, draw};
pub use enriched::{SideInput, q13, q20};
pub use hot::{q5, q7};
pub use passing::{q0, q1, q2, q14};
pub use people::{Person, q3, q8};
pub use reports::{q15, q16, q17};
pub use users::{q11, q12};
pub use winners::{q4, q6, q9};

use diptych::dataflow::Definition;
use diptych::prelude::*;

/// All queries, as `nexmark_q0` to `nexmark_q20`; compiled only by a crate that uses them, as the
/// [gallery](super::gallery) is.
#[inline]
pub fn all() -> impl Iterator<Item = Definition> {
    let queries: [(&str, fn(&mut Dataflow<'_>)); 20] = [
        ("nexmark_q0", q0),
        ("nexmark_q1", q1),
        ("nexmark_q2", q2),
        ("nexmark_q3", q3),
        ("nexmark_q4", q4),
        ("nexmark_q5", q5),
        ("nexmark_q6", q6),
        ("nexmark_q7", q7),
        ("nexmark_q8", q8),
        ("nexmark_q9", q9),
        ("nexmark_q11", q11),
        ("nexmark_q12", q12),
        ("nexmark_q13", q13),
        ("nexmark_q14", q14),
        ("nexmark_q15", q15),
        ("nexmark_q16", q16),
        ("nexmark_q17", q17),
        ("nexmark_q18", q18),
        ("nexmark_q19", q19),
        ("nexmark_q20", q20),
    ];
    queries.into_iter().map(|(name, query)| Definition::new(name, query))
}
