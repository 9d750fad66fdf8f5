//! Writes and reads dates and times by the pieces of a template.

use super::super::calendar::{self, CalendarSpan, DAY, HOUR, SECOND, civil, days_of};
use super::super::failure::{Outcome, failure, refused};
use super::super::time_parts::iso_week;
use super::pattern_nodes::{Modifiers, Node};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ROMAN: [&str; 12] =
    ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// What is written.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    /// Microseconds since 1970, and whether they are an instant.
    Moment(i64, bool),
    CalendarSpan(CalendarSpan),
}

/// The numbers of a moment or an interval.
struct Fields {
    days: Option<i64>,
    year: i64,
    month: i64,
    day: i64,
    micros: i64,
    has_zone: bool,
}

fn fields(shown: Shown) -> Fields {
    match shown {
        Shown::Moment(at, has_zone) => {
            let days = at.div_euclid(DAY);
            let (year, month, day) = civil(days);
            let micros = at.rem_euclid(DAY);
            Fields { days: Some(days), year, month, day, micros, has_zone }
        }
        Shown::CalendarSpan(span) => Fields {
            days: None,
            year: (span.months / 12).into(),
            month: (span.months % 12).into(),
            day: span.days.into(),
            micros: span.micros,
            has_zone: false,
        },
    }
}

/// The text of a moment or an interval.
pub(super) fn written(nodes: &[Node], shown: Shown) -> Outcome<String> {
    if let Shown::Moment(i64::MIN | i64::MAX, _) = shown {
        return Ok(String::new());
    }
    let fields = fields(shown);
    let mut text = String::new();
    for node in nodes {
        match node {
            Node::Text(plain) => text.push_str(plain),
            Node::Pattern(pattern, spelt, modifiers) => {
                text.push_str(&one(pattern, spelt, *modifiers, &fields)?);
            }
        }
    }
    Ok(text)
}

fn one(pattern: &str, spelt: &str, modifiers: Modifiers, fields: &Fields) -> Outcome<String> {
    let Some((number, width)) = numbered(pattern, fields) else {
        return named(pattern, spelt, modifiers, fields);
    };
    let sign = if number < 0 { "-" } else { "" };
    let is_part = matches!(pattern, "MS" | "US") || pattern.starts_with("FF");
    let width = if modifiers.is_plain && !is_part { 0 } else { width };
    // The sign is one of the characters here; other patterns have one more for it.
    let has_sign_in_width = is_part || matches!(pattern, "DD" | "DDD");
    let width = if has_sign_in_width { width.saturating_sub(sign.len()) } else { width };
    let digits = format!("{:0width$}", number.abs());
    let ending = modifiers.ordinal.map_or(String::new(), |is_upper| ordinal(number, is_upper));
    Ok(format!("{sign}{digits}{ending}"))
}

