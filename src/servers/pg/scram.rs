//! SCRAM-SHA-256: the password never crosses the wire, and a listener cannot repeat what does.
//!
//! The arithmetic is `pgwire`'s; here are the two rounds, and the answer to a user whom nobody
//! knows: the same two rounds with a salt that only this process could foretell, so that a
//! stranger cannot find out who exists.

use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use pgwire::api::auth::sasl::scram::{
    SCRAM_ITERATIONS, ScramSecret, ScramServerAuth, gen_salted_password,
};
use pgwire::messages::startup::Authentication;
use sha2::{Digest, Sha256};

use super::backend;
use super::failure::Failure;
use super::frontend::{Body, Message, malformed};
use super::wire::Wire;
use crate::limits::SCRAM_ITERATIONS_MAX;

/// The only mechanism.
const MECHANISM: &str = "SCRAM-SHA-256";

/// What a user proves to know.
#[derive(Clone)]
pub(in crate::servers) enum Password {
    /// The password itself.
    Clear(String),
    /// `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`, as PostgreSQL stores it.
    Verifier(String),
}

/// Finds the password of a user.
pub(in crate::servers) type Passwords = Arc<dyn Fn(&str) -> Option<Password> + Send + Sync>;

/// Fills `bytes` with what nobody can foretell; none when the system has no more.
pub(super) fn fill_random(bytes: &mut [u8]) -> Option<()> {
    let provider = rustls::crypto::ring::default_provider();
    provider.secure_random.fill(bytes).ok()
}

/// Lets `user` prove who he is.
///
/// # Errors
/// When he does not, with 28P01; or when he does not speak the mechanism.
pub(super) async fn authenticate(
    wire: &mut Wire,
    user: &str,
    passwords: &Passwords,
) -> Result<(), Failure> {
    let secret = match passwords(user).map(secret) {
        Some(secret) => secret?,
        None => nobody(user)?,
    };
    let mechanisms = vec![MECHANISM.to_owned()];
    backend::rare(&Authentication::SASL(mechanisms), &mut wire.out);
    let first = password_message(wire).await?;
    let mut first = Body(&first);
    let mechanism = first.text()?;
    if mechanism != MECHANISM {
        let message = format!("{mechanism:?} is not offered; {MECHANISM} is");
        return Err(Failure::fatal("28000", message));
    }
    let first = first.value()?.ok_or_else(|| malformed("no first message of the client"))?;
    let refused = |error| refuse(user, &error);
    let (challenge, waiting) = ScramServerAuth::new()
        .on_client_first_message_with_secret(&first, secret)
        .map_err(refused)?;
    backend::rare(&Authentication::SASLContinue(challenge.into()), &mut wire.out);
    let proof = password_message(wire).await?;
    let answer = waiting.on_client_final_message(&proof).map_err(refused)?;
    backend::rare(&Authentication::SASLFinal(answer.into()), &mut wire.out);
    Ok(())
}

/// The next message, which must be one about passwords.
async fn password_message(wire: &mut Wire) -> Result<Vec<u8>, Failure> {
    let gone = |_| Failure::fatal("08006", "the client is gone");
    wire.flush().await.map_err(gone)?;
    loop {
        if let Some(frame) = wire.next()? {
            let message = Message::parse(frame.tag, wire.body(frame));
            wire.pass(frame);
            return match message? {
                Message::Password(body) => Ok(body),
                _ => Err(Failure::fatal("08P01", "expected an answer to the password request")),
            };
        }
        if !wire.fill().await.map_err(gone)? {
            return Err(Failure::fatal("08006", "the client is gone"));
        }
    }
}

fn refuse(user: &str, error: &pgwire::error::PgWireError) -> Failure {
    use pgwire::error::PgWireError::InvalidPassword;
    match error {
        InvalidPassword(_) => {
            Failure::fatal("28P01", format!("password authentication failed for user {user:?}"))
        }
        _ => Failure::fatal("08P01", "malformed SCRAM message"),
    }
}

fn secret(password: Password) -> Result<ScramSecret, Failure> {
    match password {
        Password::Clear(password) => {
            let mut salt = vec![0; 16];
            fill_random(&mut salt).ok_or_else(|| Failure::fatal("58000", "no randomness"))?;
            let salted_password = gen_salted_password(&password, &salt, SCRAM_ITERATIONS);
            let iterations = SCRAM_ITERATIONS;
            Ok(ScramSecret::verifier_from_salted_password(salt, salted_password, iterations))
        }
        // What is wrong with it is for the operator, who is told when it is read.
        Password::Verifier(verifier) => parse_verifier(&verifier)
            .ok_or_else(|| Failure::fatal("28000", "this user's verifier is malformed")),
    }
}

fn parse_verifier(verifier: &str) -> Option<ScramSecret> {
    let (salting, keys) = verifier.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
    let (iterations, salt) = salting.split_once(':')?;
    let (stored_key, server_key) = keys.split_once(':')?;
    let decode = |text| BASE64_STANDARD.decode(text).ok();
    let iterations: usize = iterations.parse().ok()?;
    let key = |text| decode(text).filter(|key| key.len() == 32);
    (1..=SCRAM_ITERATIONS_MAX).contains(&iterations).then_some(ScramSecret::Verifier {
        salt: decode(salt)?,
        iterations,
        stored_key: key(stored_key)?,
        server_key: key(server_key)?,
    })
}

/// A secret that nothing proves to know; its salt is the same each time.
fn nobody(user: &str) -> Result<ScramSecret, Failure> {
    static PEPPER: OnceLock<Option<[u8; 32]>> = OnceLock::new();
    let pepper = PEPPER.get_or_init(|| {
        let mut pepper = [0; 32];
        fill_random(&mut pepper).map(|()| pepper)
    });
    let pepper = pepper.ok_or_else(|| Failure::fatal("58000", "no randomness"))?;
    let salted = |what: &[u8]| Sha256::new().chain_update(pepper).chain_update(what).finalize();
    let salt = salted(user.as_bytes())[..16].to_vec();
    // No client key has this hash, as far as anybody knows.
    let stored_key = salted(b"stored").to_vec();
    let server_key = salted(b"server").to_vec();
    Ok(ScramSecret::Verifier { salt, iterations: SCRAM_ITERATIONS, stored_key, server_key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_of_postgres_is_understood() {
        let key = BASE64_STANDARD.encode([7; 32]);
        let verifier = format!("SCRAM-SHA-256$4096:c2FsdA==${key}:{key}");
        assert!(parse_verifier(&verifier).is_some());
        for wrong in [
            "",
            "md5abc",
            "SCRAM-SHA-256$0:c2FsdA==$a:b",
            &verifier.replace("4096", "99999999"),
            &verifier.replace("c2FsdA==", "?"),
            &verifier[..verifier.len() - 8],
        ] {
            assert!(parse_verifier(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn nobody_has_one_salt() {
        let salt = |user| match nobody(user) {
            Ok(ScramSecret::Verifier { salt, .. }) => salt,
            other => panic!("{other:?}"),
        };
        assert_eq!(salt("ada"), salt("ada"));
        assert_ne!(salt("ada"), salt("bob"));
    }
}
