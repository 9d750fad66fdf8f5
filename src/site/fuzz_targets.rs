//! The servers' parsers, for the fuzz tests of [`diptych_base::fuzz_target`]. Requests also arrive
//! through a socket: see the test.

use crate::auth::{Credentials, Role, Scram, new_token, new_user};
use diptych_base::fuzz_target::Decoder;
use diptych_serving::{Cursor, Token};

/// The decoders of cursors, tokens, credentials and verifiers.
pub fn hostile() -> Vec<Decoder> {
    let sample = |made: diptych_base::error::Result<super::auth::NewToken>| {
        made.unwrap_or_else(|error| panic!("a sample: {error}")).lines.into_bytes()
    };
    let token = sample(new_token("a", &Role::ALL));
    let user = sample(new_user("b", Some("secret".into()), Role::Read));
    let scram = Scram::derive("secret", b"salt").to_string().into_bytes();
    let place = diptych_row::encode(&(vec![0_u8, 1, 0], b"to".to_vec()));
    let counted = diptych_row::encode(&((vec![1_u8; 1 << 10], Vec::<u8>::new()), (3_u64, 7_u64)));
    vec![
        Decoder::new("cursor", vec![place, counted], |bytes| drop(Cursor::from_bytes(bytes))),
        Decoder::new("token of changes", vec![b"build-1@17".to_vec()], |bytes| {
            drop(String::from_utf8_lossy(bytes).parse::<Token>());
        }),
        Decoder::new("credentials", vec![token, user], |bytes| {
            drop(Credentials::parse(&String::from_utf8_lossy(bytes)));
        }),
        Decoder::new("verifier", vec![scram], |bytes| {
            drop(String::from_utf8_lossy(bytes).parse::<Scram>());
        }),
    ]
}