fn ordinal(number: i64, is_upper: bool) -> String {
    let ending = match (number.abs() % 100, number.abs() % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    if is_upper { ending.to_uppercase() } else { ending.to_owned() }
}

/// The number of a pattern, and how many digits it has at least.
fn numbered(pattern: &str, fields: &Fields) -> Option<(i64, usize)> {
    let Fields { year, month, day, micros, .. } = *fields;
    let shown_year = if fields.days.is_some() && year <= 0 { 1 - year } else { year };
    let hours = micros / HOUR;
    let twelve = if hours % 12 == 0 { 12 } else { hours % 12 };
    let days = fields.days.unwrap_or_default();
    let week = || iso_week(days);
    let day_of_year = || days - days_of(year, 1, 1) + 1;
    Some(match pattern {
        "YYYY" => (shown_year, 4),
        "YYY" => (shown_year % 1_000, 3),
        "YY" => (shown_year % 100, 2),
        "Y" => (shown_year % 10, 1),
        "MM" => (month, 2),
        "DD" => (day, 2),
        "HH24" => (hours, 2),
        "HH12" | "HH" => (twelve, if hours < 0 && twelve > 0 { 3 } else { 2 }),
        "MI" => (micros / (60 * SECOND) % 60, 2),
        "SS" => (micros / SECOND % 60, 2),
        "MS" | "FF3" => (micros % SECOND / 1_000, 3),
        "US" | "FF6" => (micros % SECOND, 6),
        "FF1" => (micros % SECOND / 100_000, 1),
        "FF2" => (micros % SECOND / 10_000, 2),
        "FF4" => (micros % SECOND / 100, 4),
        "FF5" => (micros % SECOND / 10, 5),
        "SSSS" | "SSSSS" => (micros / SECOND, 1),
        // Months have 30 days here.
        "DDD" if fields.days.is_none() => ((year * 12 + month) * 30 + day, 3),
        "Q" if fields.days.is_none() && month > 0 => ((month + 2) / 3, 1),
        _ if fields.days.is_none() => return None,
        "IYYY" => (week().0, 4),
        "IYY" => (week().0 % 1_000, 3),
        "IY" => (week().0 % 100, 2),
        "I" => (week().0 % 10, 1),
        "IW" => (week().1, 2),
        "IDDD" => ((week().1 - 1) * 7 + (days + 3).rem_euclid(7) + 1, 3),
        "ID" => ((days + 3).rem_euclid(7) + 1, 1),
        "DDD" => (day_of_year(), 3),
        "D" => ((days + 4).rem_euclid(7) + 1, 1),
        "WW" => ((day_of_year() - 1) / 7 + 1, 2),
        "W" => ((day - 1) / 7 + 1, 1),
        "Q" => ((month + 2) / 3, 1),
        "J" => (days + 2_440_588, 1),
        "CC" if year > 0 => ((year + 99) / 100, 2),
        "CC" => (-((shown_year + 99) / 100), 2),
        _ => return None,
    })
}

/// Names, half days, eras and zones.
fn named(pattern: &str, spelt: &str, modifiers: Modifiers, fields: &Fields) -> Outcome<String> {
    let is_span = fields.days.is_none();
    let days = fields.days.unwrap_or_default();
    let padded = |name: &str, width: usize| {
        let name = cased(name, spelt);
        if modifiers.is_plain { name } else { format!("{name:width$}") }
    };
    let is_late = fields.micros % DAY >= 12 * HOUR;
    Ok(match pattern {
        "AM" | "PM" => cased_whole(if is_late { "PM" } else { "AM" }, spelt),
        "A.M." | "P.M." => cased_whole(if is_late { "P.M." } else { "A.M." }, spelt),
        "Y,YYY" => {
            let year = if is_span || fields.year > 0 { fields.year } else { 1 - fields.year };
            format!("{},{:03}", year / 1_000, year % 1_000)
        }
        "MONTH" | "MON" | "DAY" | "DY" | "D" | "BC" | "AD" | "B.C." | "A.D." | "TZ" | "TZH"
        | "TZM" | "OF"
            if is_span =>
        {
            let message = "invalid format specification for an interval value (add the interval \
                           to a date first)";
            return Err(failure("22007", message));
        }
        _ if is_span => {
            let what = format!("the pattern {pattern} of an interval");
            return Err(refused(&what, "add the interval to a date first"));
        }
        "MONTH" => padded(MONTHS[(fields.month - 1) as usize], 9),
        "MON" => cased(&MONTHS[(fields.month - 1) as usize][..3], spelt),
        "DAY" => padded(DAYS[(days + 4).rem_euclid(7) as usize], 9),
        "DY" => cased(&DAYS[(days + 4).rem_euclid(7) as usize][..3], spelt),
        "RM" => {
            let roman = cased_whole(ROMAN[(fields.month - 1) as usize], spelt);
            if modifiers.is_plain { roman } else { format!("{roman:4}") }
        }
        "BC" | "AD" => cased_whole(if fields.year > 0 { "AD" } else { "BC" }, spelt),
        "B.C." | "A.D." => cased_whole(if fields.year > 0 { "A.D." } else { "B.C." }, spelt),
        "TZ" if fields.has_zone => cased_whole("UTC", spelt),
        "TZ" => String::new(),
        "TZH" | "OF" => "+00".to_owned(),
        "TZM" => "00".to_owned(),
        _ => return Err(refused(&format!("the pattern {pattern}"), "leave it out")),
    })
}

/// A name in the letters in which its pattern is written.
fn cased(name: &str, spelt: &str) -> String {
    let mut letters = spelt.chars();
    let is_upper = letters.next().is_some_and(char::is_uppercase);
    match (is_upper, letters.next().is_some_and(char::is_uppercase)) {
        (true, true) => name.to_uppercase(),
        (true, false) => name.to_owned(),
        (false, _) => name.to_lowercase(),
    }
}

fn cased_whole(name: &str, spelt: &str) -> String {
    match spelt.chars().next().is_some_and(char::is_uppercase) {
        true => name.to_uppercase(),
        false => name.to_lowercase(),
    }
}

/// What a text says by a template.
#[derive(Default)]
struct Said {
    year: Option<i64>,
    month: i64,
    day: i64,
    day_of_year: Option<i64>,
    hours: i64,
    micros: i64,
    is_late: Option<bool>,
    is_bc: bool,
    ahead: i64,
    julian: Option<i64>,
}

/// The moment that `text` says.
pub(super) fn read(nodes: &[Node], text: &str) -> Outcome<i64> {
    let mut said = Said { month: 1, day: 1, ..Said::default() };
    let mut rest = text.trim_start();
    for (at, node) in nodes.iter().enumerate() {
        match node {
            Node::Text(plain) => rest = skipped(plain, rest),
            Node::Pattern(pattern, ..) => {
                rest = rest.trim_start();
                if rest.is_empty() {
                    break;
                }
                let is_last_digit = !matches!(nodes.get(at + 1), Some(Node::Pattern(..)));
                rest = taken(pattern, rest, is_last_digit, &mut said)?;
            }
        }
    }
    moment(&said, text)
}

/// What follows a separator: other separators and blanks match, too.
fn skipped<'a>(plain: &str, text: &'a str) -> &'a str {
    let mut rest = text;
    for expected in plain.chars() {
        match rest.chars().next() {
            Some(c) if c == expected || (!expected.is_alphanumeric() && !c.is_alphanumeric()) => {
                rest = &rest[c.len_utf8()..];
            }
            Some(c) if expected.is_alphanumeric() => rest = &rest[c.len_utf8()..],
            _ => {}
        }
    }
    rest.trim_start()
}

