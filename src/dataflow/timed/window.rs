//! Windows of event time: functions from an instant to the spans that contain it.
//!
//! A window is only part of a key: it neither opens nor closes, and nothing waits for it. It may
//! therefore be computed in front of the barrier, on borrowed rows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use diptych_event::Timestamp;
use diptych_row::Columns;

/// A span of event time; as columns of a view, `start` and `end`.
#[derive(
    Columns, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[columns(crate = "crate::derived")]
pub struct Window {
    /// The first instant in the window.
    pub start: Timestamp,
    /// The first instant after the window.
    pub end: Timestamp,
}

/// Windows of one width that begin one step apart, counted from 1970-01-01T00:00:00Z.
///
/// ```
/// use diptych::prelude::*;
/// # use std::time::Duration;
/// let hours = Windows::tumbling(Duration::from_secs(3600));
/// let at: Timestamp = "2026-01-01 10:20".parse()?;
/// assert_eq!(hours.at(at).end, "2026-01-01 11:00".parse()?);
///
/// let halves = Windows::hopping(Duration::from_secs(3600), Duration::from_secs(1800));
/// let starts: Vec<String> = halves.of(at).map(|window| window.start.to_string()).collect();
/// assert_eq!(starts, ["2026-01-01T09:30:00Z", "2026-01-01T10:00:00Z"]);
/// # Ok::<(), diptych::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// The width in microseconds, like all fields here.
    width: i64,
    step: i64,
    from: i64,
}

impl Windows {
    /// Tumbling windows: every instant lies in exactly one.
    ///
    /// # Panics
    /// When `width` is less than a microsecond, or longer than 292,000 years.
    #[track_caller]
    pub fn tumbling(width: Duration) -> Windows {
        Windows::hopping(width, width)
    }

    /// Hopping windows, which overlap where `width` is more than `step`; where it is less, some
    /// instants lie in none.
    ///
    /// # Panics
    /// When one of both is less than a microsecond, or longer than 292,000 years.
    #[track_caller]
    pub fn hopping(width: Duration, step: Duration) -> Windows {
        for (what, span) in [("width", width), ("step", step)] {
            assert!(
                span.as_micros() > 0,
                "windows with a {what} of {span:?}: write Duration::from_secs(60) for a minute, \
                 and no windows at all where all of time is meant"
            );
        }
        Windows { width: super::micros(width), step: super::micros(step), from: 0 }
    }

    /// The windows shifted so that one starts at `from`: for days of another time zone, or weeks
    /// that begin on a Monday.
    #[must_use]
    pub fn starting(self, from: Timestamp) -> Windows {
        Windows { from: from.micros().rem_euclid(self.step), ..self }
    }

    /// The last window that starts at or before `at`: for tumbling windows, the one that contains
    /// it.
    pub fn at(&self, at: Timestamp) -> Window {
        let start = self.last_start(at);
        self.window(start)
    }

    /// All windows that contain `at`, the earliest first.
    pub fn of(&self, at: Timestamp) -> impl Iterator<Item = Window> + use<> {
        let windows = *self;
        let last = self.last_start(at);
        let at = at.micros();
        // The window that starts `back` steps earlier still contains `at`.
        let back = match windows.width - 1 - (at.saturating_sub(last)) {
            room if room < 0 => -1,
            room => room / windows.step,
        };
        // Of windows that would begin before the first representable instant, only the last is
        // given.
        (0..=back)
            .rev()
            .filter_map(move |steps| Some(windows.window(last.checked_sub(steps * windows.step)?)))
    }

    fn last_start(&self, at: Timestamp) -> i64 {
        let behind = (i128::from(at.micros()) - i128::from(self.from)).rem_euclid(self.step.into());
        at.micros().saturating_sub(behind as i64)
    }

    fn window(&self, start: i64) -> Window {
        let end = Timestamp::from_micros(start.saturating_add(self.width));
        Window { start: Timestamp::from_micros(start), end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_instant_lies_in_all_of_its_windows_and_no_other(
            at in -1000_i64..1000, width in 1_u64..50, step in 1_u64..50, from in -90_i64..90,
        ) {
            let micros = Duration::from_micros;
            let windows = Windows::hopping(micros(width), micros(step));
            let windows = windows.starting(Timestamp::from_micros(from));
            let found: Vec<_> = windows.of(Timestamp::from_micros(at)).collect();
            let starts = (-2000..2000).map(|n| from + n * step as i64);
            let expected: Vec<_> = starts
                .filter(|start| (*start..start + width as i64).contains(&at))
                .collect();
            let starts: Vec<_> = found.iter().map(|window| window.start.micros()).collect();
            prop_assert_eq!(starts, expected);
            prop_assert!(found.iter().all(|w| w.end.micros() - w.start.micros() == width as i64));
        }

        #[test]
        fn no_instant_is_too_far(at: i64, width in 1_u64..u64::MAX >> 2, step in 1_u64..1 << 50) {
            let micros = Duration::from_micros;
            let step = step.max(width / 100);
            let windows = Windows::hopping(micros(width), micros(step));
            prop_assert!(windows.of(Timestamp::from_micros(at)).count() <= 102);
            windows.at(Timestamp::from_micros(at));
        }

        #[test]
        fn at_the_ends_of_time_no_window_is_there_twice(
            far in 0_i64..100, width in 1_u64..50, step in 1_u64..50, from in 0_i64..50,
        ) {
            let micros = Duration::from_micros;
            let windows = Windows::hopping(micros(width), micros(step));
            let windows = windows.starting(Timestamp::from_micros(from));
            for at in [i64::MIN + far, i64::MAX - far].map(Timestamp::from_micros) {
                let found: Vec<_> = windows.of(at).collect();
                prop_assert!(found.windows(2).all(|two| two[0].start < two[1].start));
                prop_assert!(found.iter().all(|window| window.start <= at && at <= window.end));
            }
        }
    }

    #[test]
    #[should_panic(expected = "windows with a width of 0ns: write Duration::from_secs(60)")]
    fn no_width_is_refused() {
        Windows::tumbling(Duration::ZERO);
    }
}
