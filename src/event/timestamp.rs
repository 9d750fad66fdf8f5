//! Instants as a field type: microseconds since 1970-01-01T00:00:00Z, without leap seconds.

use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Utc};
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

use super::Date;
use super::time_unit::{self, Unit};
use diptych_base::error::{Error, Kind};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// An instant: microseconds since 1970-01-01T00:00:00Z.
///
/// Shown and parsed as RFC 3339 in UTC (`2016-10-01T00:00:00Z`). The parser also takes a space for
/// the `T`, a missing zone (read as UTC), missing seconds, and a number with its unit (`1475280000
/// s`, or `ms`, `us`, `ns`): a number alone could be any of them. Digits finer than a microsecond
/// are cut. An instant outside the years 0 to 9999 is shown in `us`, which parses again. Serialised
/// as text in human-readable formats, as an `i64` otherwise.
///
/// ```
/// # use diptych::event::Timestamp;
/// let at: Timestamp = "2016-10-01 09:26:31.5".parse()?;
/// assert_eq!(at.hour().to_string(), "2016-10-01T09:00:00Z");
/// # Ok::<(), diptych::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The Arrow type of a timestamp column.
pub(crate) fn data_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
}

impl Timestamp {
    /// The instant `micros` microseconds after 1970-01-01T00:00:00Z.
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// The instant `seconds` seconds after 1970-01-01T00:00:00Z; the first or last instant when it
    /// is outside the range of microseconds.
    pub const fn from_seconds(seconds: i64) -> Self {
        Timestamp(seconds.saturating_mul(SECOND))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The start of the minute this instant lies in.
    #[must_use]
    pub const fn minute(self) -> Self {
        self.cut(MINUTE)
    }

    /// The start of the hour this instant lies in.
    #[must_use]
    pub const fn hour(self) -> Self {
        self.cut(HOUR)
    }

    /// The start of the day (UTC) this instant lies in.
    #[must_use]
    pub const fn day(self) -> Self {
        self.cut(DAY)
    }

    /// The day (UTC) this instant lies in.
    pub const fn date(self) -> Date {
        // i64::MAX microseconds are fewer than 2^27 days.
        Date::from_days(self.0.div_euclid(DAY) as i32)
    }

    /// The instant `number` times `unit` after 1970-01-01T00:00:00Z, if it lies in the years 0 to
    /// 9999; outside of them the number most likely has another unit.
    pub fn counted(number: &str, unit: Unit) -> Option<Self> {
        time_unit::micros(number, unit).map(Timestamp).filter(|at| at.calendar().is_some())
    }

    /// This instant as a day and a time of day, in the years 0 to 9999.
    fn calendar(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0).filter(|time| (0..=9999).contains(&time.year()))
    }

