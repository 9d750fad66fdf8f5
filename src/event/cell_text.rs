//! The text of one value of an Arrow array.
//!
//! The text is the one that `arrow_cast::display` writes, which only SQL brings into a build (see
//! `widened_array`). Stored error rows contain such texts, so they must stay as they are; the test
//! compares both for every type that the log stores. Dictionaries, runs and unions are not stored.

use std::fmt::Display;

use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions::{
    as_datetime, date32_to_datetime, date64_to_datetime, duration_ns_to_duration,
    duration_us_to_duration, time32ms_to_time, time32s_to_time, time64ns_to_time, time64us_to_time,
    try_duration_ms_to_duration, try_duration_s_to_duration,
};
use arrow_array::timezone::Tz;
use arrow_array::types::{
    ArrowTimestampType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, DecimalType, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType,
    IntervalYearMonthType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrowPrimitiveType};
use arrow_schema::{ArrowError, DataType, IntervalUnit, TimeUnit};
use chrono::{SecondsFormat, TimeZone, Utc};

type Result<T> = std::result::Result<T, ArrowError>;

/// The text of the value of `array` at `row`; `null` for a null, also inside of lists and records.
///
/// A time that no calendar reaches is shown as an error in the place of its text.
///
/// # Errors
/// When the values of a type have no text: dictionaries, runs, unions, and instants in a time zone
/// that is not known.
///
/// # Panics
/// When the array has no such row.
pub fn cell_text(array: &dyn Array, row: usize, null: &str) -> Result<String> {
    let mut text = String::new();
    CellText { null, text: &mut text }.write(array, row)?;
    Ok(text)
}

struct CellText<'a> {
    null: &'a str,
    text: &'a mut String,
}

