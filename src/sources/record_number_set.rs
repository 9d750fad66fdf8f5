//! Sets of record numbers, as ranges in a compact text that fits a label.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use diptych_base::limits::KNOWN_POSITIONS_MAX;

/// The numbers of some records of a file, ascending; or too many to remember.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Positions {
    /// The first number of each range, and the first after it.
    ranges: Vec<(u64, u64)>,
    unknown: bool,
}

impl Positions {
    /// A non-empty set whose numbers are not known.
    pub(super) fn unknown() -> Self {
        Positions { ranges: Vec::new(), unknown: true }
    }

    /// Adds a number greater than all others.
    pub(super) fn push(&mut self, record: u64) {
        let full = self.ranges.len() >= KNOWN_POSITIONS_MAX;
        match self.ranges.last_mut() {
            _ if self.unknown => {}
            Some((_, end)) if *end == record => *end += 1,
            _ if full => *self = Positions::unknown(),
            _ => self.ranges.push((record, record + 1)),
        }
    }

    /// Whether the set is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty() && !self.unknown
    }

    /// Whether all numbers are known.
    pub(super) fn are_known(&self) -> bool {
        !self.unknown
    }

    /// The number of known numbers.
    pub(super) fn len(&self) -> u64 {
        self.ranges.iter().map(|(start, end)| end - start).sum()
    }

    pub(super) fn contains(&self, record: u64) -> bool {
        self.any_between(record, record + 1)
    }

    /// Whether the set has a number from `first` up to `end` (exclusive).
    pub(super) fn any_between(&self, first: u64, end: u64) -> bool {
        let at = self.ranges.partition_point(|(_, behind)| *behind <= first);
        self.ranges.get(at).is_some_and(|(start, _)| *start < end)
    }

    /// The numbers that are not in `others`; none where that is not known.
    pub(super) fn without(&self, others: &Positions) -> Positions {
        let mut left = Positions::default();
        if !self.unknown && !others.unknown {
            let all = self.ranges.iter().flat_map(|(start, end)| *start..*end);
            all.filter(|record| !others.contains(*record)).for_each(|record| left.push(record));
        }
        left
    }
}

/// Shows ranges as `3,7-9`: records 3, 7 and 8.
impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.unknown {
            return f.write_str("?");
        }
        for (index, (start, end)) in self.ranges.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match end - start {
                1 => write!(f, "{comma}{start}")?,
                _ => write!(f, "{comma}{start}-{end}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Positions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} are no numbers of records");
        if text == "?" {
            return Ok(Positions::unknown());
        }
        let mut ranges = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
            let (start, end) = match part.split_once('-') {
                Some((start, end)) => (number(start)?, number(end)?),
                None => (number(part)?, number(part)?.checked_add(1).ok_or_else(wrong)?),
            };
            let before = ranges.last().map_or(0, |(_, end)| *end);
            if start < before || end <= start {
                return Err(wrong());
            }
            ranges.push((start, end));
        }
        Ok(Positions { ranges, unknown: false })
    }
}

impl Serialize for Positions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Positions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_written() {
        let mut all = Positions::default();
        [3, 7, 8, 10].into_iter().for_each(|record| all.push(record));
        assert_eq!(all.to_string(), "3,7-9,10");
        assert_eq!("3,7-9,10".parse(), Ok(all.clone()));
        assert_eq!((all.len(), all.contains(8), all.contains(9)), (4, true, false));
        assert!(all.any_between(4, 8) && !all.any_between(4, 7) && !all.any_between(11, 99));
        let others = "7,10".parse().expect("positions");
        assert_eq!(all.without(&others).to_string(), "3,8");
        for wrong in ["7,3", "x", "3-3", "1-2-3", "18446744073709551615"] {
            assert!(wrong.parse::<Positions>().is_err(), "{wrong}");
        }
        (0..).step_by(2).take(KNOWN_POSITIONS_MAX + 1).for_each(|more| all.push(20 + more));
        assert_eq!((all.to_string().as_str(), all.is_empty(), all.len()), ("?", false, 0));
        assert_eq!("?".parse(), Ok(all));
    }
}
