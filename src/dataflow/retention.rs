//! Retention: the arithmetic of horizons.
//!
//! ```text
//! believed(event) = min(time, clock of its epoch), or nothing when it lies far ahead of the clock
//! newest(t)       = max of believed(event) over all events of the stream with epoch <= t
//! horizon(t)      = newest(t) - keep, rounded down to a whole step
//! ```
//!
//! The horizon is a function of the log, and never goes back: newest is a maximum. So it is the
//! same in both layers, for any number of workers, in any order of the events of an epoch, and
//! whenever history is replayed. The clock moves nothing: it only limits the time of an event. The
//! clock of an epoch is taken as it was recorded, and not made monotone: a jump forward that was
//! recorded once would otherwise lift the limit for ever.
//!
//! Rows at or above the horizon stay. Steps divide time as hours divide a day, so that a step
//! expires as a whole or not at all.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use diptych_base::limits;
use diptych_event::{Date, Timestamp};

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;

/// A time of an event: a [`Timestamp`], or a [`Date`], which means its midnight in UTC.
///
/// An absent time (`None`) never expires, and moves no horizon.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say when something happened",
    label = "not a `Timestamp`, a `Date`, or an `Option` of one",
    note = "a number has no unit: make it a time, say with `Timestamp::from_seconds(n)`"
)]
pub trait Moment {
    /// The time in microseconds since 1970-01-01T00:00:00Z; none when it is not known.
    fn moment_us(&self) -> Option<i64>;
}

impl Moment for Timestamp {
    fn moment_us(&self) -> Option<i64> {
        Some(self.micros())
    }
}

impl Moment for Date {
    fn moment_us(&self) -> Option<i64> {
        Some(i64::from(self.days()) * DAY_US)
    }
}

impl<M: Moment> Moment for Option<M> {
    fn moment_us(&self) -> Option<i64> {
        self.as_ref().and_then(Moment::moment_us)
    }
}

/// The length of a retention behind the newest event, and the steps in which it expires.
///
/// Rows younger than this stay; rows older than this and one step have expired.
///
/// ```
/// use std::time::Duration;
/// use diptych::prelude::*;
///
/// assert_eq!(Keep::days(7).to_string(), "7 days in steps of 1 hour");
/// let fine = Keep::hours(6).step(Duration::from_secs(600));
/// assert_eq!(fine.to_string(), "6 hours in steps of 10 minutes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    keep_us: i64,
    step_us: i64,
}

impl Keep {
    /// A retention of `days` days, in steps of an hour.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Keep { keep_us: (days as i64).saturating_mul(DAY_US), step_us: HOUR_US }
    }

    /// A retention of `hours` hours, in steps of a minute.
    #[must_use]
    pub const fn hours(hours: u32) -> Self {
        Keep { keep_us: (hours as i64).saturating_mul(HOUR_US), step_us: MINUTE_US }
    }

    /// A retention of `minutes` minutes, in steps of a second.
    #[must_use]
    pub const fn minutes(minutes: u32) -> Self {
        Keep { keep_us: minutes as i64 * MINUTE_US, step_us: SECOND_US }
    }

    /// A retention of `seconds` seconds, in steps of a second.
    #[must_use]
    pub const fn seconds(seconds: u32) -> Self {
        Keep { keep_us: seconds as i64 * SECOND_US, step_us: SECOND_US }
    }

    /// The same retention in other steps: longer ones cost less state and less work, and keep rows
    /// up to a step longer. Steps begin at whole multiples of their length since 1970; the least
    /// one is a microsecond.
    #[must_use]
    pub fn step(self, step: Duration) -> Self {
        let micros = i64::try_from(step.as_micros()).unwrap_or(i64::MAX);
        Keep { step_us: micros.max(1), ..self }
    }

    /// The step that contains a time.
    pub(super) fn step_of(self, moment_us: i64) -> i64 {
        moment_us.div_euclid(self.step_us)
    }

    /// The first step that stays when `newest_us` is the newest event time.
    pub(super) fn horizon(self, newest_us: i64) -> i64 {
        self.step_of(newest_us.saturating_sub(self.keep_us))
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in steps of {}", Span(self.keep_us), Span(self.step_us))
    }
}

/// A length of time in its largest whole unit.
struct Span(i64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units =
            [(DAY_US, "day"), (HOUR_US, "hour"), (MINUTE_US, "minute"), (SECOND_US, "second")];
        let whole = units.into_iter().find(|(unit, _)| self.0 != 0 && self.0 % unit == 0);
        let (unit, name) = whole.unwrap_or((1, "microsecond"));
        let count = self.0 / unit;
        write!(f, "{count} {name}{}", if count == 1 { "" } else { "s" })
    }
}

