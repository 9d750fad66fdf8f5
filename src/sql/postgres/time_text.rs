//! Parses dates, times and moments as `PostgreSQL` does.
//!
//! Year first, month first with slashes, and names of months are known; `now`, `today` and similar
//! words are not, because a plan may be kept.

use std::str::FromStr;

use chrono::{NaiveDateTime, Offset, TimeZone};
use datafusion::arrow::array::timezone::Tz;

use super::calendar::{self, DAY, HOUR, SECOND};
use super::failure::{Outcome, beyond_calendar, failure, invalid_text};

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// What a text says: a day, a time of day, and a zone.
#[derive(Default)]
struct Parts {
    date: Option<(i64, i64, i64)>,
    micros: Option<i64>,
    zone: Option<Zone>,
    is_bc: bool,
}

/// A time zone: a number of seconds ahead of UTC, or a place.
pub(super) enum Zone {
    Seconds(i64),
    Place(Tz),
}

/// Why a text is refused.
enum Fault {
    Syntax,
    Range,
}

type Read<T> = Result<T, Fault>;

impl Zone {
    /// A zone by its name, or by its distance from UTC.
    pub(super) fn named(name: &str) -> Option<Zone> {
        let trimmed = name.trim();
        if ["utc", "z", "gmt", "zulu"].iter().any(|utc| trimmed.eq_ignore_ascii_case(utc)) {
            return Some(Zone::Seconds(0));
        }
        if let Some(seconds) = distance(trimmed) {
            return Some(Zone::Seconds(seconds));
        }
        Tz::from_str(trimmed).ok().map(Zone::Place)
    }

    /// Microseconds of UTC for a local time.
    pub(super) fn to_utc(&self, local: i64) -> Outcome<i64> {
        if local == i64::MAX || local == i64::MIN {
            return Ok(local);
        }
        let ahead = match self {
            Zone::Seconds(seconds) => *seconds,
            Zone::Place(place) => {
                let naive = naive(local)?;
                match place.offset_from_local_datetime(&naive) {
                    chrono::MappedLocalTime::Single(offset) => seconds_of(&offset),
                    // Of two moments, PostgreSQL takes the one of standard time, the later.
                    chrono::MappedLocalTime::Ambiguous(_, late) => seconds_of(&late),
                    // In a gap, the time before it goes on.
                    chrono::MappedLocalTime::None => {
                        let before = naive - chrono::TimeDelta::hours(3);
                        match place.offset_from_local_datetime(&before) {
                            chrono::MappedLocalTime::Single(offset) => seconds_of(&offset),
                            _ => 0,
                        }
                    }
                }
            }
        };
        local.checked_sub(ahead * SECOND).ok_or_else(|| beyond_calendar("timestamp"))
    }

    /// The local time at a moment of UTC.
    pub(super) fn to_local(&self, utc: i64) -> Outcome<i64> {
        if utc == i64::MAX || utc == i64::MIN {
            return Ok(utc);
        }
        let ahead = match self {
            Zone::Seconds(seconds) => *seconds,
            Zone::Place(place) => seconds_of(&place.offset_from_utc_datetime(&naive(utc)?)),
        };
        utc.checked_add(ahead * SECOND).ok_or_else(|| beyond_calendar("timestamp"))
    }
}

fn seconds_of(offset: &impl Offset) -> i64 {
    offset.fix().local_minus_utc().into()
}

fn naive(micros: i64) -> Outcome<NaiveDateTime> {
    let at = chrono::DateTime::from_timestamp_micros(micros);
    Ok(at.ok_or_else(|| beyond_calendar("timestamp"))?.naive_utc())
}

