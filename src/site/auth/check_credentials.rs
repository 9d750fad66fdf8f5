//! The gate: the credentials in force, which can be replaced while requests pass.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::secret::{Hash, hash};
use super::{Credentials, Role, Scram};
use crate::file_watcher::{Reload, Watched};
use crate::problem::Problem;
use diptych_base::error::Result;
use diptych_base::io::{Clock, RealClock};

/// The longest token that is hashed, in bytes; every token made here is shorter.
const TOKEN_BYTES_MAX: usize = 256;

/// The credentials in force. Every server has a gate when there is a credentials file.
pub struct Gate {
    path: PathBuf,
    current: ArcSwap<Credentials>,
    clock: Arc<dyn Clock>,
    /// The number of requests refused.
    pub denied: AtomicU64,
}

impl Gate {
    /// Reads the credentials file at `path`.
    ///
    /// # Errors
    /// When it cannot be read or is broken.
    pub fn open(path: &Path) -> Result<Arc<Gate>> {
        let credentials = Credentials::read(path)?;
        Ok(Arc::new(Gate::new(path, credentials, Arc::new(RealClock))))
    }

    pub(super) fn new(path: &Path, credentials: Credentials, clock: Arc<dyn Clock>) -> Gate {
        if credentials.is_empty() {
            let path = path.display();
            tracing::warn!("{path} has no tokens and no users: only /healthz and /readyz answer");
        }
        let current = ArcSwap::from_pointee(credentials);
        Gate { path: path.to_owned(), current, clock, denied: AtomicU64::new(0) }
    }

    /// Checks that the token in `headers` has what needs `role`. The pass that is returned can be
    /// checked again later.
    ///
    /// # Errors
    /// The refusal to send to the client.
    pub fn check(
        &self,
        headers: &HeaderMap,
        role: Role,
    ) -> std::result::Result<TokenDigest, Denied> {
        let outcome = self.decide(headers, role);
        if outcome.is_err() {
            self.denied.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// Whether [`Gate::check`] would pass, for a request that is answered either way; a "no" is not
    /// counted as a refusal.
    pub fn may(&self, headers: &HeaderMap, role: Role) -> bool {
        self.decide(headers, role).is_ok()
    }

    fn decide(&self, headers: &HeaderMap, role: Role) -> std::result::Result<TokenDigest, Denied> {
        let Some(secret) = bearer(headers) else { return Err(Denied::Nobody) };
        let pass = TokenDigest(hash(secret));
        self.admit(&pass, role).map(|()| pass)
    }

    /// Checks that the token of a pass is still in the file and has what needs `role`.
    ///
    /// # Errors
    /// When it is not there any more, has expired, or lacks the role.
    pub(super) fn admit(&self, pass: &TokenDigest, role: Role) -> std::result::Result<(), Denied> {
        let current = self.current.load();
        let Some(token) = current.token(&pass.0) else { return Err(Denied::Unknown) };
        if token.expires.is_some_and(|end| self.clock.now_us() >= end) {
            return Err(Denied::Expired);
        }
        if !token.roles.allow(role) {
            tracing::debug!("token {:?} was used for what needs {}", token.name, role.name());
            return Err(Denied::NotAllowed(role));
        }
        Ok(())
    }

    /// The SCRAM verifier of a user of the Postgres port; none for a user who is unknown or may not
    /// read, which a server treats like a wrong password.
    pub fn scram(&self, user: &str) -> Option<Scram> {
        self.current.load().scram(user)
    }

    /// A session of `user` that begins now; none for a user who is unknown or may not read.
    pub fn login(self: &Arc<Self>, user: &str) -> Option<Login> {
        let mark = self.current.load().mark(user)?;
        Some(Login { gate: Arc::clone(self), user: user.into(), mark })
    }
}

impl Watched for Gate {
    fn paths(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }

    fn reload(&self) -> Result<Reload> {
        let found = Credentials::read(&self.path)?;
        let (tokens, users) = found.counts();
        self.current.store(Arc::new(found));
        let path = self.path.display();
        Ok(Reload(format!("{path} was read again: {tokens} tokens, {users} users")))
    }
}

/// The token of an `Authorization: Bearer …` header.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    let secret = secret.trim();
    let fits = !secret.is_empty() && secret.len() <= TOKEN_BYTES_MAX;
    (scheme.eq_ignore_ascii_case("bearer") && fits).then_some(secret)
}

/// How often the credentials are searched for the user of a session.
const LOOK: Duration = Duration::from_millis(500);

/// A session of a user whom the Postgres port has let in.
#[derive(Clone)]
pub struct Login {
    gate: Arc<Gate>,
    user: Arc<str>,
    mark: Hash,
}

impl Login {
    /// Whether the user is still in the file, with the same password and the right to read.
    pub fn holds(&self) -> bool {
        self.gate.current.load().mark(&self.user) == Some(self.mark)
    }

    /// Waits until [`Login::holds`] is false, and returns soon after.
    pub async fn over(&self) {
        while self.holds() {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The hash of a token that was let in: a handle for later checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenDigest(Hash);

#[cfg(test)]
impl TokenDigest {
    /// The pass of the token `secret`.
    pub fn of(secret: &str) -> TokenDigest {
        TokenDigest(hash(secret))
    }
}

/// The reason why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The request has no token.
    Nobody,
    /// The token is not in the file, or not any more.
    Unknown,
    /// The token has expired.
    Expired,
    /// The token does not have this role.
    NotAllowed(Role),
}

impl Denied {
    /// The reason as a sentence, with the remedy.
    pub(super) fn reason(self) -> String {
        match self {
            Denied::Nobody => "this needs a token (send `Authorization: Bearer TOKEN`)".to_owned(),
            Denied::Unknown => "this token is not known here (any more)".to_owned(),
            Denied::Expired => {
                "this token has expired (ask for a new one: `diptych token new`)".to_owned()
            }
            Denied::NotAllowed(role) => {
                format!("this needs a token with the role {:?}", role.name())
            }
        }
    }

    fn problem(self) -> Problem {
        let (status, kind) = match self {
            Denied::NotAllowed(_) => (StatusCode::FORBIDDEN, "forbidden"),
            _ => (StatusCode::UNAUTHORIZED, "unauthorized"),
        };
        Problem::new(status, kind, self.reason())
    }

    /// The last event of a Server-Sent Events stream, with the reason.
    pub(super) fn event(self) -> Bytes {
        // Plain values and texts cannot fail.
        let problem = serde_json::to_string(self.problem().body()).unwrap_or_default();
        format!("event: problem\ndata: {problem}\n\n").into()
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let challenge = match self {
            Denied::Nobody => "Bearer realm=\"diptych\"",
            Denied::Unknown | Denied::Expired => {
                "Bearer realm=\"diptych\", error=\"invalid_token\""
            }
            Denied::NotAllowed(_) => "Bearer realm=\"diptych\", error=\"insufficient_scope\"",
        };
        let mut response = self.problem().into_response();
        let challenge = HeaderValue::from_static(challenge);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        response
    }
}
