//! A list that only grows, while others read it: what is in it stays where it is.

use std::ops::Index;
use std::sync::{Mutex, PoisonError};

/// What is served: given at the start, and added to by deployments. A place, once taken, is never
/// given up, so that numbers and references of requests under way stay what they are.
///
/// It needs no bound of its own: of each name there is one, and names are those of the dataflows
/// that a binary has, and of the streams that they read.
pub struct Grown<T> {
    all: boxcar::Vec<T>,
    adding: Mutex<()>,
}

impl<T> Grown<T> {
    /// Begins with these.
    pub fn new(first: Vec<T>) -> Grown<T> {
        Grown { all: first.into_iter().collect(), adding: Mutex::new(()) }
    }

    /// All, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.all.iter().map(|(_, one)| one)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.count()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds one, unless there is one that is `same`.
    pub fn add(&self, one: T, same: impl Fn(&T) -> bool) {
        let _alone = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.iter().any(same) {
            self.all.push(one);
        }
    }
}

impl<T> Index<usize> for Grown<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.all[at]
    }
}

impl<'g, T: Send + Sync> IntoIterator for &'g Grown<T> {
    type Item = &'g T;
    type IntoIter = Box<dyn Iterator<Item = &'g T> + Send + 'g>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stay_what_they_are() {
        let grown = Grown::new(vec![1, 2]);
        let first = &grown[1];
        grown.add(3, |one| *one == 3);
        grown.add(3, |one| *one == 3);
        assert_eq!((grown.len(), *first, grown[2]), (3, 2, 3));
        assert_eq!((&grown).into_iter().copied().collect::<Vec<_>>(), [1, 2, 3]);
        // More deployments than any process has seen.
        for more in 4..3_000 {
            grown.add(more, |one| *one == more);
            assert_eq!((grown.len(), grown[more - 1], *first), (more, more, 2));
        }
        assert!(grown.iter().copied().eq(1..3_000));
    }

    #[test]
    fn of_each_there_is_one_whoever_adds_it() {
        let grown = Grown::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..500).for_each(|n| grown.add(n, |one| *one == n)));
            }
        });
        let mut all: Vec<_> = grown.iter().copied().collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..500));
    }
}
