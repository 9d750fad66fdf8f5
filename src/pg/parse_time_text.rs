//! Parser of the texts in which clients send dates, times and intervals.

use diptych_event::{Date, Timestamp};

/// Microseconds.
const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// Months, days and microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct IntervalParts {
    pub(super) months: i32,
    pub(super) days: i32,
    pub(super) micros: i64,
}

/// Parses a date to days since 1970. A time of day behind it is left out, as `PostgreSQL` does.
pub(super) fn date(text: &str) -> Option<i32> {
    match text.to_ascii_lowercase().as_str() {
        "infinity" => return Some(i32::MAX),
        "-infinity" => return Some(i32::MIN),
        "epoch" => return Some(0),
        _ => {}
    }
    let day = match text.split_at_checked(10) {
        Some((day, zone)) if zone.trim_start().starts_with(['+', '-', 'Z']) => {
            instant(&format!("{day} 00:00{}", zone.trim_start()))?;
            day
        }
        Some((day, clock)) if !clock.is_empty() => {
            instant(text)?;
            day
        }
        _ => text,
    };
    day.parse::<Date>().ok().map(Date::days)
}

/// Parses an instant to microseconds since 1970.
pub(super) fn instant(text: &str) -> Option<i64> {
    match text.to_ascii_lowercase().as_str() {
        "infinity" => return Some(i64::MAX),
        "-infinity" => return Some(i64::MIN),
        "epoch" => return Some(0),
        _ => {}
    }
    if text.len() == 10 {
        return Some(i64::from(text.parse::<Date>().ok()?.days()) * DAY);
    }
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    // Zones may have seconds, which are none today.
    let text = match text.strip_suffix(":00") {
        Some(short) if zone_at(text).is_some_and(|at| text.len() - at == 9) => short,
        _ => text,
    };
    text.parse::<Timestamp>().ok().map(Timestamp::micros)
}

/// Parses a local time to microseconds since 1970. A zone behind it is left out, as `PostgreSQL`
/// does.
pub(super) fn local(text: &str) -> Option<i64> {
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    instant(zone_at(text).map_or(text, |at| text[..at].trim_end()))
}

/// The place of the zone in a timestamp.
fn zone_at(text: &str) -> Option<usize> {
    let clock = text.get(10..)?;
    clock.find(['+', '-']).map(|at| at + 10)
}

/// Parses a time of day to microseconds since midnight.
pub(super) fn time(text: &str) -> Option<i64> {
    let micros = clock(text)?;
    (0..=DAY).contains(&micros).then_some(micros)
}

/// Parses `HH:MM[:SS[.f]]`, of any number of hours.
fn clock(text: &str) -> Option<i64> {
    let (sign, text) = signed(text);
    let mut parts = text.split(':');
    let hours: i64 = digits(parts.next()?)?;
    let minutes = digits(parts.next()?).filter(|minutes| *minutes < 60)?;
    let seconds = match parts.next() {
        None => 0,
        Some(seconds) => {
            let (whole, part) = seconds.split_once('.').unwrap_or((seconds, "0"));
            let whole = digits(whole).filter(|whole| *whole < 60)?;
            whole * SECOND + fraction(part)?
        }
    };
    let micros = hours.checked_mul(HOUR)?.checked_add(minutes * 60 * SECOND + seconds)?;
    parts.next().is_none().then_some(sign * micros)
}

fn signed(text: &str) -> (i64, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// The millionths in the digits behind a point.
fn fraction(text: &str) -> Option<i64> {
    let padded: String = text.chars().chain("000000".chars()).take(6).collect();
    digits(text).and_then(|_| digits(&padded))
}

/// Parses an interval, such as `1 year 2 mons -3 days 04:05:06.7`, `90 minutes ago`, `P1DT2H`.
pub(super) fn interval(text: &str) -> Option<IntervalParts> {
    let small = text.trim().to_ascii_lowercase();
    if let Some(iso) = small.strip_prefix('p') {
        return iso_interval(iso);
    }
    let small = small.strip_prefix('@').unwrap_or(&small);
    let (small, is_ago) = match small.trim_end().strip_suffix("ago") {
        Some(rest) => (rest, true),
        None => (small, false),
    };
    let mut sum = IntervalParts::default();
    let mut words = small.split_ascii_whitespace().peekable();
    words.peek()?;
    while let Some(word) = words.next() {
        if word.contains(':') {
            sum = sum.plus(IntervalParts { micros: clock(word)?, ..IntervalParts::default() })?;
            continue;
        }
        let end = word.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(word.len());
        let (number, unit) = word.split_at(end);
        let unit = match (unit, words.peek()) {
            ("", Some(next)) if next.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                words.next()?
            }
            ("", _) => "s",
            (unit, _) => unit,
        };
        sum = sum.plus(part(number, unit)?)?;
    }
    if is_ago {
        let micros = sum.micros.checked_neg()?;
        sum = IntervalParts { months: -sum.months, days: -sum.days, micros };
    }
    Some(sum)
}

