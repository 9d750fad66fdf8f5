//! Parts of dates, times and intervals: `extract`, `date_trunc`, `age` and `justify`.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;

use super::calendar::{CalendarSpan, DAY, HOUR, SECOND, civil, days_of, month_length};
use super::cast::text_of;
use super::failure::{Outcome, beyond_calendar, failure};
use super::last_made::LastMade;
use super::numeric::{self, Numeric};
use super::own_scale::OWN_SCALES;
use super::time_arithmetic::{moments, span, spans, times};
use super::type_name::{Group, group, name};

/// A part of a date, a time or an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimePart {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    Dow,
    Isodow,
    Doy,
    Isoyear,
    Epoch,
    Julian,
    Timezone,
}

impl TimePart {
    pub(super) fn named(word: &str) -> Outcome<TimePart> {
        Ok(match word.trim().to_ascii_lowercase().as_str() {
            "microseconds" | "microsecond" | "us" | "usec" | "usecs" | "usecond" | "useconds" => {
                TimePart::Microseconds
            }
            "milliseconds" | "millisecond" | "ms" | "msec" | "msecs" => TimePart::Milliseconds,
            "second" | "seconds" | "s" | "sec" | "secs" => TimePart::Second,
            "minute" | "minutes" | "m" | "min" | "mins" => TimePart::Minute,
            "hour" | "hours" | "h" | "hr" | "hrs" => TimePart::Hour,
            "day" | "days" | "d" => TimePart::Day,
            "week" | "weeks" | "w" => TimePart::Week,
            "month" | "months" | "mon" | "mons" => TimePart::Month,
            "quarter" | "qtr" => TimePart::Quarter,
            "year" | "years" | "y" | "yr" | "yrs" => TimePart::Year,
            "decade" | "decades" | "dec" | "decs" => TimePart::Decade,
            "century" | "centuries" | "c" | "cent" => TimePart::Century,
            "millennium" | "millennia" | "mil" | "mils" => TimePart::Millennium,
            "dow" => TimePart::Dow,
            "isodow" => TimePart::Isodow,
            "doy" => TimePart::Doy,
            "isoyear" => TimePart::Isoyear,
            "epoch" => TimePart::Epoch,
            "julian" => TimePart::Julian,
            "timezone" | "timezone_hour" | "timezone_minute" => TimePart::Timezone,
            _ => return Err(failure("22023", format!("unit \"{word}\" not recognized"))),
        })
    }

    /// The digits after the point that this part of a type has.
    fn scale(self, of: Group) -> i8 {
        match self {
            TimePart::Second => 6,
            TimePart::Epoch if of != Group::Date => 6,
            TimePart::Milliseconds => 3,
            _ => 0,
        }
    }
}

/// The type of `extract`: numeric with the digits of the part.
pub(super) fn extract_type(
    types: &[DataType],
    literals: &[Option<&ScalarValue>],
) -> Outcome<DataType> {
    let unit = literals.first().copied().flatten().and_then(text_of);
    let Some(unit) = unit else { return Ok(OWN_SCALES) };
    let unit = TimePart::named(unit)?;
    if unit == TimePart::Julian && group(&types[1]) != Group::Date {
        return Ok(OWN_SCALES);
    }
    Ok(DataType::Decimal128(38, unit.scale(group(&types[1]))))
}

/// The part that the first argument names of the second.
pub(super) fn extract(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    let units = args[0].as_string::<i32>();
    let of = group(args[1].data_type());
    let unsupported = |unit: &str| {
        let message =
            format!("unit \"{unit}\" not supported for type {}", name(args[1].data_type()));
        failure("0A000", message)
    };
    let part: Box<dyn Fn(TimePart, usize) -> Option<Outcome<Numeric>>> = match of {
        Group::Interval => {
            let values = spans(&args[1])?;
            Box::new(move |unit, row| span_part(unit, span(values.value(row))).map(Ok))
        }
        Group::Time => {
            let values = times(&args[1])?;
            Box::new(move |unit, row| clock_part(unit, values.value(row), true).map(Ok))
        }
        _ => {
            let values = moments(&args[1])?;
            Box::new(move |unit, row| moment_part(unit, values.value(row), of))
        }
    };
    let mut last = LastMade::default();
    let rows = (0..args[0].len()).map(|row| {
        if units.is_null(row) || args[1].is_null(row) {
            return Ok(None);
        }
        let unit = units.value(row);
        part(*last.of(unit, TimePart::named)?, row).ok_or_else(|| unsupported(unit))?.map(Some)
    });
    numeric::column(rows, to)
}