fn taken<'a>(pattern: &str, text: &'a str, is_open: bool, said: &mut Said) -> Outcome<&'a str> {
    let names = match pattern {
        "MONTH" | "MON" => return month_name(text, said),
        "DAY" | "DY" => return Ok(text.trim_start_matches(char::is_alphabetic)),
        "AM" | "PM" | "A.M." | "P.M." => ["AM", "PM", "A.M.", "P.M."],
        "BC" | "AD" | "B.C." | "A.D." => ["AD", "BC", "A.D.", "B.C."],
        _ => return number(pattern, text, is_open, said),
    };
    let is_found =
        |name: &&&str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let Some(found) = names.iter().find(is_found) else {
        return Err(wrong(text, pattern));
    };
    match found.chars().next() {
        Some('P') => said.is_late = Some(true),
        Some('B') => said.is_bc = true,
        _ if found.ends_with(['M', '.']) && found.contains('M') => said.is_late = Some(false),
        _ => {}
    }
    Ok(&text[found.len()..])
}

fn month_name<'a>(text: &'a str, said: &mut Said) -> Outcome<&'a str> {
    let starts =
        |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    for (at, name) in MONTHS.iter().enumerate() {
        let found = [name, &name[..3]].into_iter().find(|name| starts(name));
        if let Some(found) = found {
            said.month = at as i64 + 1;
            return Ok(&text[found.len()..]);
        }
    }
    Err(wrong(text, "MONTH"))
}

fn wrong(text: &str, pattern: &str) -> datafusion::error::DataFusionError {
    let shown: String = text.chars().take(20).collect();
    failure("22007", format!("invalid value \"{shown}\" for \"{pattern}\""))
}

fn number<'a>(pattern: &str, text: &'a str, is_open: bool, said: &mut Said) -> Outcome<&'a str> {
    let width = match pattern {
        "YYYY" | "IYYY" if is_open => 9,
        "YYYY" => 4,
        "YYY" | "DDD" | "MS" | "FF3" => 3,
        "Y" | "FF1" | "D" | "ID" | "W" | "Q" => 1,
        "US" | "FF6" => 6,
        "FF4" => 4,
        "FF5" => 5,
        "J" => 9,
        "SSSS" | "SSSSS" => 5,
        "TZH" => 3,
        "YY" | "MM" | "DD" | "HH" | "HH12" | "HH24" | "MI" | "SS" | "FF2" | "TZM" | "WW" | "CC" => {
            2
        }
        _ => return Err(refused(&format!("reading the pattern {pattern}"), "use others")),
    };
    let signed = text.starts_with(['-', '+']) && matches!(pattern, "TZH" | "YYYY");
    let digits = text.char_indices().skip(usize::from(signed)).take(width);
    let count = digits.take_while(|(_, c)| c.is_ascii_digit()).count() + usize::from(signed);
    let Ok(value) = text[..count].parse::<i64>() else { return Err(wrong(text, pattern)) };
    let fraction = |digits: u32| {
        let missing = digits.saturating_sub(count as u32);
        value * 10_i64.pow(missing) * 10_i64.pow(6_u32.saturating_sub(digits))
    };
    match pattern {
        "YYYY" => said.year = Some(value),
        "YYY" | "YY" | "Y" => said.year = Some(century(value)),
        "MM" => said.month = value,
        "DD" => said.day = value,
        "DDD" => said.day_of_year = Some(value),
        "HH" | "HH12" | "HH24" => {
            if pattern != "HH24" && !(1..=12).contains(&value) {
                let message = format!("hour \"{value}\" is invalid for the 12-hour clock");
                return Err(failure("22007", message));
            }
            said.hours = value;
        }
        "MI" if value < 60 => said.micros += value * 60 * SECOND,
        "SS" if value < 60 => said.micros += value * SECOND,
        "MS" | "FF3" => said.micros += fraction(3),
        "US" | "FF6" => said.micros += fraction(6),
        "FF1" => said.micros += fraction(1),
        "FF2" => said.micros += fraction(2),
        "FF4" => said.micros += fraction(4),
        "FF5" => said.micros += fraction(5),
        "SSSS" | "SSSSS" => said.micros += value * SECOND,
        "J" => said.julian = Some(value),
        "TZH" => said.ahead = value * 3_600,
        "TZM" => said.ahead += said.ahead.signum() * value * 60,
        "D" | "ID" | "Q" => {}
        "MI" | "SS" => {
            return Err(failure(
                "22008",
                format!("date/time field value out of range: \"{text}\""),
            ));
        }
        _ => return Err(refused(&format!("reading the pattern {pattern}"), "use others")),
    }
    Ok(&text[count..])
}

