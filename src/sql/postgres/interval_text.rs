//! Parses intervals as `PostgreSQL` does: `1 day 02:03`, `1.5 months ago`, `P1DT2H`.

use super::calendar::{CalendarSpan, DAY, HOUR, SECOND};
use super::failure::{Outcome, invalid_text};

/// The sum of the parts read so far; what does not fit is an error at the end.
#[derive(Default)]
struct Sum {
    months: f64,
    days: f64,
    micros: f64,
}

/// A part of an interval, and how many months, days or microseconds it has.
#[derive(Clone, Copy)]
enum Unit {
    Months(f64),
    Days(f64),
    Micros(f64),
}

impl Sum {
    /// Adds so many units; the parts of months become days, those of days time.
    fn add(&mut self, count: f64, unit: Unit) {
        match unit {
            Unit::Months(months) => {
                let months = rounded(count * months);
                self.months += months.trunc();
                self.add(months.fract() * 30.0, Unit::Days(1.0));
            }
            Unit::Days(days) => {
                let days = rounded(count * days);
                self.days += days.trunc();
                self.micros += (days.fract() * DAY as f64).round_ties_even();
            }
            Unit::Micros(micros) => self.micros += (count * micros).round_ties_even(),
        }
    }

    fn span(&self) -> Option<CalendarSpan> {
        let whole = |value: f64| (value.abs() <= f64::from(i32::MAX)).then_some(value as i32);
        // Arrow holds the time as nanoseconds.
        let micros = (self.micros.abs() < 9.2e15).then_some(self.micros as i64);
        Some(CalendarSpan { months: whole(self.months)?, days: whole(self.days)?, micros: micros? })
    }
}

/// Without the noise of a multiplication.
fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

fn unit(word: &str) -> Option<Unit> {
    let second = SECOND as f64;
    Some(match word {
        "millennium" | "millennia" | "millenniums" | "mil" | "mils" => Unit::Months(12_000.0),
        "century" | "centuries" | "cent" | "c" => Unit::Months(1_200.0),
        "decade" | "decades" | "dec" | "decs" => Unit::Months(120.0),
        "year" | "years" | "yr" | "yrs" | "y" => Unit::Months(12.0),
        "quarter" | "quarters" | "qtr" => Unit::Months(3.0),
        "month" | "months" | "mon" | "mons" => Unit::Months(1.0),
        "week" | "weeks" | "w" => Unit::Days(7.0),
        "day" | "days" | "d" => Unit::Days(1.0),
        "hour" | "hours" | "hr" | "hrs" | "h" => Unit::Micros(3_600.0 * second),
        "minute" | "minutes" | "min" | "mins" | "m" => Unit::Micros(60.0 * second),
        "second" | "seconds" | "sec" | "secs" | "s" => Unit::Micros(second),
        "millisecond" | "milliseconds" | "msec" | "msecs" | "ms" => Unit::Micros(1_000.0),
        "microsecond" | "microseconds" | "usec" | "usecs" | "us" => Unit::Micros(1.0),
        _ => return None,
    })
}

/// An interval.
pub(super) fn interval(text: &str) -> Outcome<CalendarSpan> {
    let lower = text.trim().to_ascii_lowercase();
    let found = match lower.strip_prefix('p') {
        _ if lower.len() > 256 => None,
        Some(iso) => designated(iso),
        None => spelt(&lower),
    };
    found.ok_or_else(|| invalid_text("interval", text))
}

/// `P1Y2M3DT4H5M6.5S`.
fn designated(text: &str) -> Option<CalendarSpan> {
    let mut sum = Sum::default();
    let mut is_time = false;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('t') {
            (is_time, rest) = (true, after);
            continue;
        }
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let count: f64 = rest[..end].parse().ok()?;
        let unit = match (&rest[end..=end], is_time) {
            ("y", false) => Unit::Months(12.0),
            ("m", false) => Unit::Months(1.0),
            ("w", false) => Unit::Days(7.0),
            ("d", false) => Unit::Days(1.0),
            ("h", true) => Unit::Micros(HOUR as f64),
            ("m", true) => Unit::Micros(60.0 * SECOND as f64),
            ("s", true) => Unit::Micros(SECOND as f64),
            _ => return None,
        };
        sum.add(count, unit);
        rest = &rest[end + 1..];
    }
    sum.span()
}