fn whole(value: i64) -> Numeric {
    Numeric::of_i128(value.into())
}

/// `micros / 10^scale`.
fn scaled(micros: i128, scale: i32) -> Numeric {
    Numeric { scale, ..Numeric::of_i128(micros) }
}

/// Parts of a time of day or of the time of an interval.
fn clock_part(unit: TimePart, micros: i64, has_epoch: bool) -> Option<Numeric> {
    Some(match unit {
        TimePart::Microseconds => whole(micros % (60 * SECOND)),
        TimePart::Milliseconds => scaled((micros % (60 * SECOND)).into(), 3),
        TimePart::Second => scaled((micros % (60 * SECOND)).into(), 6),
        TimePart::Minute => whole(micros / (60 * SECOND) % 60),
        TimePart::Hour => whole(micros / HOUR),
        TimePart::Epoch if has_epoch => scaled(micros.into(), 6),
        _ => return None,
    })
}

fn span_part(unit: TimePart, span: CalendarSpan) -> Option<Numeric> {
    let years = i64::from(span.months / 12);
    let months = i64::from(span.months % 12);
    Some(match unit {
        TimePart::Day => whole(span.days.into()),
        TimePart::Month => whole(months),
        TimePart::Quarter => whole(months / 3 + 1),
        TimePart::Year => whole(years),
        TimePart::Decade => whole(years / 10),
        TimePart::Century => whole(years / 100),
        TimePart::Millennium => whole(years / 1_000),
        TimePart::Epoch => {
            // A year has 365.25 days here.
            let days = i128::from(years) * 1_461 * i128::from(DAY) / 4;
            let rest = i128::from(months) * 30 + i128::from(span.days);
            scaled(days + rest * i128::from(DAY) + i128::from(span.micros), 6)
        }
        unit => return clock_part(unit, span.micros, false),
    })
}

/// A year as it is called: the year before 1 is -1.
fn called(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}

fn moment_part(unit: TimePart, at: i64, of: Group) -> Option<Outcome<Numeric>> {
    if at == i64::MAX || at == i64::MIN {
        let what = "a part of infinity";
        return Some(Err(super::failure::refused(what, "leave it out with isfinite(x)")));
    }
    let days = at.div_euclid(DAY);
    let micros = at.rem_euclid(DAY);
    let (year, month, day) = civil(days);
    Some(Ok(match unit {
        TimePart::Day => whole(day),
        TimePart::Month => whole(month),
        TimePart::Quarter => whole((month + 2) / 3),
        TimePart::Year => whole(called(year)),
        TimePart::Decade => whole(year.div_euclid(10)),
        TimePart::Century if year > 0 => whole((year + 99) / 100),
        TimePart::Century => whole(-((99 - called(year)) / 100)),
        TimePart::Millennium if year > 0 => whole((year + 999) / 1_000),
        TimePart::Millennium => whole(-((999 - called(year)) / 1_000)),
        TimePart::Dow => whole((days + 4).rem_euclid(7)),
        TimePart::Isodow => whole((days + 3).rem_euclid(7) + 1),
        TimePart::Doy => whole(days - days_of(year, 1, 1) + 1),
        TimePart::Week => whole(iso_week(days).1),
        TimePart::Isoyear => whole(called(iso_week(days).0)),
        TimePart::Julian if of == Group::Date => whole(days + 2_440_588),
        TimePart::Julian => {
            // The digits are those of the quotient alone.
            let part = whole(micros).over(whole(DAY));
            return Some(part.and_then(|part| part.plus(whole(days + 2_440_588))));
        }
        TimePart::Epoch if of == Group::Date => whole(days * 86_400),
        TimePart::Epoch => scaled(at.into(), 6),
        TimePart::Timezone if of == Group::Timestamptz => whole(0),
        unit if of != Group::Date => return clock_part(unit, micros, false).map(Ok),
        _ => return None,
    }))
}

