//! Runs work that may wait for a disk or a computation on threads that may wait.

use tokio::sync::AcquireError;

use diptych_base::error::{Error, Kind, Result};

/// Runs work that may wait for a disk or a computation on a blocking thread.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let kind = if error.is_panic() { Kind::Panic } else { Kind::Stopped };
        Err(Error::new(kind, format!("a request's work ended early: {error}")))
    })
}

/// Runs [`blocking`] work once `turn` has come.
pub async fn blocking_in_turn<T: Send + 'static, P: Send + 'static>(
    turn: impl Future<Output = std::result::Result<P, AcquireError>>,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    // The semaphore is never closed.
    let turn = turn.await.ok();
    blocking(move || {
        // The requester may be gone by now: the turn ends with the work.
        let _turn = turn;
        work()
    })
    .await
}
