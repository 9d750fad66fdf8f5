//! `HyperLogLog`: an estimate of the number of distinct values, in little space.

use serde::{Deserialize, Serialize};

use crate::Monoid;

/// An estimate of the number of distinct values: `HyperLogLog` with 2^`P` registers, a standard
/// error of 1.04 / sqrt(2^P): 1.6 % for 12, 0.8 % for 14. One event gives a [`hash`](super::hash).
///
/// After Flajolet, Fusy, Gandouet and Meunier, "`HyperLogLog`" (2007), with 64-bit hashes, which
/// need no correction for large numbers (Heule, Nunkesser and Hall, 2013). The estimate depends on
/// the registers alone, so it is the same for any order of the events. State: 3 bytes for each
/// register in use, up to the size of all registers, 2^P bytes.
///
/// ```
/// use diptych::prelude::*;
/// use diptych::folds::{HyperLogLog, hash};
/// let mut users = HyperLogLog::<12>::of(hash("ada"));
/// users.merge(HyperLogLog::of(hash("emmy")));
/// users.merge(HyperLogLog::of(hash("ada")));
/// assert_eq!(users.estimate(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HyperLogLog<const P: u8>(Registers);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Registers {
    /// The registers that are not zero, by number. Their count alone decides the form.
    Few(Vec<(u16, u8)>),
    All(Vec<u8>),
}

impl<const P: u8> HyperLogLog<P> {
    const SIZE: usize = {
        assert!(P >= 4 && P <= 16, "HyperLogLog<P> has 2^P registers, P from 4 to 16: write 12");
        1 << P
    };
    /// The number of registers in use that take as much space as all.
    const FEW: usize = Self::SIZE / 3;

    /// The estimated number of distinct values.
    pub fn estimate(&self) -> u64 {
        let size = Self::SIZE as f64;
        let (used, sum) = match &self.0 {
            Registers::Few(some) => (some.len(), power_sum(some.iter().map(|(_, rank)| *rank))),
            Registers::All(all) => {
                let used = all.iter().copied().filter(|rank| *rank > 0);
                (used.clone().count(), power_sum(used))
            }
        };
        let zero = Self::SIZE - used;
        let bias = match P {
            4 => 0.673,
            5 => 0.697,
            6 => 0.709,
            _ => 0.7213 / (1.0 + 1.079 / size),
        };
        let raw = bias * size * size / (sum + zero as f64);
        let estimate = if raw <= 2.5 * size && zero > 0 { linear(size, zero) } else { raw };
        estimate.round() as u64
    }

    fn settle(&mut self) {
        match &self.0 {
            Registers::Few(some) if some.len() > Self::FEW => {
                let mut all = vec![0; Self::SIZE];
                some.iter().for_each(|(at, rank)| all[usize::from(*at)] = *rank);
                self.0 = Registers::All(all);
            }
            _ => {}
        }
    }
}

/// The sum of 2^-rank; exact in any order, because the ranks are at most 61.
fn power_sum(ranks: impl Iterator<Item = u8>) -> f64 {
    let units: u128 = ranks.map(|rank| 1 << (64 - u32::from(rank))).sum();
    units as f64 / 2_f64.powi(64)
}

/// Linear counting, for small numbers. The logarithm is computed by a series here, so that the last
/// digit does not depend on a library of the system.
fn linear(size: f64, zero: usize) -> f64 {
    let x = size / zero as f64;
    // ln x = k ln 2 + ln m, with m within [1, 2): there the series of artanh converges quickly.
    let k = (x.to_bits() >> 52) as i32 - 1023;
    let m = x / 2_f64.powi(k);
    let t = (m - 1.0) / (m + 1.0);
    let series: f64 = (0..20).rev().fold(0.0, |sum, n| sum * t * t + 1.0 / f64::from(2 * n + 1));
    size * (f64::from(k) * std::f64::consts::LN_2 + 2.0 * t * series)
}

impl<const P: u8> Monoid for HyperLogLog<P> {
    type Item = u64;

    fn of(hash: u64) -> Self {
        let _ = Self::SIZE;
        let register = (hash >> (64 - P)) as u16;
        let rank = ((hash << P).leading_zeros().min(64 - u32::from(P)) + 1) as u8;
        HyperLogLog(Registers::Few(vec![(register, rank)]))
    }

    fn merge(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Registers::Few(some), Registers::Few(more)) => {
                for (at, rank) in more {
                    match some.binary_search_by_key(&at, |(at, _)| *at) {
                        Ok(place) => some[place].1 = some[place].1.max(rank),
                        Err(place) => some.insert(place, (at, rank)),
                    }
                }
            }
            (Registers::All(all), Registers::Few(more)) => {
                for (at, rank) in more {
                    let known = &mut all[usize::from(at)];
                    *known = (*known).max(rank);
                }
            }
            (Registers::All(all), Registers::All(more)) => {
                all.iter_mut().zip(more).for_each(|(known, rank)| *known = (*known).max(rank));
            }
            (few @ Registers::Few(_), mut all @ Registers::All(_)) => {
                std::mem::swap(few, &mut all);
                return self.merge(HyperLogLog(all));
            }
        }
        self.settle();
    }
}
