//! Secrets: random tokens and passwords, shown once; hashes, compared in constant time.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest, Sha256};

use super::{Role, Scram};
use diptych_base::error::Result;
use diptych_base::io::secret_bytes;

/// The prefix of a token, by which logs and scanners for leaked secrets recognise it.
const PREFIX: &str = "diptych_";

/// The SHA-256 of a secret.
pub(super) type Hash = [u8; 32];

/// A new secret, with the lines of the credentials file that admit it.
pub struct NewToken {
    /// The secret, for the client; it is kept nowhere.
    pub secret: String,
    /// The lines to add to the credentials file.
    pub lines: String,
}

/// Makes a token of 256 random bits. So many need no slow key derivation: guessing is hopeless.
///
/// # Errors
/// When the system gives no random bytes.
pub fn new_token(name: &str, roles: &[Role]) -> Result<NewToken> {
    let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret_bytes::<32>()?));
    let mut lines = format!("[[token]]\nname = {}\n", quoted(name));
    // Writing to a string cannot fail.
    let _ = writeln!(lines, "sha256 = \"{}\"", HEXLOWER.encode(&hash(&secret)));
    let _ = writeln!(lines, "roles = [{}]", listed(roles));
    Ok(NewToken { secret, lines })
}

/// Makes a user of the Postgres port with this password, or with a random one.
///
/// # Errors
/// When the system gives no random bytes.
pub fn new_user(name: &str, password: Option<String>, role: Role) -> Result<NewToken> {
    let secret = match password {
        Some(password) => password,
        None => URL_SAFE_NO_PAD.encode(secret_bytes::<18>()?),
    };
    let scram = Scram::derive(&secret, &secret_bytes::<16>()?);
    let lines = format!(
        "[[user]]\nname = {}\nscram = \"{scram}\"\nroles = [{}]\n",
        quoted(name),
        listed(&[role]),
    );
    Ok(NewToken { secret, lines })
}

fn quoted(name: &str) -> String {
    toml::Value::from(name).to_string()
}

fn listed(roles: &[Role]) -> String {
    let names: Vec<String> = roles.iter().map(|role| format!("{:?}", role.name())).collect();
    names.join(", ")
}

pub(super) fn hash(secret: &str) -> Hash {
    Sha256::digest(secret.as_bytes()).into()
}

/// Parses a hash of 64 hexadecimal digits.
pub(super) fn parse_hash(text: &str) -> Option<Hash> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Compares two hashes in a time that does not depend on their bytes.
pub(super) fn same(a: &Hash, b: &Hash) -> bool {
    let differing = a.iter().zip(b).fold(0, |bits, (a, b)| bits | (a ^ b));
    std::hint::black_box(differing) == 0
}
