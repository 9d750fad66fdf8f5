//! The hand-over from the answers of a warm start to the dataflows that have caught up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::version_registry::Running;
use diptych_base::error::{Error, Result};
use diptych_serving::Index;

/// The interval of checks whether readers can be moved over.
const LOOK: Duration = Duration::from_millis(20);

/// Moves readers over from the first answers; dropping it leaves the remaining ones where they are.
#[derive(Default)]
pub(super) struct FirstCutover {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl FirstCutover {
    /// Has each index serve, at once or when it has reached the frontier that readers have seen.
    ///
    /// # Errors
    /// When the thread that waits for it cannot be started.
    pub(super) fn of<'a>(
        flows: impl Iterator<Item = (&'a Running, &'a Index)>,
    ) -> Result<FirstCutover> {
        let mut first_cutover = FirstCutover::default();
        for (running, index) in flows {
            let serving = Arc::clone(&running.serving);
            let index = index.clone();
            if serving.index().is_same(&index) || serving.cutover(index.clone()).is_ok() {
                continue;
            }
            let over = Arc::clone(&first_cutover.over);
            let wait = move || {
                while !over.load(Ordering::Acquire) {
                    let seen = serving.index().frontier();
                    index.wait_beyond(seen.saturating_sub(1), LOOK);
                    if serving.cutover(index.clone()).is_ok() {
                        return;
                    }
                }
            };
            let thread = std::thread::Builder::new().name("first cutover".into()).spawn(wait);
            let failed = |error| Error::io("starting the thread that moves readers over", error);
            first_cutover.threads.push(thread.map_err(failed)?);
        }
        Ok(first_cutover)
    }
}

impl Drop for FirstCutover {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            // A panic there was reported when it happened.
            let _ = thread.join();
        }
    }
}
