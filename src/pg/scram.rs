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

/// The mechanism without channel binding.
const MECHANISM: &str = "SCRAM-SHA-256";
/// The mechanism that binds the exchange to the server's certificate, so that nobody between client
/// and server can pass it on.
const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// Authenticates `user`, over TLS with this `certificate` (DER), if there is one.
///
/// # Errors
/// When the proof is wrong, with 28P01; or when the client does not speak the mechanism.
pub(super) async fn authenticate(
    wire: &mut Wire,
    user: &str,
    gate: &Gate,
    certificate: Option<&[u8]>,
) -> Result<(), Failure> {
    let secret = match gate.scram(user) {
        Some(scram) => secret(scram),
        None => nobody(user)?,
    };
    let server = server(certificate);
    let mut mechanisms = vec![MECHANISM.to_owned()];
    if server.supports_channel_binding() {
        // The preferred one comes first.
        mechanisms.insert(0, MECHANISM_PLUS.to_owned());
    }
    let offered = mechanisms.clone();
    backend::rare(&Authentication::SASL(mechanisms), &mut wire.out);
    let first = password_message(wire).await?;
    let mut first = BodyReader(&first);
    let mechanism = first.text()?;
    if !offered.contains(&mechanism) {
        let offered = offered.join(", ");
        let message = format!("{mechanism:?} is not offered; these are: {offered}");
        return Err(Failure::fatal("28000", message));
    }
    let first = first.value()?.ok_or_else(|| malformed("no first message of the client"))?;
    if (mechanism == MECHANISM_PLUS) != first.starts_with(b"p=") {
        // Otherwise a client could choose the binding and then leave it out.
        return Err(malformed("the channel binding is not that of the mechanism"));
    }
    let refused = |error| refuse(user, &error);
    let (challenge, waiting) =
        server.on_client_first_message_with_secret(&first, secret).map_err(refused)?;
    backend::rare(&Authentication::SASLContinue(challenge.into()), &mut wire.out);
    let proof = password_message(wire).await?;
    let answer = waiting.on_client_final_message(&proof).map_err(refused)?;
    backend::rare(&Authentication::SASLFinal(answer.into()), &mut wire.out);
    Ok(())
}

/// The server's side of the exchange; with channel binding where the certificate has a hash that
/// both sides know.
fn server(certificate: Option<&[u8]>) -> ScramServerAuth {
    let mut server = ScramServerAuth::new();
    if let Some(der) = certificate {
        // A certificate of another kind, such as Ed25519, has no agreed hash (RFC 5929): then there
        // is no channel binding, as in PostgreSQL.
        let _ = server.configure_certificate(pem(der).as_bytes());
    }
    server
}

fn pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
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