    /// The start of the span of `micros` microseconds that this instant lies in, counting spans
    /// from 1970-01-01T00:00:00Z; the first representable instant when the span starts before it.
    ///
    /// # Panics
    /// When `micros` is not positive.
    #[must_use]
    pub const fn cut(self, micros: i64) -> Self {
        assert!(micros > 0, "a span of time is positive");
        Timestamp(self.0.saturating_sub(self.0.rem_euclid(micros)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.calendar() {
            Some(time) => f.pad(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => write!(f, "{} us", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let counted =
            time_unit::with_unit(text).and_then(|(number, unit)| time_unit::micros(number, unit));
        counted.or_else(|| parse(text.as_bytes())).map(Timestamp).ok_or_else(|| {
            let why = if time_unit::is_number(text) { ": a number needs its unit" } else { "" };
            Error::new(Kind::Input, format!("`{text}` is not a time{why}")).remedy(
                "write 2016-10-01T09:26:31Z, 2016-10-01 09:26, or 1475313991 s (ms, us, ns)",
            )
        })
    }
}

/// Parses `YYYY-MM-DD[T ]HH:MM[:SS[.f...]][Z|±HH:MM]` to microseconds.
fn parse(text: &[u8]) -> Option<i64> {
    let (day, rest) = text.split_at_checked(10)?;
    let (mark, rest) = rest.split_first()?;
    let (clock, mut rest) = rest.split_at_checked(5)?;
    let separated = day[4] == b'-' && day[7] == b'-' && clock[2] == b':';
    if !separated || !matches!(mark, b'T' | b't' | b' ') {
        return None;
    }
    let year = i32::try_from(digits(&day[..4])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, small(&day[5..7])?, small(&day[8..])?)?;
    let time = date.and_hms_opt(small(&clock[..2])?, small(&clock[3..])?, 0)?;
    let mut micros = time.and_utc().timestamp_micros();
    if let Some((b':', tail)) = rest.split_first() {
        let (seconds, tail) = tail.split_at_checked(2)?;
        let seconds = digits(seconds).filter(|&seconds| seconds < 60)?;
        micros += seconds * SECOND;
        rest = tail;
        if let Some((b'.', tail)) = rest.split_first() {
            let length = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if length == 0 {
                return None;
            }
            let mut fraction = tail[..length].iter().map(|byte| i64::from(byte - b'0'));
            micros += (0..6).fold(0, |sum, _| sum * 10 + fraction.next().unwrap_or(0));
            rest = &tail[length..];
        }
    }
    Some(micros - offset(rest)?)
}

/// Parses the zone at the end of a time to microseconds east of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match zone {
        [] | [b'Z' | b'z'] => return Some(0),
        [sign, rest @ ..] if rest.len() == 5 && rest[2] == b':' => (sign, &rest[..2], &rest[3..]),
        [sign, rest @ ..] if rest.len() == 4 => (sign, &rest[..2], &rest[2..]),
        [sign, rest @ ..] if rest.len() == 2 => (sign, rest, &b"00"[..]),
        _ => return None,
    };
    let hours = digits(hours).filter(|&hours| hours < 24)?;
    let minutes = digits(minutes).filter(|&minutes| minutes < 60)?;
    let east = hours * HOUR + minutes * MINUTE;
    match sign {
        b'+' => Some(east),
        b'-' => Some(-east),
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn small(text: &[u8]) -> Option<u32> {
    digits(text).and_then(|number| u32::try_from(number).ok())
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Timestamp)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_accepted_spelling_means_the_same_instant() {
        let at = Timestamp::from_seconds(1_475_313_991);
        for text in [
            "2016-10-01T09:26:31Z",
            "2016-10-01t09:26:31z",
            "2016-10-01 09:26:31",
            "2016-10-01 09:26:31.000",
            "2016-10-01 09:26:31.0000004",
            "2016-10-01T11:26:31+02:00",
            "2016-10-01T11:26:31+0200",
            "2016-10-01T04:26:31-05",
            "1475313991 s",
            "1475313991.0000009 s",
            "1475313991000ms",
            "1475313991000000 us",
            "1475313991000000999 ns",
        ] {
            assert_eq!(text.parse::<Timestamp>().ok(), Some(at), "{text}");
        }
        assert_eq!("2016-10-01 09:26".parse::<Timestamp>().ok(), Some(at.minute()));
    }

    #[test]
    fn what_is_no_time_is_refused_by_its_text() {
        for text in [
            "",
            "yesterday",
            "2016-10-01",
            "2016-10-01 9:26",
            "2016-13-01 09:26",
            "2016-02-30 00:00",
            "2016-10-01 24:00",
            "2016-10-01 09:60",
            "2016-10-01 09:26:60",
            "2016-10-01 09:26:31.",
            "2016-10-01 09:26:31 ",
            "2016-10-01T09:26:31+2:00",
            "2016-10-01T09:26:31*02:00",
            "é016-10-01 09:26",
            "1475313991",
            "1475313991000000",
            "-1",
            "7 days",
            "9223372036854775808 us",
        ] {
            let error = text.parse::<Timestamp>().expect_err(text).to_string();
            assert!(error.contains(&format!("`{text}` is not a time")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn shown_and_parsed_is_the_same(micros: i64) {
            let at = Timestamp::from_micros(micros);
            prop_assert_eq!(at.to_string().parse::<Timestamp>().ok(), Some(at));
        }

        #[test]
        fn chrono_agrees(micros in 0..253_402_300_799_999_999_i64) {
            let text = Timestamp::from_micros(micros).to_string();
            let twin = DateTime::parse_from_rfc3339(&text).map(|time| time.timestamp_micros());
            prop_assert_eq!(twin.ok(), Some(micros));
        }

        #[test]
        fn a_cut_is_at_or_before_and_less_than_a_span_away(micros in -1_i64 << 60..1 << 60) {
            let at = Timestamp::from_micros(micros);
            for (cut, span) in [(at.minute(), MINUTE), (at.hour(), HOUR), (at.day(), DAY)] {
                prop_assert!((0..span).contains(&(micros - cut.micros())));
                prop_assert_eq!(cut.micros() % span, 0);
            }
            prop_assert_eq!(i64::from(at.date().days()) * DAY, at.day().micros());
        }
    }
}
