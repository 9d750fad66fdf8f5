//! The watcher that reads certificates and credentials again when their files change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::blocking::blocking;
use diptych_base::error::Result;
use diptych_base::io::{FileStamp, file_stamp};

/// How often the files are checked. Certificates are replaced by several writes: a change is read
/// when the files have not changed any more since the last check.
const LOOK: Duration = Duration::from_secs(1);

/// The report of a reload, as a sentence.
pub struct Reload(pub(super) String);

/// A value made from files, which can be read again.
pub trait Watched: Send + Sync {
    /// The paths of the files.
    fn paths(&self) -> Vec<PathBuf>;

    /// Reads the files and uses their contents from now on.
    ///
    /// # Errors
    /// When they are broken; the previous contents stay in force.
    fn reload(&self) -> Result<Reload>;
}

/// Reads `watched` again whenever its files change, until told to stop.
pub async fn follow(watched: Arc<dyn Watched>, mut stopping: watch::Receiver<bool>) {
    let mut used = stamps(&*watched);
    let mut seen = used.clone();
    loop {
        let stopped = stopping.wait_for(|stop| *stop);
        if tokio::time::timeout(LOOK, stopped).await.is_ok() {
            return;
        }
        let now = stamps(&*watched);
        let settled = std::mem::replace(&mut seen, now.clone()) == now;
        if now == used || !settled {
            continue;
        }
        used = now;
        let again = Arc::clone(&watched);
        match blocking(move || again.reload()).await {
            Ok(Reload(what)) => tracing::info!("{what}"),
            Err(error) => tracing::warn!("{error}; what was read before stays in force"),
        }
    }
}

fn stamps(watched: &dyn Watched) -> Vec<Option<FileStamp>> {
    watched.paths().iter().map(|path| file_stamp(path)).collect()
}
