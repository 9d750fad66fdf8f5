//! The parser of the credentials file.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::secret::{Hash, hash, parse_hash, same};
use super::{Role, Roles, Scram};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{read_text, secret_bytes, shared_mode};

/// The tokens and users of a credentials file.
#[derive(Debug, Default)]
pub struct Credentials {
    tokens: Vec<AccessToken>,
    users: Vec<User>,
}

/// A token, of which only the hash is kept.
pub(super) struct AccessToken {
    /// The name that logs give the token.
    pub name: String,
    hash: Hash,
    /// The roles of the token.
    pub roles: Roles,
    /// The time from which on the token is void, in microseconds since 1970.
    pub expires: Option<i64>,
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({:?})", self.name)
    }
}

/// A user of the Postgres port.
struct User {
    name: String,
    scram: Scram,
    /// A digest that changes when the password does.
    mark: Hash,
    roles: Roles,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let User { name, roles, .. } = self;
        f.debug_struct("User").field("name", name).field("roles", roles).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<TokenEntry>,
    #[serde(default)]
    user: Vec<UserEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    name: String,
    sha256: Spanned<String>,
    roles: Vec<Spanned<String>>,
    expires: Option<Spanned<toml::value::Datetime>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserEntry {
    name: Spanned<String>,
    scram: Option<Spanned<String>>,
    password: Option<String>,
    roles: Vec<Spanned<String>>,
}

impl Credentials {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read or does not have the format of [`auth`](super); the error names the
    /// line, and no secret.
    pub fn read(path: &Path) -> Result<Credentials> {
        let text = read_text(path).map_err(|error| {
            error.remedy("make one with `diptych token new`, which prints the lines for it")
        })?;
        let found = Credentials::parse(&text).map_err(|error| error.within(path.display()))?;
        // The operator may let a group read hashes, but write access for others lets them add
        // themselves.
        let plain = found.plain_passwords(&text);
        if let Some(mode) = shared_mode(path, if plain { 0o077 } else { 0o027 }) {
            let path = path.display();
            let what = if plain { " holds a password and" } else { "" };
            tracing::warn!(
                "{path}{what} is open to others (its mode is {mode:04o}): chmod 600 {path}"
            );
        }
        Ok(found)
    }

    /// Parses the text of a credentials file.
    ///
    /// # Errors
    /// As [`Credentials::read`].
    pub fn parse(text: &str) -> Result<Credentials> {
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            wrong(line, escaped(error.message()))
        })?;
        let at = |span: std::ops::Range<usize>| line_of(text, span.start);
        let mut found = Credentials::default();
        for entry in file.token {
            let hash = parse_hash(entry.sha256.get_ref()).ok_or_else(|| {
                wrong(at(entry.sha256.span()), "sha256 is not 64 hexadecimal digits")
            })?;
            let expires = entry.expires.map(|date| {
                let micros = micros_of(*date.get_ref());
                micros.ok_or_else(|| {
                    let what = "expires is no time with an offset, such as 2030-01-01T00:00:00Z";
                    wrong(at(date.span()), what)
                })
            });
            let roles = roles(&entry.roles, text)?;
            found.tokens.push(AccessToken {
                name: entry.name,
                hash,
                roles,
                expires: expires.transpose()?,
            });
        }
        for entry in file.user {
            let line = at(entry.name.span());
            let stated = entry.scram.as_ref().map(Spanned::get_ref).or(entry.password.as_ref());
            let mark = hash(stated.map_or("", String::as_str));
            let scram = match (entry.scram, entry.password) {
                (Some(scram), None) => scram.get_ref().parse().map_err(|()| {
                    wrong(at(scram.span()), "scram is no verifier as `diptych token user` prints")
                })?,
                (None, Some(password)) => Scram::derive(&password, &secret_bytes::<16>()?),
                _ => return Err(wrong(line, "a user has either scram or password")),
            };
            let name = entry.name.into_inner();
            if found.users.iter().any(|user| user.name == name) {
                return Err(wrong(line, &format!("user {name:?} is there twice")));
            }
            found.users.push(User { name, scram, mark, roles: roles(&entry.roles, text)? });
        }
        Ok(found)
    }

    /// Whether the file has neither tokens nor users.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.users.is_empty()
    }

    /// The numbers of tokens and of users.
    pub fn counts(&self) -> (usize, usize) {
        (self.tokens.len(), self.users.len())
    }

    /// The token with this hash, whatever its roles. Every entry is compared, found or not.
    pub(super) fn token(&self, hash: &Hash) -> Option<&AccessToken> {
        let mut found = None;
        for token in &self.tokens {
            if same(&token.hash, hash) {
                found = Some(token);
            }
        }
        found
    }

    /// The SCRAM verifier of a user who may read; none for any other name.
    pub fn scram(&self, user: &str) -> Option<Scram> {
        self.reader(user).map(|found| found.scram.clone())
    }

    /// A digest of the entry of a user who may read; it stays the same while the entry does.
    pub(super) fn mark(&self, user: &str) -> Option<Hash> {
        self.reader(user).map(|found| found.mark)
    }

    fn reader(&self, user: &str) -> Option<&User> {
        let found = self.users.iter().find(|known| known.name == user)?;
        found.roles.allow(Role::Read).then_some(found)
    }

    fn plain_passwords(&self, text: &str) -> bool {
        !self.users.is_empty() && text.lines().any(|line| line.trim().starts_with("password"))
    }
}

fn roles(names: &[Spanned<String>], text: &str) -> Result<Roles> {
    let parsed = names.iter().map(|name| {
        name.get_ref().parse::<Role>().map_err(|()| {
            let line = line_of(text, name.span().start);
            wrong(line, "a role is none of \"read\", \"append\", \"admin\"")
        })
    });
    parsed.collect()
}

fn wrong(line: usize, what: &str) -> Error {
    Error::new(Kind::Input, format!("line {line}: {what}"))
        .remedy("`diptych token new --role read` prints lines as they should be")
}

/// The number of the line with byte `at`, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// A parser's message, cut where it may repeat a value, which may be a secret.
fn escaped(message: &str) -> &str {
    let known = ["unknown field", "missing field", "duplicate key"];
    if known.iter().any(|start| message.starts_with(start)) {
        return message;
    }
    "this is not TOML, or not of the type that is expected here"
}

fn micros_of(date: toml::value::Datetime) -> Option<i64> {
    let text = date.to_string();
    date.offset
        .and_then(|_| chrono::DateTime::parse_from_rfc3339(&text).ok())
        .map(|at| at.timestamp_micros())
}
