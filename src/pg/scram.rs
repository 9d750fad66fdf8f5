//! SCRAM-SHA-256 authentication: the password never crosses the wire, and a listener cannot replay
//! the exchange.
//!
//! `pgwire` does the arithmetic; this module has the two rounds, and the answer to an unknown user:
//! the same two rounds with a salt that only this process can predict, so that a stranger cannot
//! find out which users exist.

use std::sync::OnceLock;

use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramSecret, ScramServerAuth};
use pgwire::messages::startup::Authentication;
use sha2::{Digest, Sha256};

use super::backend;
use super::error::Failure;
use super::frontend::{BodyReader, FrontendMessage, malformed};
use super::wire::Wire;
use diptych_base::io::secret_bytes;
use diptych_site::auth::{Gate, Scram};

/// The only mechanism that is offered.
const MECHANISM: &str = "SCRAM-SHA-256";

/// Authenticates `user`.
///
/// # Errors
/// When the proof is wrong, with 28P01; or when the client does not speak the mechanism.
pub(super) async fn authenticate(wire: &mut Wire, user: &str, gate: &Gate) -> Result<(), Failure> {
    let secret = match gate.scram(user) {
        Some(scram) => secret(scram),
        None => nobody(user)?,
    };
    let mechanisms = vec![MECHANISM.to_owned()];
    backend::rare(&Authentication::SASL(mechanisms), &mut wire.out);
    let first = password_message(wire).await?;
    let mut first = BodyReader(&first);
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

/// The next message, which must be a password message.
async fn password_message(wire: &mut Wire) -> Result<Vec<u8>, Failure> {
    let gone = |_| Failure::fatal("08006", "the client is gone");
    wire.flush().await.map_err(gone)?;
    loop {
        if let Some(frame) = wire.next()? {
            let message = FrontendMessage::parse(frame.tag, wire.body(frame));
            wire.pass(frame);
            return match message? {
                FrontendMessage::Password(body) => Ok(body),
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

fn secret(scram: Scram) -> ScramSecret {
    let Scram { salt, iterations, stored_key, server_key } = scram;
    let iterations = iterations.get() as usize;
    ScramSecret::Verifier { salt, iterations, stored_key, server_key }
}

/// A secret that no password proves, for an unknown user; its salt is the same each time.
fn nobody(user: &str) -> Result<ScramSecret, Failure> {
    static PEPPER: OnceLock<[u8; 32]> = OnceLock::new();
    let pepper = if let Some(pepper) = PEPPER.get() {
        pepper
    } else {
        let drawn = secret_bytes()?;
        PEPPER.get_or_init(|| drawn)
    };
    let salted = |what: &[u8]| Sha256::new().chain_update(pepper).chain_update(what).finalize();
    let salt = salted(user.as_bytes())[..16].to_vec();
    // No client key is known that has this hash.
    let stored_key = salted(b"stored").to_vec();
    let server_key = salted(b"server").to_vec();
    Ok(ScramSecret::Verifier { salt, iterations: SCRAM_ITERATIONS, stored_key, server_key })
}

#[cfg(test)]
mod tests {
    use super::*;

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
