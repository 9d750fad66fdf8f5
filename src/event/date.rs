//! Calendar days as a field type.

use chrono::{Datelike, Days, NaiveDate};
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

use super::time_unit::{Unit, is_number, with_unit};
use diptych_base::error::{Error, Kind};

/// A calendar day: the number of days since 1970-01-01.
///
/// Shown and parsed as `2016-10-01`. The basic format of ISO 8601 (`20161001`) and a number of days
/// since 1970-01-01 with its unit (`17075 days`) are parsed as well; a day outside the years 0 to
/// 9999 is shown in the latter form. Serialised as text in human-readable formats, as an `i32`
/// otherwise.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i32);

const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("the first day of Unix time");

impl Date {
    /// The day `days` days after 1970-01-01.
    pub const fn from_days(days: i32) -> Self {
        Date(days)
    }

    /// Days since 1970-01-01.
    pub const fn days(self) -> i32 {
        self.0
    }

    /// The day `number` days after 1970-01-01, if it lies in the years 0 to 9999; a number outside
    /// of them is most likely not a number of days.
    pub fn counted(number: &str) -> Option<Self> {
        number.parse().ok().map(Date).filter(|day| day.calendar().is_some())
    }

    /// This day as a `chrono` date of the years 0 to 9999.
    fn calendar(self) -> Option<NaiveDate> {
        let distance = Days::new(u64::from(self.0.unsigned_abs()));
        let day = if self.0 < 0 {
            EPOCH.checked_sub_days(distance)
        } else {
            EPOCH.checked_add_days(distance)
        };
        day.filter(|day| (0..=9999).contains(&day.year()))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.calendar() {
            Some(day) => f.pad(&day.to_string()),
            None => write!(f, "{} days", self.0),
        }
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Date {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some((number, Unit::Days)) = with_unit(text)
            && let Ok(days) = number.parse()
        {
            return Ok(Date(days));
        }
        let day = match text.len() {
            10 if text.as_bytes()[4] == b'-' => text.parse::<NaiveDate>().ok(),
            8 if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                NaiveDate::parse_from_str(text, "%Y%m%d").ok()
            }
            _ => None,
        };
        day.and_then(|day| i32::try_from((day - EPOCH).num_days()).ok()).map(Date).ok_or_else(
            || {
                let why = if is_number(text) { ": a number needs its unit" } else { "" };
                Error::new(Kind::Input, format!("`{text}` is not a day{why}"))
                    .remedy("write 2016-10-01, 20161001, or 17075 days (since 1970-01-01)")
            },
        )
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i32(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            i32::deserialize(deserializer).map(Date)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!("1970-01-02".parse::<Date>().ok(), Some(Date(1)));
        assert_eq!(Date(-1).to_string(), "1969-12-31");
        assert_eq!("20161001".parse::<Date>().ok(), "2016-10-01".parse::<Date>().ok());
        assert_eq!("17075 days".parse::<Date>().ok(), "2016-10-01".parse::<Date>().ok());
        assert_eq!(Date(20_161_001).to_string(), "20161001 days", "no day in the year 57168");
        assert_eq!((Date::counted("17075"), Date::counted("20161001")), (Some(Date(17_075)), None));
        let wrong = ["", "2016-2-30", "2016-02-30", "2016/02/03", "20160203x", "17075", "20160230"];
        for text in wrong.into_iter().chain(["-1", "201601001", "+2016101", "1.5 days", "7 s"]) {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn shown_and_parsed_is_the_same(days: i32) {
            prop_assert_eq!(Date(days).to_string().parse::<Date>().ok(), Some(Date(days)));
        }
    }
}
