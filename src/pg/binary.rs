//! `PostgreSQL`'s binary formats: big-endian, times from the year 2000.

use bytes::{BufMut, BytesMut};

/// Days from 1970 to 2000.
pub(super) const DAYS_TO_2000: i32 = 10_957;
/// Microseconds from 1970 to 2000.
pub(super) const MICROS_TO_2000: i64 = 946_684_800_000_000;
/// Decimal digits in a digit of a `numeric`.
const GROUP: usize = 4;

/// Appends days since 1970.
pub(super) fn date(days: i64, out: &mut BytesMut) {
    out.put_i32(match i32::try_from(days) {
        // The ends of the range mean infinity.
        Ok(i32::MIN) => i32::MIN,
        Ok(i32::MAX) => i32::MAX,
        _ => {
            let days = days - i64::from(DAYS_TO_2000);
            days.clamp(i32::MIN.into(), i32::MAX.into()) as i32
        }
    });
}

/// Appends microseconds since 1970.
pub(super) fn timestamp(micros: i64, out: &mut BytesMut) {
    out.put_i64(match micros {
        // The ends of the range mean infinity.
        i64::MIN | i64::MAX => micros,
        _ => micros.saturating_sub(MICROS_TO_2000),
    });
}

/// Appends an interval.
pub(super) fn interval(months: i32, days: i32, micros: i64, out: &mut BytesMut) {
    out.put_i64(micros);
    out.put_i32(days);
    out.put_i32(months);
}

/// Appends a `numeric` from its digits, as [`super::text::numeric`] writes them.
pub(super) fn numeric(text: &str, out: &mut BytesMut) {
    let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    // Digits in groups of four, counted from the point.
    let lead = whole.len().div_ceil(GROUP) * GROUP - whole.len();
    let trail = part.len().div_ceil(GROUP) * GROUP - part.len();
    let digits = std::iter::repeat_n(b'0', lead).chain(whole.bytes());
    let digits: Vec<u8> =
        digits.chain(part.bytes()).chain(std::iter::repeat_n(b'0', trail)).collect();
    let group = |digits: &[u8]| {
        digits.iter().fold(0, |number, digit| number * 10 + i16::from(digit - b'0'))
    };
    let groups: Vec<i16> = digits.chunks(GROUP).map(group).collect();
    let first = groups.iter().position(|group| *group != 0);
    let last = groups.iter().rposition(|group| *group != 0);
    let kept = match first.zip(last) {
        Some((first, last)) => &groups[first..=last],
        None => &[],
    };
    let weight = ((whole.len() + lead) / GROUP) as i16 - 1 - first.unwrap_or_default() as i16;
    out.put_i16(kept.len() as i16);
    out.put_i16(if kept.is_empty() { 0 } else { weight });
    out.put_u16(if is_negative && !kept.is_empty() { 0x4000 } else { 0 });
    out.put_u16(part.len() as u16);
    kept.iter().for_each(|group| out.put_i16(*group));
}

/// Decodes a `numeric` as text; none when the bytes are not one.
pub(super) fn parse_numeric(bytes: &[u8]) -> Option<String> {
    let (pairs, []) = bytes.as_chunks::<2>() else { return None };
    let [count, weight, sign, scale, groups @ ..] = pairs else { return None };
    let count = u16::from_be_bytes(*count);
    let scale = u16::from_be_bytes(*scale);
    let weight = i32::from(i16::from_be_bytes(*weight));
    if usize::from(count) != groups.len() || weight.abs() > 100 || scale > 1_000 {
        return None;
    }
    let group = |at: i32| {
        let found = usize::try_from(at).ok().and_then(|at| groups.get(at));
        found.map_or(0, |group| i16::from_be_bytes(*group))
    };
    let mut text = match u16::from_be_bytes(*sign) {
        0 => String::new(),
        0x4000 => "-".to_owned(),
        0xC000 => return Some("NaN".to_owned()),
        _ => return None,
    };
    if groups.iter().any(|group| !(0..10_000).contains(&i16::from_be_bytes(*group))) {
        return None;
    }
    let groups_of = |places: std::ops::RangeInclusive<i32>| {
        places.fold(String::new(), |text, at| text + &format!("{:04}", group(at)))
    };
    let whole = groups_of(0..=weight);
    let whole = whole.trim_start_matches('0');
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        // The group of 10^-4 is the first behind that of 10^0, even when neither is sent.
        let count = i32::from(scale.div_ceil(4));
        let part = groups_of(weight + 1..=weight + count);
        text.push('.');
        text.push_str(&part[..usize::from(scale)]);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_numeric_of_postgres() {
        let mut out = BytesMut::new();
        numeric("-12345.678", &mut out);
        assert_eq!(&out[..], b"\0\x03\0\x01\x40\0\0\x03\0\x01\x09\x29\x1a\x7c");
        assert_eq!(parse_numeric(&out).as_deref(), Some("-12345.678"));
        assert_eq!(parse_numeric(&out[..9]), None);
    }

    proptest! {
        #[test]
        fn numerics_come_back(units in any::<i128>(), scale in 0i8..38, small in any::<i16>()) {
            for units in [units, small.into()] {
                let mut text = BytesMut::new();
                let mut bytes = BytesMut::new();
                super::super::text::numeric(units, scale, &mut text);
                let text = String::from_utf8(text.to_vec()).expect("digits");
                numeric(&text, &mut bytes);
                prop_assert_eq!(parse_numeric(&bytes), Some(text));
            }
        }

        #[test]
        fn any_bytes_are_a_numeric_or_none(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse_numeric(&bytes);
        }
    }
}
