//! Tells the other threads of a test to stop, however the test ends.

use std::sync::atomic::{AtomicBool, Ordering};

/// Sets its flag when it goes out of scope; a test that failed would wait for them for ever.
pub(crate) struct Stop<'a>(pub(crate) &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
