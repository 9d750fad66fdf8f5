//! The bound on new producers that one credential may introduce.
//!
//! The log never forgets a producer, and has room for a limited number. Without this bound one
//! client that may append could take all of it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use super::auth::TokenDigest;
use diptych_base::limits::{NEW_PRODUCERS_MAX, NEW_PRODUCERS_TIME};
use diptych_base::lock_mutex::lock;

/// The number of producers that each credential has introduced, and since when. Clients without a
/// credential, where none is required, count as one.
#[derive(Default)]
pub struct NewProducers(Mutex<HashMap<Option<TokenDigest>, (Instant, u32)>>);

impl NewProducers {
    /// Counts a new producer of the client with this pass; false when there are too many.
    pub fn admit(&self, pass: Option<TokenDigest>) -> bool {
        self.admit_at(pass, Instant::now())
    }

    fn admit_at(&self, pass: Option<TokenDigest>, now: Instant) -> bool {
        let mut all = lock(&self.0);
        // The map has at most as many entries as the file has tokens.
        all.retain(|_, (since, _)| now.saturating_duration_since(*since) < NEW_PRODUCERS_TIME);
        let (_, count) = all.entry(pass).or_insert((now, 0));
        let admitted = *count < NEW_PRODUCERS_MAX;
        *count += u32::from(admitted);
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_credential_has_its_own_number() {
        let newcomers = NewProducers::default();
        let [a, b] = ["a", "b"].map(|secret| Some(TokenDigest::of(secret)));
        let now = Instant::now();
        for _ in 0..NEW_PRODUCERS_MAX {
            assert!(newcomers.admit_at(a, now));
        }
        assert!(!newcomers.admit_at(a, now));
        assert!(newcomers.admit_at(b, now));
        assert!(newcomers.admit_at(None, now));
        assert!(newcomers.admit_at(a, now + NEW_PRODUCERS_TIME));
    }
}