/// Parses the rest of an ISO 8601 duration, in lower case.
fn iso_interval(text: &str) -> Option<IntervalParts> {
    let (days, clock) = text.split_once('t').unwrap_or((text, ""));
    let mut sum = IntervalParts::default();
    for (mut rest, is_clock) in [(days, false), (clock, true)] {
        while !rest.is_empty() {
            let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
            let unit = match (&rest[end..=end], is_clock) {
                ("y", false) => "year",
                ("m", false) => "month",
                ("w", false) => "week",
                ("d", false) => "day",
                ("h", true) => "hour",
                ("m", true) => "minute",
                ("s", true) => "second",
                _ => return None,
            };
            sum = sum.plus(part(&rest[..end], unit)?)?;
            rest = &rest[end + 1..];
        }
    }
    Some(sum)
}

/// A number of a unit; parts of a month are days of which it has 30, parts of a day are time.
fn part(number: &str, unit: &str) -> Option<IntervalParts> {
    let (sign, number) = signed(number);
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let whole = sign * if whole.is_empty() { 0 } else { digits(whole)? };
    let part = sign * fraction(part)?;
    // Without its last letter it would be a minute.
    let unit = if unit == "ms" { "msec" } else { unit.trim_end_matches('s') };
    let (months, days, micros) = match unit {
        "millennium" | "millennia" | "mil" => (12_000, 0, 0),
        "century" | "centurie" | "c" => (1_200, 0, 0),
        "decade" | "dec" => (120, 0, 0),
        "year" | "yr" | "y" => (12, 0, 0),
        "month" | "mon" => (1, 0, 0),
        "week" | "w" => (0, 7, 0),
        "day" | "d" => (0, 1, 0),
        "hour" | "hr" | "h" => (0, 0, HOUR),
        "minute" | "min" | "m" => (0, 0, 60 * SECOND),
        "second" | "sec" | "" => (0, 0, SECOND),
        "millisecond" | "msec" => (0, 0, 1_000),
        "microsecond" | "usec" | "u" => (0, 0, 1),
        _ => return None,
    };
    let whole = IntervalParts {
        months: i32::try_from(whole.checked_mul(months)?).ok()?,
        days: i32::try_from(whole.checked_mul(days)?).ok()?,
        micros: whole.checked_mul(micros)?,
    };
    // Of a unit of several months only whole months count.
    let part_months = part * months / SECOND;
    let part_days = if months == 1 { part * 30 } else { part * days };
    let rest = if months > 1 { 0 } else { part_days % SECOND * (DAY / SECOND) };
    let part = IntervalParts {
        months: if months > 1 { i32::try_from(part_months).ok()? } else { 0 },
        days: if months > 1 { 0 } else { i32::try_from(part_days / SECOND).ok()? },
        micros: rest + i64::try_from(i128::from(part) * i128::from(micros) / 1_000_000).ok()?,
    };
    whole.plus(part)
}

impl IntervalParts {
    fn plus(self, other: IntervalParts) -> Option<IntervalParts> {
        Some(IntervalParts {
            months: self.months.checked_add(other.months)?,
            days: self.days.checked_add(other.days)?,
            micros: self.micros.checked_add(other.micros)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn intervals_of_postgres() {
        let parts = |text| interval(text).map(|i| (i.months, i.days, i.micros / 1_000));
        assert_eq!(parts("1 year 2 mons -3 days 04:05:06.7"), Some((14, -3, 14_706_700)));
        assert_eq!(parts("01:02:03"), Some((0, 0, 3_723_000)));
        assert_eq!(parts("-00:00:01.5"), Some((0, 0, -1_500)));
        assert_eq!(parts("90 minutes ago"), Some((0, 0, -5_400_000)));
        assert_eq!(parts("1.5 days"), Some((0, 1, 43_200_000)));
        assert_eq!(parts("1.5 months"), Some((1, 15, 0)));
        assert_eq!(parts("1.5 years"), Some((18, 0, 0)));
        assert_eq!(parts("P1Y2M3DT4H5M6.5S"), Some((14, 3, 14_706_500)));
        assert_eq!(parts("5 days, 3:00:00"), None);
        assert_eq!(parts("7"), Some((0, 0, 7_000)));
        assert_eq!(parts("2d 3h"), Some((0, 2, 10_800_000)));
        assert_eq!(parts("1 ms"), Some((0, 0, 1)));
        assert_eq!(parts("1 m"), Some((0, 0, 60_000)));
        assert_eq!(parts(""), None);
        assert_eq!(parts("one day"), None);
    }

    #[test]
    fn times_of_postgres() {
        assert_eq!(date("1970-01-02T10:00:00Z"), Some(1));
        assert_eq!(date("1970-01-02 +00"), Some(1));
        assert_eq!(date("1970-01-02x"), None);
        assert_eq!(instant("1970-01-01 01:00+01"), Some(0));
        assert_eq!(instant("1970-01-01 01:00:00+01:00:00"), Some(0));
        assert_eq!(instant("1970-01-02"), Some(DAY));
        assert_eq!(local("1970-01-01 01:00:00+02"), Some(HOUR));
        assert_eq!(local("1970-01-01T01:00:00Z"), Some(HOUR));
        assert_eq!(time("24:00"), Some(DAY));
        assert_eq!(time("25:00"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_none(text in "[-+:.0-9a-zPTé ]{0,30}") {
            let _ = (date(&text), instant(&text), local(&text), time(&text), interval(&text));
        }
    }
}