/// The year and the number of the week of a day, by ISO 8601.
pub(super) fn iso_week(days: i64) -> (i64, i64) {
    // The year of a week is that of its Thursday.
    let thursday = days - (days + 3).rem_euclid(7) + 3;
    let (year, _, _) = civil(thursday);
    (year, (thursday - days_of(year, 1, 1)) / 7 + 1)
}

/// The beginning of the part in which a moment is.
pub(super) fn truncated(unit: TimePart, at: i64) -> Outcome<i64> {
    if at == i64::MAX || at == i64::MIN {
        return Ok(at);
    }
    let down = |length: i64| at - at.rem_euclid(length);
    let (year, month, _) = civil(at.div_euclid(DAY));
    let first = |year: i64, month: i64| days_of(year, month, 1).checked_mul(DAY);
    // Centuries begin with years that end in 01.
    let era = |length: i64| (year - 1).div_euclid(length) * length + 1;
    let begin = match unit {
        TimePart::Microseconds => Some(at),
        TimePart::Milliseconds => Some(down(1_000)),
        TimePart::Second => Some(down(SECOND)),
        TimePart::Minute => Some(down(60 * SECOND)),
        TimePart::Hour => Some(down(HOUR)),
        TimePart::Day => Some(down(DAY)),
        TimePart::Week => {
            let days = at.div_euclid(DAY);
            Some((days - (days + 3).rem_euclid(7)) * DAY)
        }
        TimePart::Month => first(year, month),
        TimePart::Quarter => first(year, (month - 1) / 3 * 3 + 1),
        TimePart::Year => first(year, 1),
        TimePart::Decade => first(year.div_euclid(10) * 10, 1),
        TimePart::Century => first(era(100), 1),
        TimePart::Millennium => first(era(1_000), 1),
        other => {
            let message = format!("unit \"{other:?}\" not supported for date_trunc");
            return Err(failure("0A000", message.to_lowercase()));
        }
    };
    begin.ok_or_else(|| beyond_calendar("timestamp"))
}

pub(super) fn truncated_span(unit: TimePart, span: CalendarSpan) -> Outcome<CalendarSpan> {
    let months = |length: i32| CalendarSpan {
        months: span.months / length * length,
        ..CalendarSpan::default()
    };
    let micros = |length: i64| CalendarSpan { micros: span.micros / length * length, ..span };
    Ok(match unit {
        TimePart::Millennium => months(12_000),
        TimePart::Century => months(1_200),
        TimePart::Decade => months(120),
        TimePart::Year => months(12),
        TimePart::Quarter => months(3),
        TimePart::Month => months(1),
        TimePart::Day => CalendarSpan { micros: 0, ..span },
        TimePart::Hour => micros(HOUR),
        TimePart::Minute => micros(60 * SECOND),
        TimePart::Second => micros(SECOND),
        TimePart::Milliseconds => micros(1_000),
        TimePart::Microseconds => span,
        _ => {
            let message = "unit not supported for type interval (months have no whole weeks)";
            return Err(failure("0A000", message));
        }
    })
}

