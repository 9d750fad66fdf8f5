//! Progress bars on standard error; without a terminal nothing is shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use diptych_engine::Progress;

const TICK: Duration = Duration::from_millis(80);
const ROWS: &str = "{prefix:>14} {bar:32} {human_pos}/{human_len} events  {per_sec}  ETA {eta}";
const BYTES: &str = "{prefix:>14} {bar:32} {bytes}/{total_bytes}  {msg}";

/// A bar counted in bytes, moved by the caller.
pub(super) fn bytes(prefix: &str) -> ProgressBar {
    styled(prefix, BYTES)
}

/// A bar counted in events, moved by the caller.
pub(super) fn rows(prefix: &str) -> ProgressBar {
    styled(prefix, ROWS)
}

fn styled(prefix: &str, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.set_prefix(prefix.to_owned());
    bar
}

/// A bar that shows the progress of a batch run, until dropped.
pub(super) struct Watching {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watching {
    /// Starts showing `progress`.
    pub(super) fn start(prefix: &str, progress: &Arc<Progress>) -> Watching {
        let bar = rows(prefix);
        let done = Arc::new(AtomicBool::new(false));
        let progress = Arc::clone(progress);
        let over = Arc::clone(&done);
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Acquire) {
                bar.set_length(progress.total());
                bar.set_position(progress.rows());
                std::thread::park_timeout(TICK);
            }
            bar.finish_and_clear();
        });
        Watching { done, thread: Some(thread) }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A bar that failed has done no harm.
            let _ = thread.join();
        }
    }
}