impl CellText<'_> {
    fn write(&mut self, array: &dyn Array, row: usize) -> Result<()> {
        if array.is_null(row) {
            self.text.push_str(self.null);
            return Ok(());
        }
        match array.data_type() {
            DataType::Int8 => self.number::<Int8Type>(array, row),
            DataType::Int16 => self.number::<Int16Type>(array, row),
            DataType::Int32 => self.number::<Int32Type>(array, row),
            DataType::Int64 => self.number::<Int64Type>(array, row),
            DataType::UInt8 => self.number::<UInt8Type>(array, row),
            DataType::UInt16 => self.number::<UInt16Type>(array, row),
            DataType::UInt32 => self.number::<UInt32Type>(array, row),
            DataType::UInt64 => self.number::<UInt64Type>(array, row),
            DataType::Float16 => self.number::<Float16Type>(array, row),
            DataType::Null => self.push(self.null),
            DataType::Boolean => self.push(array.as_boolean().value(row)),
            DataType::Float32 => self.float::<Float32Type>(array, row),
            DataType::Float64 => self.float::<Float64Type>(array, row),
            DataType::Decimal32(..) => self.decimal::<Decimal32Type>(array, row),
            DataType::Decimal64(..) => self.decimal::<Decimal64Type>(array, row),
            DataType::Decimal128(..) => self.decimal::<Decimal128Type>(array, row),
            DataType::Decimal256(..) => self.decimal::<Decimal256Type>(array, row),
            DataType::Utf8 => self.push(array.as_string::<i32>().value(row)),
            DataType::LargeUtf8 => self.push(array.as_string::<i64>().value(row)),
            DataType::Utf8View => self.push(array.as_string_view().value(row)),
            DataType::Binary => self.hex(array.as_binary::<i32>().value(row)),
            DataType::LargeBinary => self.hex(array.as_binary::<i64>().value(row)),
            DataType::BinaryView => self.hex(array.as_binary_view().value(row)),
            DataType::FixedSizeBinary(_) => self.hex(array.as_fixed_size_binary().value(row)),
            DataType::List(_) => self.list(array.as_list::<i32>().value(row).as_ref()),
            DataType::LargeList(_) => self.list(array.as_list::<i64>().value(row).as_ref()),
            DataType::ListView(_) => self.list(array.as_list_view::<i32>().value(row).as_ref()),
            DataType::LargeListView(_) => {
                self.list(array.as_list_view::<i64>().value(row).as_ref())
            }
            DataType::FixedSizeList(..) => {
                self.list(array.as_fixed_size_list().value(row).as_ref())
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns();
                let named = fields.iter().map(|field| field.name().as_str()).zip(columns);
                self.between('{', named, '}', |this, (name, column)| {
                    this.push(name)?;
                    this.push(": ")?;
                    this.write(column, row)
                })
            }
            DataType::Map(..) => {
                let entries = array.as_map().value(row);
                self.between('{', 0..entries.len(), '}', |this, entry| {
                    this.write(entries.column(0), entry)?;
                    this.push(": ")?;
                    this.write(entries.column(1), entry)
                })
            }
            _ => self.time(array, row),
        }
    }

    /// Dates, times, instants and lengths of time.
    fn time(&mut self, array: &dyn Array, row: usize) -> Result<()> {
        macro_rules! debug {
            ($ty:ty, $of:expr) => {{
                let value = array.as_primitive::<$ty>().value(row);
                match $of(value) {
                    Some(time) => self.push(format_args!("{time:?}")),
                    None => self.out_of_range(value, "temporal", array),
                }
            }};
        }
        match array.data_type() {
            DataType::Date32 => debug!(Date32Type, |days| Some(date32_to_datetime(days)?.date())),
            DataType::Date64 => debug!(Date64Type, date64_to_datetime),
            DataType::Time32(TimeUnit::Second) => debug!(Time32SecondType, time32s_to_time),
            DataType::Time32(_) => debug!(Time32MillisecondType, time32ms_to_time),
            DataType::Time64(TimeUnit::Microsecond) => {
                debug!(Time64MicrosecondType, time64us_to_time)
            }
            DataType::Time64(_) => debug!(Time64NanosecondType, time64ns_to_time),
            DataType::Timestamp(unit, zone) => {
                let zone = zone.as_deref().map(str::parse::<Tz>).transpose()?;
                match unit {
                    TimeUnit::Second => self.instant::<TimestampSecondType>(array, row, zone),
                    TimeUnit::Millisecond => {
                        self.instant::<TimestampMillisecondType>(array, row, zone)
                    }
                    TimeUnit::Microsecond => {
                        self.instant::<TimestampMicrosecondType>(array, row, zone)
                    }
                    TimeUnit::Nanosecond => {
                        self.instant::<TimestampNanosecondType>(array, row, zone)
                    }
                }
            }
            DataType::Duration(unit) => {
                let length = match unit {
                    TimeUnit::Second => {
                        try_duration_s_to_duration(number::<DurationSecondType>(array, row))
                    }
                    TimeUnit::Millisecond => {
                        try_duration_ms_to_duration(number::<DurationMillisecondType>(array, row))
                    }
                    TimeUnit::Microsecond => {
                        let micros = number::<DurationMicrosecondType>(array, row);
                        Some(duration_us_to_duration(micros))
                    }
                    TimeUnit::Nanosecond => {
                        let nanos = number::<DurationNanosecondType>(array, row);
                        Some(duration_ns_to_duration(nanos))
                    }
                };
                match length {
                    Some(length) => self.push(length),
                    None => self.push("<invalid>"),
                }
            }
            DataType::Interval(unit) => self.interval(*unit, array, row),
            other => {
                let message = format!("values of type {other} have no text here");
                Err(ArrowError::NotYetImplemented(message))
            }
        }
    }

    fn instant<T: ArrowTimestampType>(
        &mut self,
        array: &dyn Array,
        row: usize,
        zone: Option<Tz>,
    ) -> Result<()> {
        let value = number::<T>(array, row);
        match (as_datetime::<T>(value), zone) {
            (Some(time), None) => self.push(format_args!("{time:?}")),
            (Some(time), Some(zone)) => {
                let time = Utc.from_utc_datetime(&time).with_timezone(&zone);
                self.push(time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
            }
            (None, _) => self.out_of_range(value, "datetime", array),
        }
    }

    fn interval(&mut self, unit: IntervalUnit, array: &dyn Array, row: usize) -> Result<()> {
        match unit {
            IntervalUnit::YearMonth => {
                let months = array.as_primitive::<IntervalYearMonthType>().value(row);
                let years = months.div_euclid(12);
                let rest = months.rem_euclid(12);
                self.push(format_args!("{years} years {rest} mons"))
            }
            IntervalUnit::DayTime => {
                let value = array.as_primitive::<IntervalDayTimeType>().value(row);
                let clock = Clock { parts: value.milliseconds.into(), a_second: 1_000, digits: 3 };
                self.parts(&[(value.days, "days")], &clock)
            }
            IntervalUnit::MonthDayNano => {
                let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
                let clock = Clock { parts: value.nanoseconds, a_second: 1_000_000_000, digits: 9 };
                self.parts(&[(value.months, "mons"), (value.days, "days")], &clock)
            }
        }
    }

    fn parts(&mut self, dates: &[(i32, &str)], clock: &Clock) -> Result<()> {
        let dates = dates.iter().filter(|(count, _)| *count != 0);
        let mut parts: Vec<_> = dates.map(|(count, unit)| format!("{count} {unit}")).collect();
        parts.extend(clock.texts());
        if parts.is_empty() {
            return self.push("0 secs");
        }
        self.push(parts.join(" "))
    }

    fn number<T: ArrowPrimitiveType<Native: Display>>(
        &mut self,
        array: &dyn Array,
        row: usize,
    ) -> Result<()> {
        self.push(number::<T>(array, row))
    }

    fn float<T: ArrowPrimitiveType<Native: ryu::Float>>(
        &mut self,
        array: &dyn Array,
        row: usize,
    ) -> Result<()> {
        self.push(ryu::Buffer::new().format(number::<T>(array, row)))
    }

    fn decimal<T: DecimalType>(&mut self, array: &dyn Array, row: usize) -> Result<()> {
        self.push(array.as_primitive::<T>().value_as_string(row))
    }

    fn hex(&mut self, bytes: &[u8]) -> Result<()> {
        bytes.iter().try_for_each(|byte| self.push(format_args!("{byte:02x}")))
    }

    fn list(&mut self, items: &dyn Array) -> Result<()> {
        self.between('[', 0..items.len(), ']', |this, item| this.write(items, item))
    }

    fn between<I>(
        &mut self,
        open: char,
        items: impl Iterator<Item = I>,
        close: char,
        mut write: impl FnMut(&mut Self, I) -> Result<()>,
    ) -> Result<()> {
        self.text.push(open);
        for (at, item) in items.enumerate() {
            if at > 0 {
                self.text.push_str(", ");
            }
            write(self, item)?;
        }
        self.text.push(close);
        Ok(())
    }

    fn out_of_range(&mut self, value: impl Display, what: &str, array: &dyn Array) -> Result<()> {
        let kind = array.data_type();
        let error = format!("Failed to convert {value} to {what} for {kind}");
        let error = ArrowError::CastError(error);
        self.push(format_args!("ERROR: {error}"))
    }

    #[expect(clippy::unnecessary_wraps, reason = "each value is written by a call of one type")]
    fn push(&mut self, value: impl Display) -> Result<()> {
        use std::fmt::Write as _;
        // Writing into a text cannot fail.
        let _ = write!(self.text, "{value}");
        Ok(())
    }
}

