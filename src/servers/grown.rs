//! A list that only grows, while others read it: what is in it stays where it is.

use std::ops::Index;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Places for what is added after the start.
const ROOM: usize = 256;

/// What is served: given at the start, and added to by deployments. A place, once taken, is never
/// given up, so that numbers and references of requests under way stay what they are.
pub struct Grown<T> {
    first: Vec<T>,
    later: Vec<OnceLock<T>>,
    adding: Mutex<()>,
}

impl<T> Grown<T> {
    /// Begins with these.
    pub(super) fn new(first: Vec<T>) -> Grown<T> {
        let later = (0..ROOM).map(|_| OnceLock::new()).collect();
        Grown { first, later, adding: Mutex::new(()) }
    }

    /// All, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.first.iter().chain(self.later.iter().map_while(OnceLock::get))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Adds one, unless there is one that is `same`, or no room. Says whether there is one now.
    pub(super) fn add(&self, one: T, same: impl Fn(&T) -> bool) -> bool {
        let _alone = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        if self.iter().any(same) {
            return true;
        }
        // Nobody else adds: the first empty place stays empty until it is taken here.
        let place = self.later.iter().find(|place| place.get().is_none());
        place.is_some_and(|place| place.set(one).is_ok())
    }
}

impl<T> Index<usize> for Grown<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        match at.checked_sub(self.first.len()) {
            None => &self.first[at],
            Some(later) => match self.later[later].get() {
                Some(one) => one,
                None => panic!("number {at} of {}", self.len()),
            },
        }
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
        assert!(grown.add(3, |one| *one == 3) && grown.add(3, |one| *one == 3));
        assert_eq!((grown.len(), *first, grown[2]), (3, 2, 3));
        assert_eq!((&grown).into_iter().copied().collect::<Vec<_>>(), [1, 2, 3]);
        for more in 0..ROOM {
            let fits = grown.add(10 + more, |_| false);
            assert_eq!(fits, more + 1 < ROOM, "{more}");
        }
    }
}