/// Seconds of `+02`, `-0330` or `+01:30:15`.
fn distance(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let parts: Vec<&str> = match digits.len() {
        4 if !digits.contains(':') => vec![&digits[..2], digits.get(2..)?],
        _ => digits.split(':').collect(),
    };
    let mut seconds = 0;
    for (at, part) in parts.iter().enumerate() {
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) || at > 2 {
            return None;
        }
        seconds += part.parse::<i64>().ok()? * [3_600, 60, 1][at];
    }
    (seconds < 16 * 3_600).then_some(sign * seconds)
}

/// Days since 1970.
pub(super) fn date(text: &str) -> Outcome<i32> {
    if let Some(is_late) = infinity(text) {
        return Ok(if is_late { i32::MAX } else { i32::MIN });
    }
    let parts = parts("date", text)?;
    days(text, &parts, "date")
}

/// Microseconds since midnight.
pub(super) fn time(text: &str) -> Outcome<i64> {
    let name = "time";
    let parts = parts(name, text)?;
    let wrong = || invalid_text(name, text);
    // A place has a time of day on a date only; a time on its own is no moment of ISO 8601.
    let is_of_place = matches!(parts.zone, Some(Zone::Place(_))) && parts.date.is_none();
    let is_moment = has_time_mark(text) || text.trim().eq_ignore_ascii_case("epoch");
    if is_of_place || is_moment {
        return Err(wrong());
    }
    parts.micros.ok_or_else(wrong)
}

/// Microseconds since 1970; a zone in the text is ignored.
pub(super) fn timestamp(text: &str) -> Outcome<i64> {
    moment(text, "timestamp").map(|(at, _)| at)
}

/// Microseconds since 1970 in UTC; a text without a zone is in UTC.
pub(super) fn timestamptz(text: &str) -> Outcome<i64> {
    let (at, zone) = moment(text, "timestamp with time zone")?;
    zone.map_or(Ok(at), |zone| zone.to_utc(at))
}

fn moment(text: &str, name: &str) -> Outcome<(i64, Option<Zone>)> {
    match infinity(text) {
        Some(true) => return Ok((i64::MAX, None)),
        Some(false) => return Ok((i64::MIN, None)),
        None => {}
    }
    let parts = parts(name, text)?;
    let days = i64::from(days(text, &parts, name)?);
    let at = days.checked_mul(DAY).and_then(|at| at.checked_add(parts.micros.unwrap_or(0)));
    let at = at.and_then(calendar::checked);
    Ok((at.ok_or_else(|| beyond_calendar(&format!("{name}: \"{text}\"")))?, parts.zone))
}

fn infinity(text: &str) -> Option<bool> {
    let word = text.trim();
    let is = |known: &str| word.eq_ignore_ascii_case(known);
    if is("infinity") || is("+infinity") {
        return Some(true);
    }
    is("-infinity").then_some(false)
}

fn days(text: &str, parts: &Parts, name: &str) -> Outcome<i32> {
    let (year, month, day) = parts.date.ok_or_else(|| invalid_text(name, text))?;
    let year = if parts.is_bc { 1 - year } else { year };
    let is_year = parts.is_bc || year > 0;
    let days = is_year.then(|| calendar::date(year, month, day)).flatten();
    days.ok_or_else(|| failure("22008", format!("date/time field value out of range: \"{text}\"")))
}

fn parts(name: &str, text: &str) -> Outcome<Parts> {
    if text.len() > 128 {
        return Err(invalid_text(name, text));
    }
    read(text).map_err(|fault| match fault {
        Fault::Syntax => invalid_text(name, text),
        Fault::Range => failure("22008", format!("date/time field value out of range: \"{text}\"")),
    })
}

