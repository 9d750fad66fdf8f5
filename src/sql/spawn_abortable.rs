//! Spawns work on the threads of SQL; the work ends when its caller stops waiting.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::SqlError;

/// A task that is aborted when this is dropped.
pub(super) struct AbortOnDrop<T>(pub(super) JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs `work` on `threads` and waits for it.
pub(super) async fn run<T: Send + 'static>(
    threads: &Handle,
    work: impl Future<Output = Result<T, SqlError>> + Send + 'static,
) -> Result<T, SqlError> {
    let mut task = AbortOnDrop(threads.spawn(work));
    match (&mut task.0).await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => Err(panicked()),
        Err(_) => Err(SqlError::new("57P01", "the server is stopping")),
    }
}

/// The error of a statement that met a bug.
pub(super) fn panicked() -> SqlError {
    let message = "the statement met a bug in the SQL engine and was ended (write it another way; \
                   the server's log has the place)";
    SqlError::new("XX000", message)
}
