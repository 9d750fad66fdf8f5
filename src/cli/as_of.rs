//! The option `--as-of`: an epoch, or a time in the log's history.

use std::str::FromStr;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::{At, Epoch};
use diptych_event::Timestamp;
use diptych_log::Reader;

/// The epoch that an answer is to be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AsOf {
    Epoch(At),
    /// The last epoch at this time, in microseconds since 1970.
    Time(i64),
}

impl FromStr for AsOf {
    type Err = String;

    fn from_str(text: &str) -> Result<AsOf, String> {
        // A number is an epoch, not microseconds.
        if let Ok(epoch) = text.parse() {
            return Ok(AsOf::Epoch(epoch));
        }
        let digits = text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<Timestamp>() {
            Ok(at) if !digits => Ok(AsOf::Time(at.micros())),
            _ => Err("give an epoch, or a time as 2016-10-01T09:26:31Z".to_owned()),
        }
    }
}

impl AsOf {
    /// Resolves the epoch; the log may not have it.
    pub(super) fn epoch(self, reader: &Reader) -> Result<Epoch> {
        match self {
            AsOf::Epoch(at) => reader.branches().check(at).map(|()| at.epoch),
            AsOf::Time(at) => {
                let found = reader.at_time(at, Epoch::MAX)?;
                let Some(epoch) = found.epoch else {
                    return Err(Error::new(Kind::Missing, "no epoch is as old as that time")
                        .remedy("ask for a later time, or for an epoch by its number"));
                };
                if let Some(warning) = found.warning() {
                    eprintln!("warning: {warning}");
                }
                Ok(epoch)
            }
        }
    }

    /// The value in the form in which a server takes it.
    pub(super) fn to_text(self) -> String {
        match self {
            AsOf::Epoch(at) => at.to_string(),
            AsOf::Time(at) => Timestamp::from_micros(at).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_an_epoch_and_a_time_a_time() {
        assert_eq!("7".parse(), Ok(AsOf::Epoch(7.into())));
        let at = "7~00000000000000ff";
        assert_eq!(at.parse::<AsOf>().map(AsOf::to_text), Ok(at.to_owned()));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(AsOf::Time(1_000_000)));
        for wrong in ["-7", "x", "", "1e3", "7~", "7~ff"] {
            assert!(wrong.parse::<AsOf>().is_err(), "{wrong}");
        }
        let text = AsOf::Time(1_475_314_014_000_001).to_text();
        assert_eq!(text.parse(), Ok(AsOf::Time(1_475_314_014_000_001)));
    }
}