/// The year of two digits that is nearest to 2020.
fn century(value: i64) -> i64 {
    match value {
        0..70 => value + 2_000,
        70..100 => value + 1_900,
        100..520 => value + 2_000,
        520..1_000 => value + 1_000,
        other => other,
    }
}

fn moment(said: &Said, text: &str) -> Outcome<i64> {
    let beyond = || failure("22008", format!("date/time field value out of range: \"{text}\""));
    let hours = match said.is_late {
        Some(is_late) => said.hours % 12 + if is_late { 12 } else { 0 },
        None => said.hours,
    };
    if hours > 23 {
        return Err(beyond());
    }
    let days = match (said.julian, said.day_of_year) {
        (Some(julian), _) => julian - 2_440_588,
        (None, Some(day)) => {
            let year = said.year.ok_or_else(beyond)?;
            days_of(year, 1, 1) + day - 1
        }
        (None, None) => {
            let year = match said.year {
                // Without a year it is 1 BC.
                None => 0,
                Some(year) if said.is_bc => 1 - year,
                Some(year) if year < 0 => year + 1,
                Some(year) => year,
            };
            calendar::date(year, said.month, said.day).ok_or_else(beyond)?.into()
        }
    };
    let at = days.checked_mul(DAY).and_then(|at| at.checked_add(hours * HOUR + said.micros));
    let at = at.and_then(|at| at.checked_sub(said.ahead * SECOND));
    at.and_then(calendar::checked).ok_or_else(beyond)
}

#[cfg(test)]
mod tests {
    use super::super::pattern_nodes::of_times;
    use super::*;

    fn shown(pattern: &str) -> String {
        let at = super::super::super::time_text::timestamp("2024-02-29 13:05:09.5").expect("valid");
        written(&of_times(pattern).expect("a pattern"), Shown::Moment(at, true)).expect("known")
    }

    #[test]
    fn patterns_are_those_of_postgres() {
        assert_eq!(shown("YYYY-MM"), "2024-02");
        assert_eq!(shown("HH24:MI:SS.MS"), "13:05:09.500");
        assert_eq!(shown("HH12:MI am"), "01:05 pm");
        assert_eq!(shown("FMDay, DDth Mon"), "Thursday, 29th Feb");
        assert_eq!(shown("MONTH|mon"), "FEBRUARY |feb");
        assert_eq!(shown("\"at\" IYYY-IW-ID Q DDD TZ"), "at 2024-09-4 1 060 UTC");
        assert_eq!(shown("FMMM/FMDD/YY"), "2/29/24");
    }

    #[test]
    fn texts_are_read_by_patterns() {
        let read = |text: &str, pattern: &str| {
            let at = read(&of_times(pattern).expect("a pattern"), text)?;
            let mut out = bytes::BytesMut::new();
            crate::value_text::timestamp(at, false, &mut out);
            Ok::<_, datafusion::error::DataFusionError>(String::from_utf8_lossy(&out).into_owned())
        };
        let ok = |text, pattern| read(text, pattern).expect(text);
        assert_eq!(ok("20240229", "YYYYMMDD"), "2024-02-29 00:00:00");
        assert_eq!(ok("29 Feb 24 01:02 PM", "DD Mon YY HH12:MI AM"), "2024-02-29 13:02:00");
        assert_eq!(ok("2024/2/3", "YYYY-MM-DD"), "2024-02-03 00:00:00");
        assert_eq!(ok("2024-060", "YYYY-DDD"), "2024-02-29 00:00:00");
        assert!(read("2024-02-30", "YYYY-MM-DD").is_err());
        assert!(read("x", "YYYY").is_err());
    }
}