fn read(text: &str) -> Read<Parts> {
    let trimmed = text.trim();
    if trimmed.eq_ignore_ascii_case("epoch") {
        let date = Some((1970, 1, 1));
        let micros = Some(0);
        return Ok(Parts { date, micros, zone: Some(Zone::Seconds(0)), is_bc: false });
    }
    let spaced = with_spaces(trimmed);
    let mut parts = Parts::default();
    let mut loose: Vec<&str> = Vec::new();
    for word in spaced.split_ascii_whitespace() {
        let lower = word.to_ascii_lowercase();
        let digits = word.bytes().all(|byte| byte.is_ascii_digit());
        match lower.as_str() {
            "bc" => parts.is_bc = true,
            "ad" => {}
            "am" | "pm" => parts.micros = Some(half_day(parts.micros, lower == "pm")?),
            _ if word.contains(':') && !word.starts_with(['+', '-']) => clock(word, &mut parts)?,
            _ if digits && word.len() == 8 && parts.date.is_none() => {
                let part = |range: std::ops::Range<usize>| number(&word[range]);
                parts.date = Some((part(0..4)?, part(4..6)?, part(6..8)?));
            }
            _ if digits || month(&lower).is_some() => loose.push(word),
            _ if parts.date.is_none() && word.contains(['-', '/', '.']) && !signed(word) => {
                parts.date = Some(day(word)?);
            }
            _ => parts.zone = Some(Zone::named(word).ok_or(Fault::Syntax)?),
        }
    }
    match (&loose[..], parts.date) {
        ([], _) => {}
        ([one, two, three], None) => parts.date = Some(written_day(one, two, three)?),
        _ => return Err(Fault::Syntax),
    }
    if parts.date.is_none() && parts.micros.is_none() {
        return Err(Fault::Syntax);
    }
    Ok(parts)
}

fn signed(word: &str) -> bool {
    word.starts_with(['+', '-'])
}

/// The text with spaces where `T`, `Z` and commas separate.
fn with_spaces(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len() + 2);
    let bytes = text.as_bytes();
    for (at, c) in text.char_indices() {
        let before = at.checked_sub(1).is_some_and(|at| bytes[at].is_ascii_digit());
        let after = bytes.get(at + c.len_utf8()).is_some_and(u8::is_ascii_digit);
        match c {
            ',' => spaced.push(' '),
            'T' | 't' if before && after => spaced.push(' '),
            'Z' | 'z' if before => spaced.push_str(" Z"),
            _ => spaced.push(c),
        }
    }
    spaced
}

/// Whether there is a `T` between a date and a time.
fn has_time_mark(text: &str) -> bool {
    let is_mark = |part: &[u8]| {
        matches!(part, [before, b'T' | b't', after]
            if before.is_ascii_digit() && after.is_ascii_digit())
    };
    text.as_bytes().windows(3).any(is_mark)
}

fn number(text: &str) -> Read<i64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().map_err(|_| Fault::Range) } else { Err(Fault::Syntax) }
}

fn month(word: &str) -> Option<i64> {
    let known =
        |month: &&str| word.starts_with(*month) && word.bytes().all(|b| b.is_ascii_alphabetic());
    MONTHS.iter().position(known).map(|at| at as i64 + 1)
}

/// `2024-02-29`, `2024/2/29`, `2/29/2024`, `29-Feb-2024`.
fn day(word: &str) -> Read<(i64, i64, i64)> {
    let parts: Vec<&str> = word.split(['-', '/', '.']).collect();
    let [one, two, three] = parts[..] else { return Err(Fault::Syntax) };
    written_day(one, two, three)
}

fn written_day(one: &str, two: &str, three: &str) -> Read<(i64, i64, i64)> {
    let lower = [one, two, three].map(str::to_ascii_lowercase);
    if let Some(month) = month(&lower[1]) {
        let is_year_first = one.len() > 2;
        let (year, day) = if is_year_first { (one, three) } else { (three, one) };
        return Ok((number(year)?, month, number(day)?));
    }
    if let Some(month) = month(&lower[0]) {
        return Ok((number(three)?, month, number(two)?));
    }
    match one.len() > 2 {
        true => Ok((number(one)?, number(two)?, number(three)?)),
        false if three.len() > 2 => Ok((number(three)?, number(one)?, number(two)?)),
        false => Err(Fault::Syntax),
    }
}

