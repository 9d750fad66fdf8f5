//! Writes values as `PostgreSQL` writes them as text, for answers and for casts.

use std::fmt::Write;

use bytes::{BufMut, BytesMut};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Writes the digits of `number` to the end of `room`.
pub fn digits(mut number: u64, room: &mut [u8; 20]) -> &[u8] {
    let mut at = room.len();
    loop {
        at -= 1;
        room[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &room[at..];
        }
    }
}

/// Appends an integer.
pub fn integer(number: i64, out: &mut BytesMut) {
    if number < 0 {
        out.put_u8(b'-');
    }
    unsigned(number.unsigned_abs(), out);
}

/// Appends an unsigned integer.
pub fn unsigned(number: u64, out: &mut BytesMut) {
    out.put_slice(digits(number, &mut [0; 20]));
}

/// Appends `t` or `f`.
pub fn boolean(value: bool, out: &mut BytesMut) {
    out.put_u8(if value { b't' } else { b'f' });
}

/// Appends the shortest digits that give the same double.
pub fn double(value: f64, out: &mut BytesMut) {
    float(value, value.is_nan(), value.is_infinite(), value < 0.0, 15, out);
}

/// Appends the shortest digits that give the same float.
pub fn single(value: f32, out: &mut BytesMut) {
    float(value, value.is_nan(), value.is_infinite(), value < 0.0, 6, out);
}

