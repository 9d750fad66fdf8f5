//! Waiting for threads that run a user's function: they cannot be stopped in the middle of it, only
//! left behind.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The interval of checks whether a thread has ended.
const LOOK: Duration = Duration::from_millis(1);

/// Waits for the end of all `threads`, at most until `deadline`; false when one still runs then.
/// After true, joining them does not wait.
pub fn ended_by<T>(threads: &[JoinHandle<T>], deadline: Instant) -> bool {
    loop {
        if threads.iter().all(JoinHandle::is_finished) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}
