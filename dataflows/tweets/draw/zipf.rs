//! Random ranks after Zipf's law: few are common, many are rare.

use diptych::io::Random;

/// A distribution of ranks from 0; the probability of a rank falls with its number.
pub(super) struct Zipf(Vec<f64>);

impl Zipf {
    pub(super) fn new(ranks: usize) -> Self {
        let mut sum = 0.0;
        let weights = (1..=ranks).map(|rank| 1.0 / rank as f64);
        Zipf(
            weights
                .map(|weight| {
                    sum += weight;
                    sum
                })
                .collect(),
        )
    }

    pub(super) fn draw(&self, random: &dyn Random) -> usize {
        let total = self.0.last().copied().unwrap_or(0.0);
        let point = (random.next() >> 11) as f64 / (1_u64 << 53) as f64 * total;
        self.0.partition_point(|sum| *sum <= point).min(self.0.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use diptych::io::SimRandom;

    use super::*;

    #[test]
    fn low_ranks_are_frequent() {
        let (zipf, random) = (Zipf::new(1000), SimRandom::new(1));
        let drawn: Vec<_> = (0..10_000).map(|_| zipf.draw(&random)).collect();
        let count = |rank| drawn.iter().filter(|drawn| **drawn == rank).count();
        assert!(count(0) > 1_000 && count(0) > 5 * count(20), "{} {}", count(0), count(20));
        assert!(drawn.iter().all(|rank| *rank < 1000));
    }
}