fn float(
    value: impl std::fmt::Display + std::fmt::LowerExp,
    is_nan: bool,
    is_infinite: bool,
    is_negative: bool,
    exponent_max: i32,
    out: &mut BytesMut,
) {
    if is_nan {
        return out.put_slice(b"NaN");
    }
    if is_infinite {
        return out.put_slice(if is_negative { b"-Infinity" } else { b"Infinity" });
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    // Writing into memory does not fail.
    let _ = if (-4..exponent_max).contains(&exponent) {
        write!(out, "{value}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "{digits}e{sign}{:02}", exponent.abs())
    };
}

/// Appends `units / 10^scale` with all its digits.
pub fn numeric(units: i128, scale: i8, out: &mut BytesMut) {
    if units < 0 {
        out.put_u8(b'-');
    }
    point(&units.unsigned_abs().to_string(), scale.into(), out);
}

/// Appends a number whose digits without the point are `digits`, after a sign or none.
pub fn decimal_digits(digits: &str, scale: i32, out: &mut BytesMut) {
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    if unsigned.len() < digits.len() {
        out.put_u8(b'-');
    }
    point(unsigned, scale, out);
}

/// Appends `digits / 10^scale`.
fn point(digits: &str, scale: i32, out: &mut BytesMut) {
    match usize::try_from(scale) {
        Ok(0) => out.put_slice(digits.as_bytes()),
        Ok(scale) => {
            let digits = format!("{digits:0>width$}", width = scale + 1);
            let (whole, part) = digits.split_at(digits.len() - scale);
            out.put_slice(whole.as_bytes());
            out.put_u8(b'.');
            out.put_slice(part.as_bytes());
        }
        Err(_) => {
            out.put_slice(digits.as_bytes());
            if digits != "0" {
                out.put_bytes(b'0', scale.unsigned_abs() as usize);
            }
        }
    }
}

/// Appends bytes in hexadecimal digits.
pub fn bytea(bytes: &[u8], out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.put_slice(b"\\x");
    for byte in bytes {
        out.put_u8(DIGITS[usize::from(byte >> 4)]);
        out.put_u8(DIGITS[usize::from(byte & 15)]);
    }
}

/// Appends an element of a list, in double quotes where `PostgreSQL` needs them.
pub fn list_element(text: &[u8], out: &mut BytesMut) {
    let special = |byte: &u8| b"{},\"\\".contains(byte) || byte.is_ascii_whitespace();
    if !text.is_empty() && !text.iter().any(special) && !text.eq_ignore_ascii_case(b"null") {
        return out.put_slice(text);
    }
    out.put_u8(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

/// Appends a value of a row in parentheses, in double quotes where `PostgreSQL` needs them.
pub fn record_field(text: &[u8], out: &mut BytesMut) {
    let special = |byte: &u8| b"(),\"\\".contains(byte) || byte.is_ascii_whitespace();
    if !text.is_empty() && !text.iter().any(special) {
        return out.put_slice(text);
    }
    out.put_u8(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(*byte);
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

/// Year, month and day of a number of days since 1970-01-01. The year before 1 is 0.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    // Years begin in March here, in cycles of 400 years: then leap days come last and nothing
    // varies.
    let days = days + 719_468;
    let cycle = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, late) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + cycle * 400 + late, month, day)
}

/// Appends a date, given in days since 1970-01-01.
pub fn date(days: i64, out: &mut BytesMut) {
    if days == i64::from(i32::MAX) || days == i64::from(i32::MIN) {
        return infinity(days > 0, out);
    }
    let is_bc = day_of(days, out);
    era(is_bc, out);
}

fn infinity(is_positive: bool, out: &mut BytesMut) {
    out.put_slice(if is_positive { b"infinity" } else { b"-infinity" });
}

fn day_of(days: i64, out: &mut BytesMut) -> bool {
    let (year, month, day) = civil(days);
    // There is no year 0.
    let shown = if year > 0 { year } else { 1 - year };
    if shown < 10_000 {
        padded(shown, 4, out);
    } else {
        integer(shown, out);
    }
    out.put_u8(b'-');
    padded(month, 2, out);
    out.put_u8(b'-');
    padded(day, 2, out);
    year <= 0
}

fn era(is_bc: bool, out: &mut BytesMut) {
    if is_bc {
        out.put_slice(b" BC");
    }
}

/// Appends an instant or a local time, given in microseconds since 1970.
pub fn timestamp(micros: i64, has_zone: bool, out: &mut BytesMut) {
    if micros == i64::MAX || micros == i64::MIN {
        return infinity(micros > 0, out);
    }
    let is_bc = day_of(micros.div_euclid(DAY), out);
    out.put_u8(b' ');
    time(micros.rem_euclid(DAY), out);
    if has_zone {
        out.put_slice(b"+00");
    }
    era(is_bc, out);
}

/// Appends a time of day, given in microseconds.
pub fn time(micros: i64, out: &mut BytesMut) {
    let seconds = micros / SECOND;
    padded(seconds / 3_600, 2, out);
    out.put_u8(b':');
    padded(seconds / 60 % 60, 2, out);
    out.put_u8(b':');
    padded(seconds % 60, 2, out);
    let mut part = micros % SECOND;
    if part > 0 {
        let mut width = 6;
        while part % 10 == 0 {
            (part, width) = (part / 10, width - 1);
        }
        out.put_u8(b'.');
        padded(part, width, out);
    }
}

/// Appends an interval.
pub fn interval(months: i32, days: i32, micros: i64, out: &mut BytesMut) {
    let start = out.len();
    let mut follows_negative = false;
    let mut part = |count: i64, name: &str| {
        if count != 0 {
            let space = if out.len() > start { " " } else { "" };
            let sign = if follows_negative && count > 0 { "+" } else { "" };
            let plural = if count == 1 { "" } else { "s" };
            let _ = write!(out, "{space}{sign}{count} {name}{plural}");
            follows_negative = count < 0;
        }
    };
    part(i64::from(months / 12), "year");
    part(i64::from(months % 12), "mon");
    part(i64::from(days), "day");
    if micros != 0 || out.len() == start {
        if out.len() > start {
            out.put_u8(b' ');
        }
        if micros < 0 {
            out.put_u8(b'-');
        } else if follows_negative {
            out.put_u8(b'+');
        }
        time(micros.checked_abs().unwrap_or(i64::MAX), out);
    }
}

/// Appends a number that is not negative, padded with zeros.
fn padded(number: i64, width: usize, out: &mut BytesMut) {
    let mut room = [0; 20];
    let digits = digits(number.unsigned_abs(), &mut room);
    out.put_bytes(b'0', width.saturating_sub(digits.len()));
    out.put_slice(digits);
}

#[cfg(test)]
mod tests {
    use super::*;
    use diptych_event::{Date, Timestamp};
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        write(&mut out);
        String::from_utf8(out.to_vec()).expect("only text is written")
    }

    #[test]
    fn values_look_as_in_postgres() {
        let double = |value| written(|out| double(value, out));
        assert_eq!(double(1.5), "1.5");
        assert_eq!(double(100_000_000_000_000.0), "100000000000000");
        assert_eq!(double(1e15), "1e+15");
        assert_eq!(double(1e-4), "0.0001");
        assert_eq!(double(-1.25e-5), "-1.25e-05");
        assert_eq!(double(f64::NEG_INFINITY), "-Infinity");
        assert_eq!(written(|out| single(1e6, out)), "1e+06");
        assert_eq!(written(|out| single(0.1, out)), "0.1");
        assert_eq!(written(|out| numeric(-5, 2, out)), "-0.05");
        assert_eq!(written(|out| numeric(12, -2, out)), "1200");
        assert_eq!(written(|out| bytea(&[0, 0xff], out)), "\\x00ff");
        assert_eq!(written(|out| date(-1, out)), "1969-12-31");
        assert_eq!(written(|out| date(-719_163, out)), "0001-12-31 BC");
        assert_eq!(written(|out| timestamp(1_500_000, true, out)), "1970-01-01 00:00:01.5+00");
        assert_eq!(
            written(|out| interval(14, -1, -1_000_000, out)),
            "1 year 2 mons -1 days -00:00:01"
        );
        assert_eq!(
            written(|out| interval(-14, 3, 1, out)),
            "-1 years -2 mons +3 days 00:00:00.000001"
        );
        assert_eq!(written(|out| interval(0, -1, 60_000_000, out)), "-1 days +00:01:00");
        assert_eq!(written(|out| date(i32::MAX.into(), out)), "infinity");
        assert_eq!(written(|out| timestamp(i64::MIN, true, out)), "-infinity");
        assert_eq!(written(|out| interval(0, 0, 0, out)), "00:00:00");
        assert_eq!(written(|out| integer(i64::MIN, out)), i64::MIN.to_string());
    }

    proptest! {
        #[test]
        fn days_and_instants_are_those_of_the_calendar(
            micros in -60_000_000_000_000_000i64..250_000_000_000_000_000,
        ) {
            let days = micros.div_euclid(DAY) as i32;
            let day = Date::from_days(days).to_string();
            prop_assert_eq!(written(|out| date(days.into(), out)), day);
            let shown = written(|out| timestamp(micros, false, out));
            let parsed: Timestamp = shown.parse().expect("a timestamp");
            prop_assert_eq!(parsed.micros(), micros);
        }
    }
}
