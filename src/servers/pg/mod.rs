//! The Postgres protocol, read only.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::entry::Entry;
use super::site::Site;

/// Answers connections until told to stop.
pub(super) async fn serve(
    site: Arc<Site>,
    listener: TcpListener,
    entry: Entry,
    mut stopping: watch::Receiver<bool>,
) {
    let _ = (site, listener, entry);
    // Ends with its sender, too.
    let _ = stopping.wait_for(|stop| *stop).await;
}
