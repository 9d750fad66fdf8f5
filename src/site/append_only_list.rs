//! An append-only list that grows while others read it; no element moves.

use std::ops::Index;
use std::sync::Mutex;

use diptych_base::lock_mutex::lock;

/// A list of what is served: filled at the start, extended by deployments. An element keeps its
/// position for good, so that numbers and references in requests under way stay valid.
///
/// The list needs no bound of its own: each name occurs once, and the names are those of the
/// binary's dataflows and of the streams that they read.
pub struct AppendOnly<T> {
    all: boxcar::Vec<T>,
    adding: Mutex<()>,
}

impl<T> AppendOnly<T> {
    /// A list with these elements.
    pub fn new(first: Vec<T>) -> AppendOnly<T> {
        AppendOnly { all: first.into_iter().collect(), adding: Mutex::new(()) }
    }

    /// All elements, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.all.iter().map(|(_, one)| one)
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.all.count()
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Appends `one`, unless an element is `same` already.
    pub fn add(&self, one: T, same: impl Fn(&T) -> bool) {
        let _alone = lock(&self.adding);
        if !self.iter().any(same) {
            self.all.push(one);
        }
    }
}

impl<T> Index<usize> for AppendOnly<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.all[at]
    }
}

impl<'g, T: Send + Sync> IntoIterator for &'g AppendOnly<T> {
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
        let grown = AppendOnly::new(vec![1, 2]);
        let first = &grown[1];
        grown.add(3, |one| *one == 3);
        grown.add(3, |one| *one == 3);
        assert_eq!((grown.len(), *first, grown[2]), (3, 2, 3));
        assert_eq!((&grown).into_iter().copied().collect::<Vec<_>>(), [1, 2, 3]);
        // More deployments than any process will see.
        for more in 4..3_000 {
            grown.add(more, |one| *one == more);
            assert_eq!((grown.len(), grown[more - 1], *first), (more, more, 2));
        }
        assert!(grown.iter().copied().eq(1..3_000));
    }

    #[test]
    fn of_each_there_is_one_whoever_adds_it() {
        let grown = AppendOnly::new(Vec::new());
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
