//! The frontier of a dataflow as a watch channel: one thread per dataflow waits for the index, so
//! that a waiting task costs no thread.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

use diptych_base::error::{Error, Result};
use diptych_base::time::Epoch;
use diptych_serving::Serving;

/// How often the thread checks whether any receiver is left.
const LOOK: Duration = Duration::from_millis(100);

/// Follows the frontier of the index that `serving` serves, until `serving` is dropped.
///
/// # Errors
/// When the thread cannot be started.
pub fn follow(name: &str, serving: &Arc<Serving>) -> Result<watch::Receiver<Epoch>> {
    let (sender, receiver) = watch::channel(serving.index().frontier());
    let serving = Arc::downgrade(serving);
    thread::Builder::new()
        .name(format!("frontier-{name}"))
        .spawn(move || forward(&serving, &sender))
        .map_err(|error| Error::io("starting the thread that follows a frontier", error))?;
    Ok(receiver)
}

fn forward(serving: &Weak<Serving>, sender: &watch::Sender<Epoch>) {
    loop {
        // The index is not held while waiting: when its last other holder drops it, this thread
        // ends.
        let Some(index) = serving.upgrade().map(|serving| serving.index()) else { return };
        if sender.is_closed() {
            return;
        }
        let seen = *sender.borrow();
        let frontier = index.wait_beyond(seen, LOOK);
        if frontier > seen {
            sender.send_replace(frontier);
        } else if index.is_retired() {
            // The successor of the index serves by now, or in a moment.
            thread::sleep(Duration::from_millis(1));
        }
    }
}
