//! The test kit: feeds your dataflow by hand, and checks the law on random histories.
//!
//! - [`Live`] feeds epochs and reads views, one step after another;
//! - [`assert_law!`](crate::assert_law) draws random histories from a [`proptest`] strategy and
//!   checks the law on each: batch and speed, every split, restarts, other worker counts, other
//!   orders, other epochs, repeated appends; a failure names the view, the epoch and the rows, and
//!   shrinks the history;
//! - [`check_law`] does the same for one history, [`check_deterministic`] runs it twice;
//! - [`golden`] compares a view with a file of your repository.
//!
//! Everything runs in memory, on the same code as in production but for the disk.
//!
//! ```
//! use dataflows::{Line, word_count};
//! use diptych::testing::{Live, Story, check_law};
//!
//! # fn main() -> diptych::Result<()> {
//! let line = |text: &str| Line { text: text.to_owned() };
//! let mut live = Live::start(("word_count", word_count))?;
//! live.feed("lines", &[line("to be or not to be")])?;
//! live.feed("lines", &[line("to")])?;
//! assert!(live.rows::<String, i64>("counts")?.contains(&("to".to_owned(), 3)));
//! live.restart(2)?; // from a checkpoint, with two workers
//! assert_eq!(live.rows_at::<String, i64>(0, "counts")?.len(), 4);
//!
//! let story = Story::of("lines", &[vec![line("to be")], vec![], vec![line("or"), line("not")]]);
//! check_law(("word_count", word_count), &story, 7)?;
//! # Ok(())
//! # }
//! ```
//!
//! [`proptest`]: https://docs.rs/proptest

mod golden;
mod law_check;
mod live_test_run;
mod test_history;

// `assert_law` expands to this path.
#[doc(hidden)]
pub use diptych_dataflow::Definition;
pub use golden::golden;
pub use law_check::{check_deterministic, check_law};
pub use live_test_run::Live;
pub use test_history::Story;

/// Checks the law of a dataflow on random histories; panics with the smallest that breaks it.
///
/// The first argument is a name with a function, or a [`Definition`](diptych_dataflow::Definition);
/// the second a strategy of [`Story`](crate::Story); an optional third the number of histories
/// (default 64). Your crate needs `proptest` among its dev-dependencies.
///
/// ```
/// use dataflows::{Line, word_count};
/// use diptych::testing::Story;
/// use proptest::collection::vec;
/// use proptest::prelude::*;
///
/// let line = "[ab ]{0,8}".prop_map(|text| Line { text });
/// let stories = vec(vec(line, 0..4), 1..5).prop_map(|epochs| Story::of("lines", &epochs));
/// diptych::testing::assert_law!(("word_count", word_count), stories, 4);
/// ```
#[macro_export]
macro_rules! assert_law {
    ($dataflow:expr, $stories:expr $(,)?) => {
        $crate::assert_law!($dataflow, $stories, 64)
    };
    ($dataflow:expr, $stories:expr, $cases:expr $(,)?) => {{
        let dataflow = $crate::Definition::from($dataflow);
        let config = ::proptest::test_runner::Config {
            cases: $cases,
            max_shrink_time: 30_000,
            failure_persistence: ::std::option::Option::None,
            ..::proptest::test_runner::Config::default()
        };
        let mut runner = ::proptest::test_runner::TestRunner::new(config);
        let drawn = ($stories, ::proptest::prelude::any::<u64>());
        let outcome = runner.run(&drawn, |(story, seed)| {
            $crate::check_law(dataflow.clone(), &story, seed)
                .map_err(|broken| ::proptest::test_runner::TestCaseError::fail(broken.to_string()))
        });
        if let ::std::result::Result::Err(broken) = outcome {
            ::std::panic!("{broken}");
        }
    }};
}
