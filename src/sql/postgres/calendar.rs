//! The calendar: years, months and days of numbers of days since 1970, and intervals.

use super::failure::{Outcome, beyond_calendar};
pub(super) use crate::value_text::civil;

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const HOUR: i64 = 3_600 * SECOND;
pub(super) const DAY: i64 = 24 * HOUR;
/// Days before 1970-01-01, from 4713 BC on, and after it.
const FIRST_DAY: i64 = -2_440_588;
const LAST_DAY: i64 = 2_145_042_541;

/// The number of days from 1970-01-01 to a day.
pub(super) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let cycle = year.div_euclid(400);
    let of_cycle = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    cycle * 146_097 + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year - 719_468
}

/// The number of days of a month.
pub(super) fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A date, if there is such a day.
pub(super) fn date(year: i64, month: i64, day: i64) -> Option<i32> {
    let exists = (1..=12).contains(&month) && (1..=month_length(year, month)).contains(&day);
    exists.then(|| day_within(days_of(year, month, day)))?
}

/// A number of days since 1970-01-01, if the calendar has that day.
pub(super) fn day_within(days: i64) -> Option<i32> {
    (FIRST_DAY..=LAST_DAY).contains(&days).then(|| i32::try_from(days).ok())?
}

/// The day `months` later; a day that its month does not have becomes the last.
pub(super) fn plus_months(days: i64, months: i64) -> i64 {
    let (year, month, day) = civil(days);
    let months = year * 12 + month - 1 + months;
    let year = months.div_euclid(12);
    let month = months.rem_euclid(12) + 1;
    days_of(year, month, day.min(month_length(year, month)))
}

/// An interval of months, days and microseconds, which are not converted into each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CalendarSpan {
    pub(super) months: i32,
    pub(super) days: i32,
    pub(super) micros: i64,
}

fn beyond() -> datafusion::error::DataFusionError {
    beyond_calendar("interval")
}

impl CalendarSpan {
    pub(super) fn of_micros(micros: i64) -> CalendarSpan {
        CalendarSpan { months: 0, days: 0, micros }
    }

    /// Whole days and the rest.
    pub(super) fn of_difference(micros: i64) -> Outcome<CalendarSpan> {
        let days = i32::try_from(micros / DAY).map_err(|_| beyond())?;
        Ok(CalendarSpan { months: 0, days, micros: micros % DAY })
    }

    pub(super) fn negated(self) -> Outcome<CalendarSpan> {
        let parts = (self.months.checked_neg(), self.days.checked_neg());
        let (Some(months), Some(days)) = parts else { return Err(beyond()) };
        let micros = self.micros.checked_neg().ok_or_else(beyond)?;
        Ok(CalendarSpan { months, days, micros })
    }

    pub(super) fn plus(self, other: CalendarSpan) -> Outcome<CalendarSpan> {
        let months = self.months.checked_add(other.months);
        let days = self.days.checked_add(other.days);
        let micros = self.micros.checked_add(other.micros);
        let (Some(months), Some(days), Some(micros)) = (months, days, micros) else {
            return Err(beyond());
        };
        Ok(CalendarSpan { months, days, micros })
    }

    /// The interval with each part scaled; parts of months become days, parts of days time.
    pub(super) fn scaled(self, scale: impl Fn(f64) -> f64) -> Outcome<CalendarSpan> {
        let rounded = |value: f64| (value * 1e6).round_ties_even() / 1e6;
        let months = scale(self.months.into());
        let days = scale(self.days.into());
        let whole = |value: f64| {
            let fits = value.is_finite() && value.abs() < f64::from(i32::MAX);
            if fits { Ok(value.trunc() as i32) } else { Err(beyond()) }
        };
        let whole_months = whole(months)?;
        let whole_days = whole(days)?;
        let month_days = rounded((months - f64::from(whole_months)) * 30.0);
        let part = days - f64::from(whole_days) + month_days - month_days.trunc();
        let mut seconds = rounded(part * 86_400.0);
        let mut more_days = 0;
        if seconds.abs() >= 86_400.0 {
            more_days = (seconds / 86_400.0) as i32;
            seconds -= f64::from(more_days) * 86_400.0;
        }
        let micros = (scale(self.micros as f64) + seconds * 1e6).round_ties_even();
        if micros.is_nan() || micros.abs() >= 9.2e18 {
            return Err(beyond());
        }
        let days = whole_days.checked_add(more_days);
        let days = days.and_then(|days| days.checked_add(month_days.trunc() as i32));
        Ok(CalendarSpan {
            months: whole_months,
            days: days.ok_or_else(beyond)?,
            micros: micros as i64,
        })
    }

    /// The length by which intervals are compared: months have 30 days, days 24 hours.
    pub(super) fn length(self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * i128::from(DAY) + i128::from(self.micros)
    }
}

/// The moment after `at` (in microseconds since 1970).
pub(super) fn later(at: i64, span: CalendarSpan) -> Outcome<i64> {
    if at == i64::MAX || at == i64::MIN {
        return Ok(at);
    }
    let beyond = || beyond_calendar("timestamp");
    let mut days = at.div_euclid(DAY);
    let time = at.rem_euclid(DAY);
    if span.months != 0 {
        days = plus_months(days, span.months.into());
    }
    let days = days + i64::from(span.days);
    let at = days.checked_mul(DAY).and_then(|at| at.checked_add(time));
    let at = at.and_then(|at| at.checked_add(span.micros)).ok_or_else(beyond)?;
    checked(at).ok_or_else(beyond)
}

/// A moment that `PostgreSQL` has, too.
pub(super) fn checked(at: i64) -> Option<i64> {
    (at >= FIRST_DAY * DAY && at != i64::MAX).then_some(at)
}

/// The beginning of a day in microseconds; the first and the last day are the infinities.
pub(super) fn midnight(days: i32) -> Outcome<i64> {
    match days {
        i32::MAX => Ok(i64::MAX),
        i32::MIN => Ok(i64::MIN),
        _ => i64::from(days).checked_mul(DAY).ok_or_else(|| beyond_calendar("date")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_each_others() {
        for days in (-2_440_588..3_000_000).step_by(97) {
            let (year, month, day) = civil(days);
            assert_eq!(days_of(year, month, day), days);
        }
        assert_eq!(date(2024, 2, 30), None);
        assert_eq!(date(1970, 1, 2), Some(1));
    }

    #[test]
    fn intervals_are_added_as_in_postgres() {
        let day = |year, month, day| days_of(year, month, day) * DAY;
        let months = |months| CalendarSpan { months, ..CalendarSpan::default() };
        let later = |at, span| later(at, span).expect("in the calendar");
        assert_eq!(later(day(2024, 1, 31), months(1)), day(2024, 2, 29));
        assert_eq!(later(day(2024, 3, 31), months(-1)), day(2024, 2, 29));
        assert_eq!(
            later(day(9999, 12, 31), CalendarSpan { days: 1, ..months(0) }),
            day(10000, 1, 1)
        );
        assert!(super::later(i64::MAX - 1, CalendarSpan::of_micros(5)).is_err());
        let half = CalendarSpan { months: 1, days: 1, micros: 0 }
            .scaled(|part| part * 0.5)
            .expect("in range");
        assert_eq!(half, CalendarSpan { months: 0, days: 15, micros: 12 * HOUR });
        assert!(
            CalendarSpan { months: 1, ..CalendarSpan::default() }.length()
                > CalendarSpan::of_micros(DAY).length()
        );
    }
}