/// The time of an event as far as it counts for the horizon: limited by its epoch's clock; none
/// when it is too far ahead of the clock.
pub(super) fn believed(moment_us: i64, clock_us: i64) -> Option<i64> {
    let far = clock_us.saturating_add(limits::AHEAD_OF_CLOCK_MAX_US);
    (moment_us <= far).then(|| moment_us.min(clock_us))
}

/// The expiry of a contribution: it leaves as soon as the horizon of retention `of` is above
/// `step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Expiry {
    pub(super) of: u32,
    pub(super) step: i64,
}

impl Expiry {
    /// The expiry of a contribution that stays for ever.
    pub(super) const NEVER: Expiry = Expiry { of: u32::MAX, step: i64::MAX };
}

/// The horizons that a barrier's contributions are measured against.
#[derive(Clone, Default)]
pub(super) struct Horizons(Vec<Horizon>);

#[derive(Clone)]
struct Horizon {
    of: u32,
    keep: Keep,
    newest_us: Option<i64>,
}

impl Horizons {
    /// Horizons of retentions for which no event has been seen yet.
    pub(super) fn new(retentions: impl Iterator<Item = (u32, Keep)>) -> Self {
        Horizons(retentions.map(|(of, keep)| Horizon { of, keep, newest_us: None }).collect())
    }

    /// Applies the newest event time that some worker has seen.
    pub(super) fn hear(&mut self, of: u32, newest_us: i64) {
        for horizon in self.0.iter_mut().filter(|horizon| horizon.of == of) {
            horizon.newest_us = horizon.newest_us.max(Some(newest_us));
        }
    }

    /// Has the horizon passed `expiry`?
    pub(super) fn passed(&self, expiry: Expiry) -> bool {
        expiry != Expiry::NEVER
            && self.steps().any(|(of, first)| of == expiry.of && expiry.step < first)
    }

    /// Each retention with the first step that stays; retentions without an event yet are left out.
    pub(super) fn steps(&self) -> impl Iterator<Item = (u32, i64)> {
        self.0.iter().filter_map(|one| Some((one.of, one.keep.horizon(one.newest_us?))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_horizon_is_a_whole_step() {
        let keep = Keep::days(1);
        let at = |text: &str| text.parse::<Timestamp>().expect("a time").micros();
        let first = keep.horizon(at("2016-10-02T09:59:59Z"));
        assert_eq!(first, keep.step_of(at("2016-10-01T09:00:00Z")));
        assert!(keep.step_of(at("2016-10-01T08:59:59.999999Z")) < first);
        assert_eq!(Keep::days(0).horizon(at("2016-10-02T09:59:59Z")), first + 24);
    }

    #[test]
    fn a_clock_limits_what_an_event_may_claim() {
        let now = 100 * DAY_US;
        assert_eq!(believed(now - DAY_US, now), Some(now - DAY_US));
        assert_eq!(believed(now + HOUR_US, now), Some(now));
        assert_eq!(believed(now + DAY_US + 1, now), None);
        assert_eq!(believed(i64::MAX, i64::MAX), Some(i64::MAX));
    }

    #[test]
    fn what_is_kept_for_ages_never_expires() {
        for keep in [Keep::days(u32::MAX), Keep::hours(u32::MAX)] {
            assert!(keep.horizon(i64::MAX / 2) < keep.step_of(-100 * 365 * DAY_US));
        }
    }

    #[test]
    fn lengths_are_told_in_their_largest_unit() {
        let told = |keep: Keep| keep.to_string();
        assert_eq!(told(Keep::hours(48)), "2 days in steps of 1 minute");
        assert_eq!(told(Keep::minutes(90)), "90 minutes in steps of 1 second");
        let fine = Keep::seconds(0).step(Duration::ZERO);
        assert_eq!(told(fine), "0 microseconds in steps of 1 microsecond");
    }

    proptest! {
        #[test]
        fn horizons_never_overflow_and_never_go_back(
            a in any::<i64>(), b in any::<i64>(), days in any::<u32>(), step in any::<u64>(),
        ) {
            let keep = Keep::days(days).step(Duration::from_micros(step));
            let (a, b) = (a.min(b), a.max(b));
            prop_assert!(keep.horizon(a) <= keep.horizon(b));
            prop_assert!(keep.horizon(a) <= keep.step_of(a));
        }
    }
}
