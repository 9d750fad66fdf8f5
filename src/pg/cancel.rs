//! Cancellation of statements: by a cancel request, a timeout, the loss of the user's credentials,
//! or because the client has left.
//!
//! A cancel request comes on a connection of its own and names another one by number and secret.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::departure::ClientWatch;
use super::error::Failure;
use diptych_base::error::Result;
use diptych_base::io::secret_bytes;
use diptych_base::lock_mutex::lock;
use diptych_site::auth::Login;

/// The table of connections whose statements can be cancelled.
#[derive(Default)]
pub(super) struct Cancels(Mutex<Table>);

#[derive(Default)]
struct Table {
    last: i32,
    entries: HashMap<i32, (i32, watch::Sender<()>)>,
}

/// A connection's entry in the table, which is removed when this is dropped.
pub(super) struct Cancel {
    cancels: Arc<Cancels>,
    pub(super) pid: i32,
    pub(super) secret: i32,
    asked: watch::Receiver<()>,
    /// The user of the connection, when the server has credentials.
    login: Option<Login>,
    client: Arc<ClientWatch>,
}

/// A guard that can end one statement.
#[derive(Clone)]
pub(super) struct StatementGuard {
    asked: watch::Receiver<()>,
    deadline: Option<Instant>,
    login: Option<Login>,
    client: Arc<ClientWatch>,
}

impl Cancels {
    /// Adds an entry for a new connection, which ends with its `login` or when its `client` leaves.
    ///
    /// # Errors
    /// When there are no random bytes for its secret.
    pub(super) fn enter(
        self: &Arc<Self>,
        login: Option<Login>,
        client: ClientWatch,
    ) -> Result<Cancel> {
        let secret = i32::from_be_bytes(secret_bytes()?);
        let (sender, asked) = watch::channel(());
        let mut table = self.table();
        let pid = loop {
            table.last = table.last.checked_add(1).unwrap_or(1);
            if !table.entries.contains_key(&table.last) {
                break table.last;
            }
        };
        table.entries.insert(pid, (secret, sender));
        drop(table);
        let client = Arc::new(client);
        Ok(Cancel { cancels: Arc::clone(self), pid, secret, asked, login, client })
    }

    /// Asks connection `pid` to cancel its statement, if the secret is right. The caller does not
    /// learn whether it was.
    pub(super) fn ask(&self, pid: i32, secret: i32) {
        if let Some((right, asked)) = self.table().entries.get(&pid)
            && *right == secret
        {
            asked.send_replace(());
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Each critical section makes one change, so a poisoned table is intact.
        lock(&self.0)
    }
}

impl Cancel {
    /// A guard for a statement that begins now; earlier cancel requests do not apply to it.
    pub(super) fn guard(&mut self, timeout: Option<Duration>) -> StatementGuard {
        self.asked.mark_unchanged();
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let client = Arc::clone(&self.client);
        StatementGuard { asked: self.asked.clone(), deadline, login: self.login.clone(), client }
    }

    /// The user of the connection, when the server has credentials.
    pub(super) fn login(&self) -> Option<Login> {
        self.login.clone()
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        self.cancels.table().entries.remove(&self.pid);
    }
}

impl StatementGuard {
    /// Runs `work`, unless the statement is to end before that.
    ///
    /// # Errors
    /// When the statement was cancelled, timed out, or has lost its user or its client.
    pub(super) async fn watch<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> std::result::Result<T, Failure> {
        let deadline = self.deadline;
        let late = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let asked = async {
            // Without a sender no request can come any more.
            if self.asked.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let over = over(self.login.clone());
        let left = self.client.left();
        tokio::select! {
            biased;
            () = over => Err(ended()),
            () = asked => Err(Failure::new("57014", "canceling statement due to user request")),
            () = late => {
                let failure = Failure::new("57014", "canceling statement due to statement timeout");
                Err(failure.hint("SET statement_timeout to more, or ask for less"))
            }
            done = work => Ok(done),
            // The last: work that is ready needs no look at the client.
            () = left => Err(Failure::fatal("08006", "the client has left")),
        }
    }
}

/// Waits until a session has lost its user, and returns soon after.
pub(super) async fn over(login: Option<Login>) {
    match login {
        Some(login) => login.over().await,
        None => std::future::pending().await,
    }
}

/// The error for the client of a session that has lost its user.
pub(super) fn ended() -> Failure {
    let message = "terminating connection: this user may not read here any more";
    Failure::fatal("57P01", message).hint("ask whoever keeps the credentials file")
}