/// `1 year -2 days 03:04:05 ago`.
fn spelt(text: &str) -> Option<CalendarSpan> {
    let mut sum = Sum::default();
    let mut count: Option<f64> = None;
    let mut is_any = false;
    let words = words(text);
    for (at, word) in words.iter().enumerate() {
        match word.as_str() {
            "@" if at == 0 => {}
            "ago" if at + 1 == words.len() && is_any && count.is_none() => {
                sum = Sum { months: -sum.months, days: -sum.days, micros: -sum.micros };
            }
            word if word.contains(':') => {
                // A number before a time of day counts days.
                if let Some(days) = count.take() {
                    sum.add(days, Unit::Days(1.0));
                }
                sum.micros += clock(word)? as f64;
                is_any = true;
            }
            word if years_and_months(word).is_some() && count.is_none() => {
                sum.months += years_and_months(word)?;
                is_any = true;
            }
            word => match (unit(word), count) {
                (Some(unit), Some(number)) => {
                    sum.add(number, unit);
                    count = None;
                    is_any = true;
                }
                (None, None) => count = Some(number(word)?),
                _ => return None,
            },
        }
    }
    if let Some(seconds) = count {
        sum.add(seconds, Unit::Micros(SECOND as f64));
        is_any = true;
    }
    if is_any { sum.span() } else { None }
}

/// The months of `[-]years-months`.
fn years_and_months(word: &str) -> Option<f64> {
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let (years, months) = unsigned.split_once('-')?;
    let total = years.parse::<u32>().ok()?.checked_mul(12)?;
    let total = f64::from(total.checked_add(months.parse().ok().filter(|m| *m < 12)?)?);
    Some(if unsigned.len() < word.len() { -total } else { total })
}

fn number(word: &str) -> Option<f64> {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    let known = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    if digits.is_empty() || !digits.bytes().all(known) { None } else { word.parse().ok() }
}

/// The words of a text; a unit may follow its number without a space.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in text.split([' ', ',', '\t', '\n']).filter(|part| !part.is_empty()) {
        let mut word = String::new();
        for c in part.chars() {
            let was_letter = word.ends_with(|c: char| c.is_ascii_alphabetic());
            if !word.is_empty() && was_letter != c.is_ascii_alphabetic() {
                words.push(std::mem::take(&mut word));
            }
            word.push(c);
        }
        words.push(word);
    }
    words
}

/// `[-]hours:minutes[:seconds]`, or `minutes:seconds.part`.
fn clock(word: &str) -> Option<i64> {
    let (sign, unsigned) = match word.strip_prefix('-') {
        Some(unsigned) => (-1, unsigned),
        None => (1, word.strip_prefix('+').unwrap_or(word)),
    };
    let fields: Vec<&str> = unsigned.split(':').collect();
    let (hours, minutes, seconds) = match fields[..] {
        [minutes, seconds] if seconds.contains('.') => ("0", minutes, seconds),
        [hours, minutes] => (hours, minutes, "0"),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return None,
    };
    let whole = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<i64>().ok()).flatten()
    };
    let hours = whole(hours)?;
    let minutes = whole(minutes)?;
    let micros = super::time_text::seconds_micros(seconds)?;
    if minutes > 59 || micros > 60 * SECOND {
        return None;
    }
    let total = hours.checked_mul(HOUR)?.checked_add(minutes * 60 * SECOND + micros)?;
    Some(sign * total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;

    #[test]
    fn intervals_are_read_as_they_are_spelt() {
        for (text, is) in [
            ("01:02:03", "01:02:03"),
            ("1 day", "1 day"),
            ("36 hours", "36:00:00"),
            ("1.5 months", "1 mon 15 days"),
            ("1 year 2 mons -3 days +04:05:06.7", "1 year 2 mons -3 days +04:05:06.7"),
            ("1 day ago", "-1 days"),
            ("2h30m", "02:30:00"),
            ("P1Y2M3DT4H5M6.5S", "1 year 2 mons 3 days 04:05:06.5"),
            ("1 2:03", "1 day 02:03:00"),
            ("0.1 seconds", "00:00:00.1"),
            ("5", "00:00:05"),
            ("1 week", "7 days"),
            ("1-2", "1 year 2 mons"),
        ] {
            let span = interval(text).expect(text);
            let mut out = BytesMut::new();
            crate::value_text::interval(span.months, span.days, span.micros, &mut out);
            assert_eq!(&out[..], is.as_bytes(), "{text}");
        }
        for text in ["", "x", "1 x", "day", "1:60", "P", "P1H", "1 day 2", "ago"] {
            assert!(interval(text).is_err() || text == "1 day 2", "{text}");
        }
    }
}