/// `10:00`, `10:00:01.5`, `10:00+02`.
fn clock(word: &str, parts: &mut Parts) -> Read<()> {
    if parts.micros.is_some() {
        return Err(Fault::Syntax);
    }
    let end = word.find(['+', '-']).unwrap_or(word.len());
    let (time, zone) = word.split_at(end);
    if !zone.is_empty() {
        parts.zone = Some(Zone::Seconds(distance(zone).ok_or(Fault::Syntax)?));
    }
    parts.micros = Some(clock_micros(time)?);
    Ok(())
}

fn clock_micros(time: &str) -> Read<i64> {
    let fields: Vec<&str> = time.split(':').collect();
    let (hours, minutes, seconds) = match fields[..] {
        [hours, minutes] => (hours, minutes, "0"),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return Err(Fault::Syntax),
    };
    let hours = number(hours)?;
    let minutes = number(minutes)?;
    let micros = seconds_micros(seconds).ok_or(Fault::Syntax)?;
    let total = hours * HOUR + minutes * 60 * SECOND + micros;
    let fits = minutes < 60 && micros <= 60 * SECOND && (hours < 24 || total == DAY);
    if fits { Ok(total) } else { Err(Fault::Range) }
}

/// Microseconds of seconds with a fraction, rounded.
pub(super) fn seconds_micros(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || (whole.is_empty() && part.is_empty()) {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let padded = format!("{part:0<7}");
    let micros: i64 = padded.get(..6)?.parse().ok()?;
    let is_up = padded.as_bytes()[6] >= b'5';
    whole.checked_mul(SECOND)?.checked_add(micros + i64::from(is_up))
}

fn half_day(micros: Option<i64>, is_afternoon: bool) -> Read<i64> {
    let micros = micros.ok_or(Fault::Syntax)?;
    let hours = micros / HOUR;
    if !(1..=12).contains(&hours) {
        return Err(Fault::Range);
    }
    let morning = micros % HOUR + (hours % 12) * HOUR;
    Ok(if is_afternoon { morning + 12 * HOUR } else { morning })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;

    fn shown(at: i64) -> String {
        let mut out = BytesMut::new();
        crate::value_text::timestamp(at, false, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn moments_are_read_as_they_are_spelt() {
        for (text, is) in [
            ("2024-01-01 10:00", "2024-01-01 10:00:00"),
            ("2024-01-01T10:00:01.5Z", "2024-01-01 10:00:01.5"),
            ("2024-01-01 10:00+02", "2024-01-01 08:00:00"),
            ("2024-07-01 10:00 Europe/Berlin", "2024-07-01 08:00:00"),
            ("20240229", "2024-02-29 00:00:00"),
            ("2/29/2024 1:02 PM", "2024-02-29 13:02:00"),
            ("Feb 29, 2024", "2024-02-29 00:00:00"),
            ("29 February 2024 00:00:00.0000015", "2024-02-29 00:00:00.000002"),
            ("0001-01-01 BC", "0001-01-01 00:00:00 BC"),
            ("9999-12-31 24:00", "10000-01-01 00:00:00"),
            ("epoch", "1970-01-01 00:00:00"),
            ("infinity", "infinity"),
        ] {
            assert_eq!(shown(timestamptz(text).expect(text)), is, "{text}");
        }
        for text in ["2024-02-30", "2024-01-01 25:00", "10:00", "x", "", "1-2-3", "2024-13-01"] {
            assert!(timestamp(text).is_err(), "{text}");
        }
        assert_eq!(time("01:02:03.5").expect("a time"), HOUR + 123_500_000);
        assert_eq!(date("1970-01-02").expect("a date"), 1);
        let berlin = Zone::named("Europe/Berlin").expect("a zone");
        let local = berlin.to_local(timestamp("2024-10-14 21:45:15").expect("a moment"));
        assert_eq!(shown(local.expect("in range")), "2024-10-14 23:45:15");
    }
}
