//! Units of numbers that are read as times or days. A unit is never guessed: it is written beside
//! the number or declared by the field.

/// The metadata key of the unit that a number without one has in a column of times or days: `s`,
/// `ms`, `us` or `ns` since 1970-01-01T00:00:00Z, or `days` since that day.
///
/// Written for `#[event(unit = "...")]`. Without it such a number is refused.
pub const UNIT_KEY: &str = "diptych:unit";

/// The unit of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
    /// Days.
    Days,
}

impl Unit {
    const ALL: [Unit; 5] = [Unit::Seconds, Unit::Millis, Unit::Micros, Unit::Nanos, Unit::Days];

    /// The unit's text.
    pub const fn name(self) -> &'static str {
        match self {
            Unit::Seconds => "s",
            Unit::Millis => "ms",
            Unit::Micros => "us",
            Unit::Nanos => "ns",
            Unit::Days => "days",
        }
    }

    /// The unit of this text.
    pub fn named(name: &str) -> Option<Unit> {
        Unit::ALL.into_iter().find(|unit| unit.name() == name)
    }

    /// The number of digits behind the point of such a number down to nanoseconds.
    const fn digits(self) -> usize {
        match self {
            Unit::Seconds => 9,
            Unit::Millis => 6,
            Unit::Micros => 3,
            Unit::Nanos | Unit::Days => 0,
        }
    }
}

/// Whether `text` is a number, with or without a sign and a point.
pub fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && all(part)
}

/// Splits a number from the unit behind it: `1475313991 s`, with or without the space.
pub(crate) fn with_unit(text: &str) -> Option<(&str, Unit)> {
    let end = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len();
    let (number, unit) = text.split_at(end);
    let number = number.strip_suffix(' ').unwrap_or(number);
    Some((number, Unit::named(unit)?)).filter(|(number, _)| is_number(number))
}

/// The microseconds of `number` times `unit`. Digits finer than a microsecond are cut, as in a
/// written time: the result is the microsecond that the instant lies in.
pub(crate) fn micros(number: &str, unit: Unit) -> Option<i64> {
    if unit == Unit::Days || !is_number(number) {
        return None;
    }
    let (negative, digits) = match number.as_bytes()[0] {
        sign @ (b'-' | b'+') => (sign == b'-', &number[1..]),
        _ => (false, number),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let (kept, lost) = part.split_at(part.len().min(unit.digits()));
    let zeros = std::iter::repeat_n(b'0', unit.digits() - kept.len());
    let nanos =
        whole.bytes().chain(kept.bytes()).chain(zeros).try_fold(0_i128, |sum, byte| {
            sum.checked_mul(10)?.checked_add(i128::from(byte - b'0'))
        })?;
    let finer = i128::from(lost.bytes().any(|byte| byte != b'0'));
    let nanos = if negative { -nanos - finer } else { nanos };
    i64::try_from(nanos.div_euclid(1000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_converted_exactly_or_not_at_all() {
        for (number, unit, expected) in [
            ("1475280000", Unit::Seconds, Some(1_475_280_000_000_000)),
            ("1475280000.25", Unit::Seconds, Some(1_475_280_000_250_000)),
            ("+1475280000000", Unit::Millis, Some(1_475_280_000_000_000)),
            ("1475280000000.0009", Unit::Millis, Some(1_475_280_000_000_000)),
            ("1999", Unit::Nanos, Some(1)),
            ("-1", Unit::Nanos, Some(-1)),
            ("-1.5", Unit::Seconds, Some(-1_500_000)),
            ("-1.0000000000001", Unit::Seconds, Some(-1_000_001)),
            ("9223372036854775807", Unit::Micros, Some(i64::MAX)),
            ("-9223372036854775808", Unit::Micros, Some(i64::MIN)),
            ("9223372036854775808", Unit::Micros, None),
            ("9223372036854776", Unit::Millis, None),
            ("99999999999999999999999999999999999999999", Unit::Seconds, None),
            ("1e9", Unit::Seconds, None),
            ("1.", Unit::Seconds, None),
            ("", Unit::Seconds, None),
            ("-", Unit::Seconds, None),
            ("1", Unit::Days, None),
        ] {
            assert_eq!(micros(number, unit), expected, "{number} {unit:?}");
        }
    }

    #[test]
    fn a_unit_stands_behind_its_number() {
        assert_eq!(with_unit("-1.5 ms"), Some(("-1.5", Unit::Millis)));
        assert_eq!(with_unit("7days"), Some(("7", Unit::Days)));
        for text in ["7", "s", " s", "7  s", "7 sec", "2016-10-01T00:00:00s", "1e9 s"] {
            assert_eq!(with_unit(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_finer_unit_says_the_same(seconds in -1_i64 << 40..1 << 40, part in 0..1_000_000_i64) {
            let us = seconds * 1_000_000 + part;
            let said = |number: String, unit| micros(&number, unit);
            prop_assert_eq!(said(us.to_string(), Unit::Micros), Some(us));
            prop_assert_eq!(said((i128::from(us) * 1000 + 999).to_string(), Unit::Nanos), Some(us));
            let sign = if us < 0 { "-" } else { "" };
            let whole = us.unsigned_abs() / 1000;
            let part = us.unsigned_abs() % 1000;
            prop_assert_eq!(said(format!("{sign}{whole}.{part:03}"), Unit::Millis), Some(us));
        }
    }
}