/// Years, months, days and time from `start` to `end`.
pub(super) fn age(end: i64, start: i64) -> Outcome<CalendarSpan> {
    if [end, start].iter().any(|at| *at == i64::MAX || *at == i64::MIN) {
        return Err(beyond_calendar("interval"));
    }
    if end < start {
        return age(start, end)?.negated();
    }
    let end_day = end.div_euclid(DAY);
    let start_day = start.div_euclid(DAY);
    let (year, month, day) = civil(end_day);
    let (start_year, start_month, start_of_month) = civil(start_day);
    let mut micros = end.rem_euclid(DAY) - start.rem_euclid(DAY);
    let mut days = day - start_of_month;
    let mut months = (year - start_year) * 12 + month - start_month;
    if micros < 0 {
        micros += DAY;
        days -= 1;
    }
    if days < 0 {
        // The days of the earlier month are lent.
        days += month_length(start_year, start_month);
        months -= 1;
    }
    let beyond = || beyond_calendar("interval");
    let months = i32::try_from(months).map_err(|_| beyond())?;
    Ok(CalendarSpan { months, days: i32::try_from(days).map_err(|_| beyond())?, micros })
}

/// Whole days of hours, and whole months of days.
pub(super) fn justified(span: CalendarSpan, days: bool, hours: bool) -> Outcome<CalendarSpan> {
    let beyond = || beyond_calendar("interval");
    let mut result = span;
    if hours {
        let whole = i32::try_from(result.micros / DAY).map_err(|_| beyond())?;
        result.days = result.days.checked_add(whole).ok_or_else(beyond)?;
        result.micros %= DAY;
    }
    if days {
        result.months = result.months.checked_add(result.days / 30).ok_or_else(beyond)?;
        result.days %= 30;
    }
    if days
        && result.months > 0
        && (result.days < 0 || (result.days == 0 && result.micros < 0 && hours))
    {
        result.days += 30;
        result.months -= 1;
    } else if days
        && result.months < 0
        && (result.days > 0 || (result.days == 0 && result.micros > 0 && hours))
    {
        result.days -= 30;
        result.months += 1;
    }
    if hours && result.days > 0 && result.micros < 0 {
        result.micros += DAY;
        result.days -= 1;
    } else if hours && result.days < 0 && result.micros > 0 {
        result.micros -= DAY;
        result.days += 1;
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value_text;

    fn at(text: &str) -> i64 {
        super::super::time_text::timestamp(text).expect(text)
    }

    fn shown(span: CalendarSpan) -> String {
        let mut out = bytes::BytesMut::new();
        value_text::interval(span.months, span.days, span.micros, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn ages_are_those_of_postgres() {
        let of = |end, start| shown(age(at(end), at(start)).expect("in range"));
        assert_eq!(of("2024-03-01", "2024-01-31"), "1 mon 1 day");
        assert_eq!(of("2024-01-31", "2024-03-01"), "-1 mons -1 days");
        assert_eq!(of("2024-03-01 01:00", "2023-02-28 02:00"), "1 year 23:00:00");
        let span = CalendarSpan { months: 1, days: -1, micros: 25 * HOUR };
        assert_eq!(shown(justified(span, true, true).expect("in range")), "1 mon 01:00:00");
    }

    #[test]
    fn parts_begin_where_postgres_begins_them() {
        let begin = |unit: &str, text: &str| {
            let unit = TimePart::named(unit).expect("a unit");
            let mut out = bytes::BytesMut::new();
            value_text::timestamp(truncated(unit, at(text)).expect("in range"), false, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!(begin("month", "9999-12-31"), "9999-12-01 00:00:00");
        assert_eq!(begin("week", "2024-01-01 10:00"), "2024-01-01 00:00:00");
        assert_eq!(begin("century", "2000-05-05"), "1901-01-01 00:00:00");
        assert_eq!(begin("quarter", "2024-05-05"), "2024-04-01 00:00:00");
        let part = |unit: &str, text: &str| {
            let unit = TimePart::named(unit).expect("a unit");
            let part = moment_part(unit, at(text), Group::Timestamp).expect("known");
            part.expect("finite").text()
        };
        assert_eq!(part("second", "2024-02-29 10:00:00.5"), "0.500000");
        assert_eq!(part("week", "2021-01-03"), "53");
        assert_eq!(part("isoyear", "2021-01-03"), "2020");
        assert_eq!(part("dow", "2024-02-29"), "4");
    }
}