fn number<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> T::Native {
    array.as_primitive::<T>().value(row)
}

/// The part of an interval that is less than a day, or as long as you like.
struct Clock {
    parts: i64,
    a_second: i64,
    /// The digits behind the point of a second.
    digits: usize,
}

impl Clock {
    fn texts(&self) -> Vec<String> {
        let all = self.parts / self.a_second;
        let hours = all / 3_600;
        let minutes = all / 60 % 60;
        let seconds = all % 60;
        let fraction = self.parts % self.a_second;
        let mut texts = Vec::new();
        if hours != 0 {
            texts.push(format!("{hours} hours"));
        }
        if minutes != 0 {
            texts.push(format!("{minutes} mins"));
        }
        if seconds != 0 || fraction != 0 {
            let sign = if self.parts < 0 { "-" } else { "" };
            let seconds = seconds.abs();
            let fraction = fraction.abs();
            texts.push(format!("{sign}{seconds}.{fraction:0digits$} secs", digits = self.digits));
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        ArrayRef, BinaryArray, Date32Array, Decimal128Array, Float64Array, ListArray, StringArray,
        TimestampMicrosecondArray, TimestampSecondArray,
    };

    use super::*;

    /// Stored error rows contain these texts.
    #[test]
    fn texts_stay_as_they_are() {
        let numbers = Float64Array::from(vec![0.1, 1e300, 1e15, 1e16, -0.0, f64::NAN]);
        let units = Decimal128Array::from(vec![-5, 12_345]).with_precision_and_scale(9, 2);
        let instants = TimestampMicrosecondArray::from(vec![0, 1_500_000, -1]).with_timezone_utc();
        let lists = [Some(vec![Some(1), None]), None, Some(vec![])];
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
        let cases: [(ArrayRef, &[&str]); 8] = [
            (Arc::new(numbers), &["0.1", "1e300", "1000000000000000.0", "1e16", "-0.0", "NaN"]),
            (Arc::new(units.expect("decimals")), &["-0.05", "123.45"]),
            (Arc::new(Date32Array::from(vec![0, -1])), &["1970-01-01", "1969-12-31"]),
            (Arc::new(TimestampSecondArray::from(vec![0])), &["1970-01-01T00:00:00"]),
            (
                Arc::new(instants),
                &[
                    "1970-01-01T00:00:00Z",
                    "1970-01-01T00:00:01.500Z",
                    "1969-12-31T23:59:59.999999Z",
                ],
            ),
            (Arc::new(StringArray::from(vec![Some("a, b"), None])), &["a, b", ""]),
            (Arc::new(BinaryArray::from(vec![&b"\0\xff"[..]])), &["00ff"]),
            (Arc::new(lists), &["[1, ]", "", "[]"]),
        ];
        for (array, texts) in cases {
            for (row, text) in texts.iter().enumerate() {
                assert_eq!(cell_text(&array, row, "").expect("a text"), *text);
            }
        }
    }

    #[test]
    fn a_zone_that_is_not_known_is_an_error() {
        let array = TimestampSecondArray::from(vec![0]).with_timezone("Nowhere/Land");
        assert!(cell_text(&array, 0, "").is_err());
    }
}
