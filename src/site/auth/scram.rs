//! SCRAM-SHA-256 verifiers (RFC 7677), against which the Postgres port checks passwords.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{hmac, pbkdf2};
use sha2::{Digest, Sha256};

/// Hash iterations of a verifier made here; the default of `PostgreSQL`.
const ITERATIONS: u32 = 4096;
/// The most iterations that a file may ask for; with more, each login would take seconds.
const ITERATIONS_MAX: u32 = 10_000_000;

/// A verifier, as `PostgreSQL` stores it: `SCRAM-SHA-256$iterations:salt$stored_key:server_key`.
/// A reader of the verifier cannot log in with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Scram {
    /// Salt that is mixed into the password.
    pub salt: Vec<u8>,
    /// Hash iterations.
    pub iterations: NonZeroU32,
    /// The hash of the client's key.
    pub stored_key: Vec<u8>,
    /// The key with which the server proves that it knows the verifier.
    pub server_key: Vec<u8>,
}

impl Scram {
    /// Computes the verifier of a password.
    pub fn derive(password: &str, salt: &[u8]) -> Scram {
        let iterations = NonZeroU32::new(ITERATIONS).unwrap_or(NonZeroU32::MIN);
        // As PostgreSQL: a text that is no password by RFC 4013 is taken as it is.
        let normalized = stringprep::saslprep(password).unwrap_or(Cow::Borrowed(password));
        let mut salted = [0; 32];
        let hash = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(hash, iterations, salt, normalized.as_bytes(), &mut salted);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
        let client_key = hmac::sign(&key, b"Client Key");
        Scram {
            salt: salt.to_vec(),
            iterations,
            stored_key: Sha256::digest(client_key).to_vec(),
            server_key: hmac::sign(&key, b"Server Key").as_ref().to_vec(),
        }
    }
}

impl FromStr for Scram {
    type Err = ();

    fn from_str(text: &str) -> Result<Scram, ()> {
        let rest = text.strip_prefix("SCRAM-SHA-256$").ok_or(())?;
        let (hashing, keys) = rest.split_once('$').ok_or(())?;
        let (iterations, salt) = hashing.split_once(':').ok_or(())?;
        let (stored_key, server_key) = keys.split_once(':').ok_or(())?;
        let bytes = |text: &str| STANDARD.decode(text).map_err(drop);
        let scram = Scram {
            salt: bytes(salt)?,
            iterations: iterations.parse().map_err(drop)?,
            stored_key: bytes(stored_key)?,
            server_key: bytes(server_key)?,
        };
        let whole = scram.stored_key.len() == 32 && scram.server_key.len() == 32;
        let fits = !scram.salt.is_empty() && scram.iterations.get() <= ITERATIONS_MAX;
        if whole && fits { Ok(scram) } else { Err(()) }
    }
}

impl fmt::Display for Scram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] =
            [&self.salt, &self.stored_key, &self.server_key].map(|bytes| STANDARD.encode(bytes));
        write!(f, "SCRAM-SHA-256${}:{salt}${stored}:{server}", self.iterations)
    }
}

impl fmt::Debug for Scram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scram")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_the_one_that_postgresql_makes() {
        // From RFC 7677, section 3: user "user", password "pencil".
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let scram = Scram::derive("pencil", &salt);
        assert_eq!(
            scram.to_string(),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
             WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
             wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
        assert_eq!(scram.to_string().parse(), Ok(scram));
    }

    #[test]
    fn what_is_no_verifier_is_refused() {
        for text in ["", "md5abc", "SCRAM-SHA-256$0:YQ==$YQ==:YQ==", "SCRAM-SHA-256$4096:YQ==$YQ=="]
        {
            assert_eq!(text.parse::<Scram>(), Err(()), "{text}");
        }
    }
}
